"""What every family's scores share: the call, start values, products, and the catalogue in slices.

Shapes: B users, C items for each of them, I the catalogue, D factors.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from recsys_trainer.models.on_cpu import by_hand, rows
from recsys_trainer.models.pair_products import pair_products
from recsys_trainer.models.reads import Reads

EMBEDDING_STD = 0.1
"""NCF starts at 0.01, where the product of two factors gets next to no gradient in the first epochs."""


class Shape(Protocol):
    """What a network reads of the manifest's `model`."""

    @property
    def embedding_dim(self) -> int:
        """Factors of each user and item."""
        ...

    @property
    def mlp_embedding_dim(self) -> int | None:
        """Width of each embedding of the MLP branch, where it is another."""
        ...

    @property
    def hidden_layers(self) -> tuple[int, ...]:
        """Widths, first to last."""
        ...

    @property
    def dropout(self) -> float:
        """Share that a training step ignores."""
        ...

    @property
    def batch_norm(self) -> bool:
        """Whether hidden layers are normalized while training."""
        ...


class Recommender(nn.Module, ABC):
    """Scores users against items."""

    tables: ClassVar[tuple[str, ...]]
    """Names of the parameters with a row for each user or item; only `rows` reads them while the network is trained."""
    lies_here: ClassVar[bool] = True
    """Whether the tables' rows are in this process."""
    reader: Callable[[nn.Parameter, Tensor], Tensor] | None = None
    """Reads rows of tables for an optimizer that wants to know which; None: torch's own lookup."""

    def rows(self, table: Tensor, index: Tensor) -> Tensor:
        """Rows of one of `tables`, [*index, D], or [*index] of a table of biases."""
        if self.reader is not None and torch.is_grad_enabled():
            assert isinstance(table, nn.Parameter), "tables are parameters"
            return self.reader(table, index)
        return rows(table, index)

    def located(self, table: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """The same rows as (matrix, their places in it, shaped as the index): for layers that multiply a row only once."""
        if self.reader is None or not torch.is_grad_enabled():
            return table, index
        rows = self.rows(table, index)
        return rows.view(-1, rows.shape[-1]), torch.arange(index.numel(), device=index.device).view(index.shape)

    def reads(self, table: Tensor, items: Tensor) -> Reads | None:
        """Which rows of an item table the batch reads, where gradients are written by hand: for a CPU and items [B, C]."""
        return Reads.of(items, len(table)) if items.dim() == 2 and by_hand(table) else None

    def squares(self, user_B: Tensor, item_BC: Tensor) -> Tensor:
        """Squares of the rows that a pair reads from all tables, mean over the pairs of users and items.

        A row is penalized once for each pair that it is part of, negatives too, as in Rendle et al. 2020: an item by how often
        it is drawn and not by its popularity alone. Each is read once: popular items are there hundreds of times.
        """
        tables = {name: table for name in self.tables if (table := getattr(self, name)) is not None}
        items = next(len(table) for name, table in tables.items() if "user" not in name)
        row_V, count_V = self._counted(item_BC, items)
        total = torch.zeros((), device=item_BC.device)
        for name, table in tables.items():
            if "user" in name:
                total = total + self.weighed(name, self.rows(table, user_B)).square().sum() * item_BC.shape[1]
            else:
                values = table if row_V is None else self.rows(table, row_V)
                total = total + (values.square().view(len(values), -1).sum(1) * count_V).sum()
        return total / item_BC.numel()

    def _counted(self, item_BC: Tensor, items: int) -> tuple[Tensor | None, Tensor]:
        """(the different items, how often each is there); None: all of them in order, where so many reads leave few out.

        Finding the different ones takes a sort, and on a GPU the CPU waits for their number in each step.
        """
        if not self.lies_here or self.reader is not None or items > 2 * item_BC.numel():
            row_V, count_V = torch.unique(item_BC, return_counts=True)
            return row_V, count_V
        once_N = torch.ones(item_BC.numel(), device=item_BC.device)
        return None, torch.zeros(items, device=item_BC.device).index_add_(0, item_BC.flatten(), once_N)

    def weighed(self, name: str, user_BD: Tensor) -> Tensor:
        """Rows of a user table as the score takes them: weights that grow while the rows shrink would escape a penalty."""
        return user_BD

    @abstractmethod
    def forward(self, user_B: Tensor, items: Tensor) -> Tensor:
        """Scores [B, C].

        Args:
            user_B: user rows.
            items: item rows, [C] for all users the same, or [B, C].
        """

    def exported(self, *, copies: bool = True) -> dict[str, Tensor]:
        """The tensors that give the same scores when served, on the CPU, by artifact tensor name.

        Args:
            copies: which do not change with the network.
        """
        tensors = {name: values.detach().cpu() for name, values in self.state_dict().items()}
        return {name: values.clone() for name, values in tensors.items()} if copies else tensors


def embedding(rows: int, width: int) -> nn.Parameter:
    """A table of start values."""
    return nn.Parameter(start_factors(rows, width, EMBEDDING_STD))


def start_factors(rows: int, width: int, std: float) -> Tensor:
    """Normal values from torch's global generator, which is on the CPU: the same on every device."""
    return torch.empty(rows, width).normal_(std=std)


def inner(user_BD: Tensor, matrix_RD: Tensor, places: Tensor, reads: Reads | None = None) -> Tensor:
    """Inner products [B, C] with rows of a matrix, places [C] for all users the same or [B, C].

    Args:
        reads: of the places, where they are sorted already.
    """
    if places.dim() == 1:
        return user_BD @ rows(matrix_RD, places).T
    return pair_products(user_BD, matrix_RD, places, reads)


MEMORY_VALUES = 64_000_000
"""Values that are in memory at once (256 MB of float32)."""


def catalogue_logits(network: Recommender, user_B: Tensor, all_I: Tensor) -> Tensor:
    """Scores [B, I] over the whole catalogue, item slice by item slice so that wide layers stay within memory."""
    widths = [weight.shape[0] for name, weight in network.named_parameters() if name.startswith("mlp.")]
    size = max(1, MEMORY_VALUES // (max(1, len(user_B)) * max(widths, default=1)))
    slices = [network(user_B, all_I[start : start + size]) for start in range(0, len(all_I), size)]
    return torch.cat(slices, dim=1)
