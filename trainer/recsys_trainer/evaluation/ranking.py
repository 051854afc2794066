"""Full ranking: for every wanted item how many items score higher and how many the same.

Shapes: N users asked for, B users of a chunk, I items of the scorer, R wanted (user, item) pairs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recsys_trainer.errors import DivergedError

Ints = npt.NDArray[np.int64]
CHUNK_SCORES = 1_000_000
"""Scores of one chunk; bounds memory (a hidden layer of width 64 makes 256 MB of them)."""


class Scorer(Protocol):
    """Something that scores its whole catalogue. Minus infinity means: never returned."""

    @property
    def items(self) -> int:
        """Size of the catalogue."""
        ...

    def scores(self, user_B: Tensor) -> Tensor:
        """float32 [B, I] for user rows int64 [B]; -1 is a user that the scorer does not know."""
        ...


@dataclass(frozen=True)
class Pairs:
    """(user position, item row) pairs, ascending by position."""

    user_R: Ints
    item_R: Ints

    @classmethod
    def ordered(cls, user_R: Ints, item_R: Ints) -> "Pairs":
        """From pairs in any order."""
        order = np.lexsort((item_R, user_R))
        return cls(user_R[order].astype(np.int64), item_R[order].astype(np.int64))

    def between(self, start: int, end: int) -> tuple[Ints, Ints]:
        """The pairs of users start..end, their positions counted from start."""
        low, high = np.searchsorted(self.user_R, (start, end))
        return self.user_R[low:high] - start, self.item_R[low:high]


@dataclass(frozen=True)
class Questions:
    """What is asked of a scorer, in its own rows."""

    user_N: Ints
    """Row of the user, -1 where the scorer does not know it."""
    seen: Pairs
    """Never returned."""
    wanted: Pairs
    """What the user did in the test, as far as the scorer knows the items."""
    total_N: Ints
    """What the user did in the test, unknown items included: they cannot be hit."""


@dataclass(frozen=True)
class Ranks:
    """Groups G of wanted items of one user with one score, best first for each user."""

    user_G: Ints
    greater_G: Ints
    """Items with a higher score."""
    tied_G: Ints
    """Items with this score."""
    wanted_G: Ints
    """Wanted items among those."""
    total_N: Ints


def rank(questions: Questions, scorer: Scorer, device: str = "cpu") -> Ranks:
    """Rank every wanted item among all items that the user has not seen.

    Raises:
        DivergedError: a score is not a number.
    """
    chunks = [_rank_chunk(questions, scorer, start, end, device) for start, end in _chunks(questions, scorer)]
    nothing = np.zeros(0, dtype=np.int64)
    user_R, greater_R, tied_R = (np.concatenate(values) for values in zip((nothing,) * 3, *chunks, strict=True))
    return _grouped(user_R, greater_R, tied_R, questions.total_N)


def _chunks(questions: Questions, scorer: Scorer) -> Iterator[tuple[int, int]]:
    size = max(1, CHUNK_SCORES // max(1, scorer.items))
    for start in range(0, len(questions.user_N), size):
        yield start, min(start + size, len(questions.user_N))


@torch.no_grad()
def _rank_chunk(questions: Questions, scorer: Scorer, start: int, end: int, device: str) -> tuple[Ints, Ints, Ints]:
    scores_BI = scorer.scores(torch.from_numpy(questions.user_N[start:end]).to(device))
    if torch.isnan(scores_BI).any() or torch.isposinf(scores_BI).any():
        raise DivergedError("a score is not finite; lower training.optimizer.learningRate or raise weightDecay")
    seen_user, seen_item = (torch.from_numpy(values).to(device) for values in questions.seen.between(start, end))
    scores_BI = scores_BI.index_put((seen_user, seen_item), torch.tensor(-torch.inf, device=device))
    user, item = (torch.from_numpy(values).to(device) for values in questions.wanted.between(start, end))
    higher, tied = _count(scores_BI, user, scores_BI[user, item])
    possible = torch.isfinite(scores_BI[user, item])
    found = (user[possible] + start, higher[possible], tied[possible])
    return tuple(values.cpu().numpy() for values in found)  # type: ignore[return-value]


def _count(scores_BI: Tensor, user_R: Tensor, score_R: Tensor) -> tuple[Tensor, Tensor]:
    """(items above, items level) for pairs of the chunk, by binary search in each user's sorted scores."""
    ascending_BI = scores_BI.sort(dim=1).values
    per_user = torch.bincount(user_R, minlength=len(scores_BI))
    column_R = torch.arange(len(user_R), device=user_R.device) - (per_user.cumsum(0) - per_user)[user_R]
    wide = torch.full((len(scores_BI), int(per_user.max()) if len(user_R) else 0), torch.inf, device=scores_BI.device)
    wide[user_R, column_R] = score_R
    below = torch.searchsorted(ascending_BI, wide)[user_R, column_R]
    not_above = torch.searchsorted(ascending_BI, wide, right=True)[user_R, column_R]
    return scores_BI.shape[1] - not_above, not_above - below


def _grouped(user_R: Ints, greater_R: Ints, tied_R: Ints, total_N: Ints) -> Ranks:
    order = np.lexsort((greater_R, user_R))
    user_R, greater_R, tied_R = user_R[order], greater_R[order], tied_R[order]
    new = np.ones(len(user_R), dtype=np.bool_)
    new[1:] = (user_R[1:] != user_R[:-1]) | (greater_R[1:] != greater_R[:-1])
    first = np.flatnonzero(new)
    wanted = np.diff(np.append(first, len(user_R)))
    return Ranks(user_R[first], greater_R[first], tied_R[first], wanted, total_N)
