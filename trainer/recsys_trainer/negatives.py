"""Negatives: drawn on the device, uniform over what the user has not touched, without rejection.

A user with d training positives has I - d other items. The r-th of them is r + (number of positives p_j, counted from
j = 0, with p_j - j <= r): one binary search for each draw, and a positive cannot come out. Where users and items are few, a
list of all others saves the search.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_DRAW = 2**62
"""Draws are taken modulo the number of choices; against 2^62 the bias is below 1e-9 for a billion items."""


OTHER_PAIRS = 2**22
"""Most users x items for which every user's other items are listed (4 bytes each, 16 MB): what a draw costs is then one read."""
GAP_PAIRS = 2**22
"""Most pairs for which the search has a table of its own (8 bytes each): one search over it is twice as fast where a step is
small. Beyond it every draw searches the items of its user, which lie together."""


@dataclass(frozen=True)
class NegativeSampler:
    """The training positives of every user, and what the search needs."""

    indptr: Tensor
    """int32 where it can count the pairs, [U + 1]."""
    indices: Tensor
    """int32 [nnz]"""
    others: Tensor | None
    """int32 [U * I - nnz]: every user's items that are no positives, ascending; None where they would be many."""
    gaps: Tensor | None
    """int64 [nnz], ascending: user * (I + 1) + p_j - j; None where there are others, or many pairs."""
    items: int
    rounds: int
    """Halvings that find a place among the positives of any user."""

    @classmethod
    def of(
        cls, indptr: npt.NDArray[np.int64], indices: npt.NDArray[np.int32], items: int, device: str
    ) -> "NegativeSampler":
        """From a CSR of positives with ascending, distinct items in each row."""
        degree, others, gaps = np.diff(indptr), None, None
        if len(degree) * items <= OTHER_PAIRS:
            user = np.repeat(np.arange(len(degree), dtype=np.int64), degree)
            free = np.ones((len(degree), items), dtype=np.bool_)
            free[user, indices] = False
            others = torch.from_numpy(np.nonzero(free)[1].astype(np.int32)).to(device)
        elif len(indices) <= GAP_PAIRS:
            user = np.repeat(np.arange(len(degree), dtype=np.int64), degree)
            position = np.arange(len(indices), dtype=np.int64) - np.repeat(indptr[:-1], degree)
            gaps = torch.from_numpy(user * (items + 1) + indices - position).to(device)
        small = indptr.astype(np.int32 if len(indices) < 2**31 else np.int64)
        tables = torch.from_numpy(small).to(device), torch.from_numpy(indices).to(device)
        return cls(*tables, others, gaps, items, int(degree.max(initial=0)).bit_length())

    def draw(self, user_B: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """`count` negatives for each user, int64 [B, count]; every user needs at least one choice."""
        shape = (len(user_B), count)
        begin_B1 = self.indptr[user_B].unsqueeze(1)
        degree_B1 = self.indptr[user_B + 1].unsqueeze(1) - begin_B1
        draws = torch.randint(_DRAW, shape, generator=generator, device=user_B.device) % (self.items - degree_B1)
        if self.others is not None:
            at_BC = draws + (user_B * self.items).unsqueeze(1) - begin_B1
            return self.others.index_select(0, at_BC.flatten()).view(shape).long()
        if self.gaps is None:
            return draws + self._positives_before(begin_B1, degree_B1, draws.to(torch.int32))
        keys = user_B.unsqueeze(1) * (self.items + 1) + draws
        return draws + torch.searchsorted(self.gaps, keys, right=True) - begin_B1

    def _positives_before(self, begin_B1: Tensor, degree_B1: Tensor, draw_BC: Tensor) -> Tensor:
        """How many of the user's positives have p_j - j <= draw, [B, C]: from the highest bit to the lowest."""
        found_BC, last = torch.zeros_like(draw_BC), len(self.indices) - 1
        for bit in reversed(range(self.rounds)):
            next_BC = found_BC + (1 << bit)
            at_BC = (begin_B1 + (next_BC - 1)).clamp_(max=last)
            item_BC = self.indices.index_select(0, at_BC.flatten()).view_as(draw_BC)
            fits_BC = (item_BC - next_BC < draw_BC).logical_and_(next_BC <= degree_B1)
            found_BC = torch.where(fits_BC, next_BC, found_BC)
        return found_BC


@dataclass(frozen=True)
class PopularitySampler:
    """Items in proportion to their counts, for all users the same; a count of zero never comes out."""

    cumulative_I: Tensor
    """int64, running sum of the counts."""
    log_chance_I: Tensor
    """float32, log of each item's chance in one draw."""
    total: int

    @classmethod
    def of(cls, count_I: Tensor) -> "PopularitySampler":
        """From counts int64 [I]."""
        total = int(count_I.sum())
        cumulative = count_I.cpu().cumsum(0).to(count_I.device)  # on CUDA a running sum is not deterministic
        return cls(cumulative, (count_I.double() / total).log().float(), total)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Item rows int64 [count], drawn independently."""
        draws = torch.randint(self.total, (count,), generator=generator, device=self.cumulative_I.device)
        return torch.searchsorted(self.cumulative_I, draws, right=True)


BITMAP_BYTES = 2**28
"""Largest table of users x items that is kept for looking pairs up; beyond it they are searched for."""


@dataclass(frozen=True)
class KnownPairs:
    """Which (user, item) pairs are training positives."""

    indptr: Tensor
    """int64 [U + 1]"""
    indices: Tensor
    """int32 [nnz]"""
    items: int
    bitmap_UI: Tensor | None

    @classmethod
    def of(cls, indptr: npt.NDArray[np.int64], indices: npt.NDArray[np.int32], items: int, device: str) -> "KnownPairs":
        """From a CSR of positives with ascending, distinct items in each row."""
        users, bitmap = len(indptr) - 1, None
        if users * items <= BITMAP_BYTES:
            keys = np.repeat(np.arange(users, dtype=np.int64), np.diff(indptr)) * items + indices
            bitmap = torch.zeros(users * items, dtype=torch.bool, device=device)
            bitmap[torch.from_numpy(keys).to(device)] = True
            bitmap = bitmap.view(users, items)
        return cls(torch.from_numpy(indptr).to(device), torch.from_numpy(indices).to(device), items, bitmap)

    def contain(self, user_B: Tensor, item_N: Tensor) -> Tensor:
        """bool [B, N]"""
        if self.bitmap_UI is not None:
            return self.bitmap_UI[user_B][:, item_N]
        wanted_M, column_N = torch.unique(item_N, return_inverse=True)
        row_L, item_L = self._positives(user_B)
        at_L = torch.searchsorted(wanted_M, item_L).clamp_(max=len(wanted_M) - 1)
        hit_L = wanted_M[at_L] == item_L
        found_BM = torch.zeros(len(user_B), len(wanted_M), dtype=torch.bool, device=user_B.device)
        found_BM[row_L[hit_L], at_L[hit_L]] = True
        return found_BM[:, column_N]

    def _positives(self, user_B: Tensor) -> tuple[Tensor, Tensor]:
        """(row of the batch, item) of all positives of the users, int64 [L]: fewer than users x items by far."""
        begin_B = self.indptr[user_B]
        degree_B = self.indptr[user_B + 1] - begin_B
        row_L = torch.repeat_interleave(degree_B)
        before_B = degree_B.cumsum(0) - degree_B
        at_L = torch.arange(len(row_L), device=row_L.device) + (begin_B - before_B)[row_L]
        return row_L, self.indices[at_L].long()
