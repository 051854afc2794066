"""Negatives: drawn on the device, uniform over what the user has not touched.

A user with d training positives has I - d other items. The r-th of them is r + (number of positives p_j, counted from
j = 0, with p_j - j <= r): one binary search for each draw, and a positive cannot come out. On a CPU the search is what a draw
costs, so there an item is drawn from the whole catalogue, and only those that turn out to be positives are drawn anew by search. A
bit tells them, one of each user and item where that fits, else one of many that share it by a hash (Bloom 1970, one function): the few
whose bit is set are looked up. All ways are uniform over the rest.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from recsys_trainer.fitting.ragged import spans

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
"""Most memory for bits of users and items."""
SHARED_BITS = 32
"""For each pair, where users and items share bits: the chance that an untouched item's bit is set is below 1 / 32, the most for 64
million pairs."""
_FACTOR = -7046029254386353131
"""2^64 over the golden ratio, odd (Knuth's multiplicative hash)."""
_USERS = 2**18
"""Whose bits are set at a time, which bounds what that takes."""


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
    """uint8, bits from the lowest on; None: every draw is searched."""
    shared_bits: int = 0
    """Power of two: so many are shared by hash. 0: the bit of a pair is user * I + item."""

    @classmethod
    def of(cls, indptr: Array, indices: Array, items: int, device: str) -> "NegativeSampler":
        """From a CSR of positives, int64 and int32, with ascending, distinct items in each row."""
        offsets, indices_P, gaps, touched = torch.as_tensor(indptr), torch.as_tensor(indices), None, None
        degree_U, shared = offsets.diff(), 0
        if len(indices_P) <= GAP_PAIRS:
            gaps = gaps_of(offsets, indices_P, items).to(device)
        if device == "cpu":
            shared = shared_bits(len(degree_U), items, len(indices_P))
            touched = _touched(offsets, indices_P, items, shared)
        small = offsets.to(torch.int32 if len(indices_P) < 2**31 else torch.int64)
        longest = int(degree_U.max()) if len(degree_U) else 0
        return cls(small.to(device), indices_P.to(device), gaps, items, longest.bit_length(), touched, shared)

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
        bit_BC = _bit_of(user_B.unsqueeze(1), item_BC, self.items, self.shared_bits)
        byte_N = self.touched.index_select(0, (bit_BC >> 3).flatten())
        hit_M = (byte_N.bitwise_right_shift_((bit_BC & 7).to(torch.uint8).flatten()) & 1).nonzero().squeeze(1)
        user_M = user_B[hit_M.div(count, rounding_mode="floor")]
        if self.shared_bits:
            positive_M = self._are_positives(user_M, item_BC.flatten()[hit_M])
            hit_M, user_M = hit_M[positive_M], user_M[positive_M]
        again_M1 = (
            draws.flatten()[hit_M].div(self.items, rounding_mode="floor").unsqueeze(1)
        )  # says nothing of the item
        item_BC.view(-1)[hit_M] = self._nth_other(user_M, again_M1).squeeze(1)
        return item_BC

    def _are_positives(self, user_M: Tensor, item_M: Tensor) -> Tensor:
        """bool [M], by search for the first positive of the user that is not below the item."""
        begin_M, end_M = self.indptr[user_M], self.indptr[user_M + 1]
        last = len(self.indices) - 1
        for bit in reversed(range(self.rounds)):
            middle_M = begin_M + (1 << bit)
            below_M = (middle_M <= end_M) & (self.indices[(middle_M - 1).clamp_(max=last)] < item_M)
            begin_M = torch.where(below_M, middle_M, begin_M)
        return (begin_M < end_M) & (self.indices[begin_M.clamp(max=last)] == item_M)

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


def shared_bits(users: int, items: int, pairs: int) -> int:
    """How many bits all pairs share by hash; 0 where each user and item has its own."""
    if users * items // 8 < TOUCHED_BYTES:
        return 0
    return min(8 * TOUCHED_BYTES, 1 << (SHARED_BITS * pairs).bit_length())


def touched_bytes(users: int, items: int, pairs: int) -> int:
    """Of the bits that tell which draws are positives."""
    return (shared_bits(users, items, pairs) or users * items) // 8 + 1


def _bit_of(user: Tensor, item: Tensor, items: int, shared: int) -> Tensor:
    """Position of a pair's bit."""
    key = user * items + item
    return key if not shared else (key * _FACTOR).bitwise_right_shift_(24).bitwise_and_(shared - 1)


def _touched(indptr: Tensor, indices: Tensor, items: int, shared: int) -> Tensor:
    """uint8, the bits of all pairs."""
    users = len(indptr) - 1
    bytes_ = torch.zeros(touched_bytes(users, items, len(indices)), dtype=torch.uint8)
    for first in range(0, users, _USERS):
        bound = indptr[first : first + _USERS + 1]
        user_P = torch.repeat_interleave(bound.diff()) + first
        bit_P = _bit_of(user_P, indices[bound[0] : bound[-1]], items, shared)
        for place in range(8):
            at_P = bit_P[(bit_P & 7) == place] >> 3
            bytes_[at_P] |= 1 << place  # pairs that share the bit write the same
    return bytes_


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
        return cls(count_I.cumsum(0), (count_I.double() / total).log().float(), total)

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
        row_L, at_L = spans(begin_B, self.indptr[user_B + 1] - begin_B)
        return row_L, self.indices[at_L].long()
