"""Tables whose rows lie in several processes (docs/adr/0011): each process holds some of them, and their optimizer state.

Shapes: R rows that lie here, N those of the whole table, U different ones that a step reads, D factors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from recsys_trainer.fitting.optimizers import Optimizer
from recsys_trainer.models.base import start_factors
from recsys_trainer.parallel import Workers

CHUNK_ROWS = 2**14
"""Start values that are drawn at once. A multiple of 16, the values that torch draws together: chunks are the bits of the whole."""


class SplitTable(Protocol):
    """One process's part of a table."""

    rows: int
    """Of the whole table."""
    begin: int
    """The first row that lies here; all that lie here follow it."""
    values_RD: Tensor
    sums_R: Tensor
    """Of squares, as in `RowWiseAdagrad`. Both are the memory itself: what is written there is trained on."""

    def lookup(self, row_U: Tensor) -> Tensor:
        """Rows [U, D], all different, of whichever process; the backward of them makes the optimizer's step.

        All processes call it together, and its backward too.
        """
        ...

    def set_rate(self, rate: float) -> None:
        """The step size from now on."""
        ...


@dataclass(frozen=True)
class Split:
    """What splitting needs beside torch."""

    table: Callable[[int, int, float], SplitTable]
    """Makes a table of (rows, factors, weight decay) with any values; all processes call it together."""
    on_disk: Callable[[Sequence[int]], Tensor]
    """Makes a tensor of a shape that takes disk instead of memory."""


def draw_start(table: SplitTable, std: float) -> None:
    """Give the rows that lie here the values that `start_factors` would give the whole table; the others' are drawn and dropped."""
    width = table.values_RD.shape[1]
    for begin, end in chunks(table.rows, CHUNK_ROWS):
        drawn_CD = start_factors(end - begin, width, std)
        first, last = max(begin, table.begin), min(end, table.begin + len(table.values_RD))
        if first < last:
            table.values_RD[first - table.begin : last - table.begin] = drawn_CD[first - begin : last - begin]


def chunks(rows: int, size: int) -> Iterator[tuple[int, int]]:
    """(begin, end) of so many rows each, the last with up to twice as many: none is short."""
    bounds = [*range(0, max(1, rows - size + 1), size), rows]
    return pairwise(bounds)


@dataclass(frozen=True)
class _Read:
    """What a step has looked up: the graph ends in a leaf, so that gradients of several reads can be one step."""

    row_U: Tensor
    found_UD: Tensor
    leaf_UD: Tensor

    @property
    def gradient(self) -> Tensor:
        """[U, D]; zeros where the loss did not use it: the other processes wait for as many steps as they make."""
        return torch.zeros_like(self.leaf_UD) if self.leaf_UD.grad is None else self.leaf_UD.grad


class SplitRows(Optimizer):
    """Row-wise Adagrad in the processes where the rows lie."""

    reads_together = True

    def __init__(self, tables: Mapping[str, SplitTable]) -> None:
        self._tables = tables
        self._reads: dict[str, list[_Read]] = {name: [] for name in tables}
        self._pairs = torch.ones(())

    def read(self, name: str, index: Tensor) -> tuple[Tensor, Tensor]:
        """(different rows of a table as a leaf of the graph, the index's places in them)."""
        row_U, places = torch.unique(index, return_inverse=True)
        found_UD = self._tables[name].lookup(row_U)
        leaf_UD = found_UD.detach().requires_grad_()
        self._reads[name].append(_Read(row_U, found_UD, leaf_UD))
        return leaf_UD, places

    def zero_grad(self) -> None:
        """Nothing to do: rows are read anew in each step."""

    def average(self, workers: Workers, sums: Tensor) -> None:
        """Numbers alone: gradients go to where their rows lie, and are summed there."""
        workers.sum([sums])
        self._pairs = sums[1]

    def step(self) -> None:
        """One for each table, in the same order everywhere."""
        for name, reads in self._reads.items():
            if len(reads) == 1:
                reads[0].found_UD.backward(reads[0].gradient / self._pairs)  # type: ignore[no-untyped-call]
            elif reads:
                self._step_of_several(name, reads)
            reads.clear()

    def _step_of_several(self, name: str, reads: Sequence[_Read]) -> None:
        """A backward for each would be a step for each."""
        row_V, places = torch.unique(torch.cat([each.row_U for each in reads]), return_inverse=True)
        gradients = torch.cat([each.gradient for each in reads])
        sum_VD = gradients.new_zeros(len(row_V), gradients.shape[1]).index_add_(0, places, gradients)
        self._tables[name].lookup(row_V).backward(sum_VD / self._pairs)  # type: ignore[no-untyped-call]

    def set_rate(self, rate: float) -> None:
        """Of all tables."""
        for table in self._tables.values():
            table.set_rate(rate)

    def tensors(self) -> dict[str, Tensor]:
        """The sums [R] of the rows that lie here."""
        return {name: table.sums_R for name, table in self._tables.items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """From the sums [N] of whole tables."""
        for name, table in self._tables.items():
            copy_part(table, table.sums_R, tensors[name])


def copy_part(table: SplitTable, part: Tensor, whole: Tensor) -> None:
    """Put into a part what lies there of the whole."""
    part.copy_(whole[table.begin : table.begin + len(part)])
