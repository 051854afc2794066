"""Negatives: drawn on the device, uniform over what the user has not touched.

A user with d training positives has I - d other items. The r-th of them is r + (number of positives p_j, counted from
j = 0, with p_j - j <= r): one binary search for each draw, and a positive cannot come out. On a CPU the search is what a draw
costs; where a bit for each user and item can be kept, an item is drawn from the whole catalogue, and only those that turn out to
be positives are drawn anew by search. Both are uniform over the rest.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Array = Any
"""A tensor, or what `torch.as_tensor` makes one of without a copy, such as an array of numpy."""
Part = tuple[int, int]
"""(first row, rows of all parts)."""
_DRAW = 2**62
"""Draws are taken modulo the number of choices; against 2^62 the bias is below 1e-9 for a billion items."""


GAP_PAIRS = 2**22
"""Most pairs for which the search has a table of its own (8 bytes each): one search over it is twice as fast where a step is
small. Beyond it every draw searches the items of its user, which lie together."""


TOUCHED_BYTES = 2**28
"""Most memory for a bit of each user and item."""


@dataclass(frozen=True)
class NegativeSampler:
    """The training positives of every user, and what the search needs."""

    indptr: Tensor
    """int32 where it can count the pairs, [U + 1]."""
    indices: Tensor
    """int32 [nnz]"""
    gaps: Tensor | None
    """int64 [nnz], ascending: user * (I + 1) + p_j - j."""
    items: int
    rounds: int
    """Halvings that find a place among the positives of any user."""
    touched: Tensor | None
    """uint8, bits of user * I + item from the lowest on; None: every draw is searched."""

    @classmethod
    def of(cls, indptr: Array, indices: Array, items: int, device: str) -> "NegativeSampler":
        """From a CSR of positives, int64 and int32, with ascending, distinct items in each row."""
        offsets, indices_P, gaps, touched = torch.as_tensor(indptr), torch.as_tensor(indices), None, None
        degree_U = offsets.diff()
        size = touched_bytes(len(degree_U), items)
        if len(indices_P) <= GAP_PAIRS:
            gaps = gaps_of(offsets, indices_P, items).to(device)
        if device == "cpu" and size <= TOUCHED_BYTES:
            touched = _bits(torch.repeat_interleave(degree_U) * items + indices_P, size)
        small = offsets.to(torch.int32 if len(indices_P) < 2**31 else torch.int64)
        longest = int(degree_U.max()) if len(degree_U) else 0
        return cls(small.to(device), indices_P.to(device), gaps, items, longest.bit_length(), touched)

    def draw(self, user_B: Tensor, count: int, generator: torch.Generator, part: Part | None = None) -> Tensor:
        """`count` negatives for each user, int64 [B, count]; every user needs at least one choice.

        Args:
            part: the rows are these of more; they get what they would get among all.
        """
        begin, total = (0, len(user_B)) if part is None else part
        draws = torch.randint(_DRAW, (total, count), generator=generator, device=user_B.device)
        draws = draws[begin : begin + len(user_B)]
        if self.touched is None:
            return self._nth_other(user_B, draws)
        item_BC = draws % self.items
        bit_BC = (user_B * self.items).unsqueeze(1) + item_BC
        byte_N = self.touched.index_select(0, (bit_BC >> 3).flatten())
        hit_M = (byte_N.bitwise_right_shift_((bit_BC & 7).to(torch.uint8).flatten()) & 1).nonzero().squeeze(1)
        user_M = user_B[hit_M.div(count, rounding_mode="floor")]
        again_M1 = (
            draws.flatten()[hit_M].div(self.items, rounding_mode="floor").unsqueeze(1)
        )  # says nothing of the item
        item_BC.view(-1)[hit_M] = self._nth_other(user_M, again_M1).squeeze(1)
        return item_BC

    def _nth_other(self, user_B: Tensor, draws: Tensor) -> Tensor:
        """What the users have not touched, counted from 0 and from the beginning again, [B, C]."""
        begin_B1 = self.indptr[user_B].unsqueeze(1)
        degree_B1 = self.indptr[user_B + 1].unsqueeze(1) - begin_B1
        draws = draws % (self.items - degree_B1)
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


def gaps_of(indptr: Tensor, indices: Tensor, items: int) -> Tensor:
    """What one search over all users' positives needs, int64 [nnz], ascending: user * (I + 1) + p_j - j."""
    user_P = torch.repeat_interleave(indptr.diff())
    position_P = torch.arange(len(indices), device=indptr.device) - indptr[user_P]
    return user_P * (items + 1) + indices - position_P


def touched_bytes(users: int, items: int) -> int:
    """Of a bit for each user and item."""
    return users * items // 8 + 1


def _bits(position_P: Tensor, size: int) -> Tensor:
    """`size` bytes with the bits at distinct positions set."""
    bit_P = torch.ones_like(position_P, dtype=torch.uint8).bitwise_left_shift_((position_P & 7).to(torch.uint8))
    return torch.zeros(size, dtype=torch.uint8).index_add_(0, position_P >> 3, bit_P)


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
    def of(cls, indptr: Array, indices: Array, items: int, device: str) -> "KnownPairs":
        """From a CSR of positives, int64 and int32, with ascending, distinct items in each row."""
        offsets, indices_P = torch.as_tensor(indptr).to(device), torch.as_tensor(indices).to(device)
        users, bitmap = len(offsets) - 1, None
        if users * items <= BITMAP_BYTES:
            bitmap = torch.zeros(users * items, dtype=torch.bool, device=device)
            bitmap[torch.repeat_interleave(offsets.diff()) * items + indices_P] = True
            bitmap = bitmap.view(users, items)
        return cls(offsets, indices_P, items, bitmap)

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
