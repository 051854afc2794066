"""Which rows of a table a batch reads, sorted once: each row's gradient is then a sum over neighbours, in a fixed order.

Shapes: N reads, R rows of the table, K different ones among the reads, D width, M rows of another matrix.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Reads:
    """The reads of one index; integers are int64."""

    row_K: Tensor
    """Ascending."""
    place_N: Tensor
    """Each read's place in `row_K`."""
    order_N: Tensor
    """Reads by row, those of a row as they come."""
    start_R: Tensor
    """Where a row's reads begin in the order; they end where the next row's begin."""

    @classmethod
    def of(cls, index: Tensor, rows: int) -> "Reads":
        """Of a table with so many rows; the index may have any shape."""
        index_N = index.flatten()
        count_R = torch.bincount(index_N, minlength=rows)
        narrow = torch.int16 if rows < 2**15 else torch.int32 if rows < 2**31 else torch.int64  # is sorted faster
        order_N, found_R = index_N.to(narrow).argsort(stable=True), count_R > 0
        place_N = (found_R.cumsum(0) - 1).index_select(0, index_N)
        return cls(found_R.nonzero().squeeze(1), place_N, order_N, count_R.cumsum(0) - count_R)

    def of_table(self, table_RD: Tensor) -> Tensor:
        """The rows that are read, [K, D]."""
        return table_RD if len(self.row_K) == len(table_RD) else table_RD.index_select(0, self.row_K)

    def to_table(self, values_KD: Tensor) -> Tensor:
        """Values of the rows that are read, and zeros: [R, D]."""
        if len(self.row_K) == len(self.start_R):
            return values_KD
        table_RD = torch.zeros(len(self.start_R), values_KD.shape[1])
        return table_RD.index_copy_(0, self.row_K, values_KD)

    def repeated(self, times: int) -> "Reads":
        """As if each read were so many in a row."""
        order = (self.order_N.unsqueeze(1) * times + torch.arange(times)).flatten()
        return Reads(self.row_K, self.place_N.repeat_interleave(times), order, self.start_R * times)

    def sums(self, values_ND: Tensor) -> Tensor:
        """Of the values of each row's reads, [K, D]."""
        return sums(values_ND, self.order_N, self.start_R.index_select(0, self.row_K))

    def table_sums(self, values_MD: Tensor, at_N: Tensor, weight_N: Tensor) -> Tensor:
        """Of each row's reads: weights times rows of another matrix, [R, D].

        Args:
            at_N: the row for each read, by the order of reads.
            weight_N: by the order of reads.
        """
        return sums(values_MD, at_N, self.start_R, weight_N)


def sums(values_MD: Tensor, at_N: Tensor, start_K: Tensor, weight_N: Tensor | None = None) -> Tensor:
    """Of rows, from each start to the next, [K, D]; nothing is copied for it."""
    return functional.embedding_bag(at_N, values_MD, start_K, mode="sum", per_sample_weights=weight_N)
