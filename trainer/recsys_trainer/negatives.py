"""Negatives: drawn on the device, uniform over what the user has not touched, without rejection.

A user with d training positives has I - d other items. The r-th of them is r + (number of positives p_j, counted from
j = 0, with p_j - j <= r): one binary search for each draw, and a positive cannot come out.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_DRAW = 2**62
"""Draws are taken modulo the number of choices; against 2^62 the bias is below 1e-9 for a billion items."""


@dataclass(frozen=True)
class NegativeSampler:
    """The training positives of every user, laid out for the search."""

    gaps: Tensor
    """int64 [nnz], ascending: user * (I + 1) + p_j - j."""
    start: Tensor
    """int64 [U], where the user's positives begin in `gaps`."""
    choices: Tensor
    """int64 [U], items that the user has not touched."""
    stride: int

    @classmethod
    def of(
        cls, indptr: npt.NDArray[np.int64], indices: npt.NDArray[np.int32], items: int, device: str
    ) -> "NegativeSampler":
        """From a CSR of positives with ascending, distinct items in each row."""
        degree = np.diff(indptr)
        user = np.repeat(np.arange(len(degree), dtype=np.int64), degree)
        position = np.arange(len(indices), dtype=np.int64) - np.repeat(indptr[:-1], degree)
        gaps = user * (items + 1) + indices - position
        gap, start, choices = (torch.from_numpy(each).to(device) for each in (gaps, indptr[:-1].copy(), items - degree))
        return cls(gap, start, choices, items + 1)

    def draw(self, user_B: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """`count` negatives for each user, [B, count]; every user needs at least one choice."""
        shape = (len(user_B), count)
        user = user_B.unsqueeze(1)
        draws = torch.randint(_DRAW, shape, generator=generator, device=user_B.device) % self.choices[user]
        before = torch.searchsorted(self.gaps, user * self.stride + draws, right=True) - self.start[user]
        return draws + before


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

    keys: Tensor
    """int64 [nnz], ascending: user * I + item."""
    items: int
    bitmap_UI: Tensor | None

    @classmethod
    def of(cls, indptr: npt.NDArray[np.int64], indices: npt.NDArray[np.int32], items: int, device: str) -> "KnownPairs":
        """From a CSR of positives with ascending, distinct items in each row."""
        users = len(indptr) - 1
        keys = torch.from_numpy(np.repeat(np.arange(users, dtype=np.int64), np.diff(indptr)) * items + indices)
        keys, bitmap = keys.to(device), None
        if users * items <= BITMAP_BYTES:
            bitmap = torch.zeros(users * items, dtype=torch.bool, device=device)
            bitmap[keys] = True
            bitmap = bitmap.view(users, items)
        return cls(keys, items, bitmap)

    def contain(self, user_B: Tensor, item_N: Tensor) -> Tensor:
        """bool [B, N]"""
        if self.bitmap_UI is not None:
            return self.bitmap_UI[user_B][:, item_N]
        wanted = user_B.unsqueeze(1) * self.items + item_N
        at = torch.searchsorted(self.keys, wanted).clamp(max=len(self.keys) - 1)
        return self.keys[at] == wanted
