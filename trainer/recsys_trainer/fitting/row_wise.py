"""Steps that cost what the batch touches, whatever the size of the tables: gradients of rows, and row-wise Adagrad.

Autograd gives a table a gradient of its own size. Here a table is no part of the graph: a step reads rows as leaves, so that
backward leaves a gradient for each row that was read, and those of the same row are summed.

Shapes: R rows of a table, N rows that a step reads, U different ones among them, D factors.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from recsys_trainer.models import on_cpu

EPSILON = 1e-10
"""As in torch's Adagrad. Gradients of a mean over a batch are small: 1e-8 would shorten the first steps of rare rows."""


class RowGradients:
    """What one step has read, and the gradients of it."""

    def __init__(self) -> None:
        self._read: dict[nn.Parameter, list[tuple[Tensor, Tensor]]] = {}

    def read(self, table: nn.Parameter, index: Tensor) -> Tensor:
        """Rows as a leaf of the graph."""
        rows = on_cpu.rows(table.detach(), index).requires_grad_()
        self._read.setdefault(table, []).append((index, rows))
        return rows

    def clear(self) -> None:
        """Forget them, as the step has used them."""
        self._read.clear()

    def by_table(self) -> Iterator[tuple[nn.Parameter, Tensor, Tensor]]:
        """(table, index [N], gradients [N, D]) of every table that was read; a row may be in it many times."""
        for table, reads in self._read.items():
            width = table[0].numel()
            used = [(index.flatten(), rows.grad.reshape(-1, width)) for index, rows in reads if rows.grad is not None]
            if len(used) == 1:
                yield table, *used[0]
            elif used:
                yield table, torch.cat([index for index, _ in used]), torch.cat([each for _, each in used])


def summed_by_row(index_N: Tensor, gradient_ND: Tensor) -> tuple[Tensor, Tensor]:
    """(rows [U] ascending, sums of their gradients [U, D]), in an order of addition that the thread count does not change."""
    sorted_N, order_N = torch.sort(index_N, stable=True)
    first = torch.ones_like(sorted_N, dtype=torch.bool)
    torch.ne(sorted_N[1:], sorted_N[:-1], out=first[1:])
    begin_U = first.nonzero().squeeze(1)
    return sorted_N[begin_U], functional.embedding_bag(order_N, gradient_ND, begin_U, mode="sum")


def write_rows(table_RD: Tensor, row_U: Tensor, values_UD: Tensor) -> None:
    """Write rows of which none is there twice, by all threads: what is left does not depend on who is first.

    torch cannot know that, and with deterministic algorithms one thread would write them.
    """
    mode = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("default")
    try:
        table_RD.index_put_((row_U,), values_UD)
    finally:
        torch.set_deterministic_debug_mode(mode)


class RowWiseAdagrad:
    """Adagrad (Duchi et al. 2011) with one sum of squares for each row, of the mean over its factors, as in FBGEMM and TorchRec.

    A row that is touched takes rate x gradient / sqrt(sum over its steps of mean(gradient^2)). Weight decay reaches the rows
    of a step only.
    """

    def __init__(self, rate: float, decay: float) -> None:
        self.rate, self._decay = rate, decay
        self._names: dict[nn.Parameter, str] = {}
        self._sums: dict[nn.Parameter, Tensor] = {}

    def add(self, name: str, table: nn.Parameter) -> None:
        """A table [R, D] or a vector [R]."""
        self._names[table] = name
        self._sums[table] = torch.zeros(len(table), device=table.device)

    def tables(self) -> list[nn.Parameter]:
        """All of them, in the order in which they were added."""
        return list(self._names)

    @torch.no_grad()
    def step(self, table: nn.Parameter, index_N: Tensor, gradient_ND: Tensor) -> None:
        """Change the rows that the index names."""
        row_U, gradient_UD = summed_by_row(index_N, gradient_ND)
        values, sums_R = table.view(len(table), -1), self._sums[table]
        rows_UD = functional.embedding(row_U, values)
        if self._decay:
            gradient_UD.add_(rows_UD, alpha=self._decay)
        sums_U = sums_R[row_U] + torch.linalg.vecdot(gradient_UD, gradient_UD) / gradient_UD.shape[1]
        sums_R.index_copy_(0, row_U, sums_U)
        scale_U1 = (sums_U.sqrt_() + EPSILON).reciprocal_().unsqueeze(1)
        write_rows(values, row_U, rows_UD.addcmul_(gradient_UD, scale_U1, value=-self.rate))

    def tensors(self) -> dict[str, Tensor]:
        """The sums [R] of every table."""
        return {name: self._sums[table] for table, name in self._names.items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go on from such sums."""
        for table, name in self._names.items():
            self._sums[table].copy_(tensors[name])
