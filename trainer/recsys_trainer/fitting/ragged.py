"""Sparse matrices for the solvers: rows of similar length side by side, and products without a sparse tensor type.

Shapes: R rows and C columns of the matrix, B rows of a batch, L the longest of them, N entries of them, D factors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from recsys_trainer.training_data import Positives


BATCH_BYTES = {"cpu": 2**22, "cuda": 2**28}
"""Gathered factors of one batch: on a CPU small enough to stay in its cache, on a GPU large enough to fill it."""


@dataclass(frozen=True)
class SparseRows:
    """A sparse matrix by rows (CSR)."""

    indptr: Tensor
    """int64 [R + 1]"""
    indices: Tensor
    """int64 [nnz]"""
    values: Tensor
    """float32 [nnz]"""
    columns: int
    weights: Tensor | None = None
    """How much each entry counts in least squares, float32 [nnz], above 0; None: 1. Products leave it out."""

    @classmethod
    def of_ones(cls, indptr: Tensor, indices: Tensor, columns: int) -> SparseRows:
        """With value 1 wherever there is one."""
        return cls(indptr, indices, torch.ones(len(indices), device=indices.device), columns)

    @property
    def rows(self) -> int:
        """R."""
        return len(self.indptr) - 1

    @property
    def degree(self) -> Tensor:
        """Entries of every row, int64 [R]."""
        return self.indptr.diff()

    def transposed(self) -> SparseRows:
        """By columns; entries of a column are in the order of the rows."""
        row = torch.repeat_interleave(torch.arange(self.rows, device=self.indptr.device), self.degree)
        order = torch.argsort(self.indices, stable=True)
        counts = torch.bincount(self.indices.cpu(), minlength=self.columns)
        weights = None if self.weights is None else self.weights[order]
        return SparseRows(_offsets(counts).to(self.indptr.device), row[order], self.values[order], self.rows, weights)

    def __matmul__(self, factors_CD: Tensor) -> Tensor:
        """The product [R, D], each row summed in its order."""
        return functional.embedding_bag(
            self.indices, factors_CD, self.indptr[:-1], mode="sum", per_sample_weights=self.values
        )


def spans(start_B: Tensor, length_B: Tensor) -> tuple[Tensor, Tensor]:
    """(row of the batch, position) of all entries of rows that lie one after the other, int64 [N].

    Args:
        start_B: position of each row's first entry.
        length_B: int64; a GPU is waited for once, for their sum.
    """
    end_B, total = length_B.cumsum(0), int(length_B.sum())
    row_N = torch.repeat_interleave(length_B, output_size=total)
    return row_N, torch.arange(total, device=row_N.device) + (start_B - (end_B - length_B))[row_N]


def sparse_rows(positives: Positives, values: Tensor | None, device: str, weights: Tensor | None = None) -> SparseRows:
    """Users x items; `values` are 1 where there are none."""
    indptr, indices = torch.as_tensor(positives.indptr), torch.as_tensor(positives.indices).long()
    found = torch.ones(len(indices)) if values is None else values
    weighed = None if weights is None else weights.float().to(device)
    return SparseRows(indptr.to(device), indices.to(device), found.float().to(device), positives.items, weighed)


def _offsets(counts: Tensor) -> Tensor:
    return torch.cat((torch.zeros(1, dtype=torch.int64), counts.cumsum(0)))


@dataclass(frozen=True)
class RaggedBatch:
    """Rows of similar length. Padding names column C, whose factors are zeros, and has value 0."""

    row_B: Tensor
    column_BL: Tensor
    """int32"""
    value_BL: Tensor
    """Times the root of the entry's weight, where there are weights."""
    degree_B: Tensor
    """float32"""
    root_BL: Tensor | None
    """Of the weights: what the entry's factors are to be multiplied by. None: 1."""


def ragged_batches(matrix: SparseRows, width: int) -> list[RaggedBatch]:
    """All rows that have entries, in batches whose gathered [B, L, width] factors stay within BATCH_BYTES."""
    device = matrix.indptr.device
    degree = matrix.degree.cpu()
    order = torch.argsort(degree, stable=True)
    order = order[degree[order] > 0]
    limit = BATCH_BYTES[device.type] // (4 * width)
    bounds = list(_bounds(degree[order].tolist(), limit))
    return [_batch(matrix, order[start:end].to(device)) for start, end in bounds]


def _bounds(ascending: list[int], limit: int) -> Iterator[tuple[int, int]]:
    """(start, end) of runs whose longest row times their number stays within the limit, and is at most 1.25 x what is
    in them."""
    start, inside = 0, 0
    for at, degree in enumerate(ascending):
        area = (at + 1 - start) * degree
        if at > start and (area > limit or area > 1.25 * (inside + degree) + 64):
            yield start, at
            start, inside = at, 0
        inside += degree
    if ascending:
        yield start, len(ascending)


def _batch(matrix: SparseRows, row_B: Tensor) -> RaggedBatch:
    degree_B = matrix.degree[row_B]
    place_L = torch.arange(int(degree_B.max()), device=row_B.device)
    inside_BL = place_L < degree_B.unsqueeze(1)
    entry_BL = (matrix.indptr[row_B].unsqueeze(1) + place_L).clamp(max=len(matrix.indices) - 1)
    column_BL = torch.where(inside_BL, matrix.indices[entry_BL], matrix.columns)
    value_BL = torch.where(inside_BL, matrix.values[entry_BL], 0.0)
    root_BL = None
    if matrix.weights is not None:
        root_BL = matrix.weights[entry_BL].sqrt()
        value_BL *= root_BL
    return RaggedBatch(row_B, column_BL.int(), value_BL, degree_B.float(), root_BL)
