"""What every family's scores share: the call, start values, products, and the catalogue in slices.

Shapes: B users, C items for each of them, I the catalogue, D factors.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from recsys_trainer.models.on_cpu import rows

EMBEDDING_STD = 0.1
"""NCF starts at 0.01, where the product of two factors gets next to no gradient in the first epochs."""


class Shape(Protocol):
    """What a network reads of the manifest's `model`."""

    @property
    def embedding_dim(self) -> int:
        """Factors of each user and item."""
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
    reader: Callable[[nn.Parameter, Tensor], Tensor] | None = None
    """Reads rows of tables for an optimizer that wants to know which; None: torch's own lookup."""

    def rows(self, table: Tensor, index: Tensor) -> Tensor:
        """Rows of one of `tables`, [*index, D], or [*index] of a table of biases."""
        if self.reader is not None and torch.is_grad_enabled():
            assert isinstance(table, nn.Parameter), "tables are parameters"
            return self.reader(table, index)
        return look_up(table, index)

    def located(self, table: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """The same rows as (matrix, their places in it, shaped as the index): for layers that multiply a row only once."""
        if self.reader is None or not torch.is_grad_enabled():
            return table, index
        rows = self.rows(table, index)
        return rows.view(-1, rows.shape[-1]), torch.arange(index.numel(), device=index.device).view(index.shape)

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
    return nn.Parameter(torch.empty(rows, width).normal_(std=EMBEDDING_STD))


def look_up(table: Tensor, index: Tensor) -> Tensor:
    """Rows of a table, or single values where it is a vector."""
    return rows(table, index) if table.dim() == 2 else table[index]


def dot(user_BD: Tensor, item: Tensor) -> Tensor:
    """Inner products [B, C] with items [C, D] or [B, C, D]."""
    if item.dim() == 2:
        return user_BD @ item.T
    if user_BD.device.type != "cpu" or torch.compiler.is_compiling():
        return (item * user_BD.unsqueeze(1)).sum(2)
    product: Tensor = _OwnItems.apply(user_BD, item)  # type: ignore[no-untyped-call]
    return product


class _OwnItems(torch.autograd.Function):
    """Products of a user with items of its own. As a batch of matrix products they take a third longer to three times as
    long on a CPU, because the matrices are small."""

    @staticmethod
    def forward(ctx: Any, user_BD: Tensor, item_BCD: Tensor) -> Tensor:
        """[B, C]"""
        ctx.save_for_backward(user_BD, item_BCD)
        return (item_BCD * user_BD.unsqueeze(1)).sum(2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        """Of users [B, D] and items [B, C, D]."""
        user_BD, item_BCD = ctx.saved_tensors
        gradient_BC1 = gradients[0].unsqueeze(2)
        return (gradient_BC1 * item_BCD).sum(1), gradient_BC1 * user_BD.unsqueeze(1)


MEMORY_VALUES = 64_000_000
"""Values that are in memory at once (256 MB of float32)."""
CACHE_VALUES = 2**18
"""Values of the widest layer for each thread of a CPU: 1 MB, which stays in its cache from one layer to the next. Slices of
256 MB took three times as long (NeuMF 256-128-64)."""


def catalogue_logits(network: Recommender, user_B: Tensor, all_I: Tensor) -> Tensor:
    """Scores [B, I] over the whole catalogue, item slice by item slice so that wide layers stay within cache or memory."""
    widths = [weight.shape[0] for name, weight in network.named_parameters() if name.startswith("mlp.")]
    values = CACHE_VALUES * torch.get_num_threads() if widths and all_I.device.type == "cpu" else MEMORY_VALUES
    size = max(1, values // (max(1, len(user_B)) * max(widths, default=1)))
    slices = [network(user_B, all_I[start : start + size]) for start in range(0, len(all_I), size)]
    return torch.cat(slices, dim=1)
