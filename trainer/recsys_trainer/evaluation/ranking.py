"""Full ranking: for every wanted item how many items score higher and how many the same.

One pass over the scores: a chunk of users is scored, its first DEPTH items are chosen (no metric looks further), wanted
items are searched among them. What else needs scores (lists, sampled negatives) is read off in the same pass.
Shapes: N users asked for, B users of a chunk, I items of the scorer, R wanted (user, item) pairs, K = min(DEPTH, I).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recsys_trainer.errors import DivergedError
from recsys_trainer.evaluation.threads import in_threads

Ints = npt.NDArray[np.int64]
DEPTH = 100
"""Positions that are looked at: the largest cut-off of any metric."""
CHUNK_SCORES = 1_000_000
"""Scores of one chunk, of which each thread has one; bounds memory."""
CHUNK_USERS = 16
"""At least: reading a large catalogue's factors takes longer than multiplying them with one user's."""


class Scorer(Protocol):
    """Something that scores its whole catalogue. Minus infinity means: never returned."""

    @property
    def items(self) -> int:
        """Size of the catalogue."""
        ...

    def scores(self, user_B: Tensor) -> Tensor:
        """float32 [B, I] for user rows int64 [B]; -1 is a user that the scorer does not know. Threads may ask at once."""
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
    """Groups G of wanted items of one user with one score, best first; those behind the first DEPTH are left out."""

    user_G: Ints
    greater_G: Ints
    """Items with a higher score."""
    tied_G: Ints
    """Items with this score."""
    wanted_G: Ints
    """Wanted items among those."""
    total_N: Ints


@dataclass(frozen=True)
class Survey:
    """What one pass over the scores found."""

    ranks: Ranks
    top_NL: npt.NDArray[np.int32]
    """First L items of every user as serving would answer (ties by ascending row), -1 where fewer are left."""
    probe_P: npt.NDArray[np.float32]
    """Scores of the pairs that were asked for."""


_NO_PAIRS = Pairs(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def rank(questions: Questions, scorer: Scorer, device: str = "cpu") -> Ranks:
    """Rank every wanted item among all items that the user has not seen.

    Raises:
        DivergedError: a score is not a number.
    """
    return survey(questions, scorer, device).ranks


def survey(
    questions: Questions, scorer: Scorer, device: str = "cpu", *, lists: int = 0, probes: Pairs = _NO_PAIRS
) -> Survey:
    """Rank, and read off the first `lists` items and the scores of `probes` (user position, item row).

    Raises:
        DivergedError: a score is not a number.
    """

    def chunk(bounds: tuple[int, int]) -> tuple[npt.NDArray[np.generic], ...]:
        return _survey_chunk(questions, scorer, *bounds, device, lists, probes)

    chunks = in_threads(chunk, _chunks(questions, scorer), device)
    nothing = np.zeros(0, dtype=np.int64)
    columns = ((nothing,) * 3 + (np.zeros((0, lists), dtype=np.int32), np.zeros(0, dtype=np.float32)), *chunks)
    user_R, greater_R, tied_R, top_NL, probe_P = (np.concatenate(values) for values in zip(*columns, strict=True))
    return Survey(_grouped(user_R, greater_R, tied_R, questions.total_N), top_NL, probe_P)


def _chunks(questions: Questions, scorer: Scorer) -> Iterator[tuple[int, int]]:
    size = max(CHUNK_USERS, CHUNK_SCORES // max(1, scorer.items))
    for start in range(0, len(questions.user_N), size):
        yield start, min(start + size, len(questions.user_N))


@torch.no_grad()
def _survey_chunk(
    questions: Questions, scorer: Scorer, start: int, end: int, device: str, lists: int, probes: Pairs
) -> tuple[npt.NDArray[np.generic], ...]:
    scores_BI = finite_scores(scorer, torch.from_numpy(questions.user_N[start:end]).to(device))
    probe_user, probe_item = _on(device, probes.between(start, end))
    probe_P = scores_BI[probe_user, probe_item]
    scores_BI = scores_BI.index_put(_on(device, questions.seen.between(start, end)), _NEVER.to(device))
    best = scores_BI.topk(min(DEPTH, scorer.items), dim=1)
    user, item = _on(device, questions.wanted.between(start, end))
    score_R = scores_BI[user, item]
    higher, tied = _count(scores_BI, best.values, user, score_R)
    found = torch.isfinite(score_R) & (higher < best.values.shape[1])
    top = _lists(scores_BI, best.values, best.indices, lists)
    result = (user[found] + start, higher[found], tied[found], top, probe_P)
    return tuple(values.cpu().numpy() for values in result)


_NEVER = torch.tensor(-torch.inf)


def finite_scores(scorer: Scorer, user_B: Tensor) -> Tensor:
    """Scores [B, I], minus infinity allowed.

    Raises:
        DivergedError: a score is not a number.
    """
    scores_BI = scorer.scores(user_B)
    if not scores_BI.amax() < torch.inf:  # NaN is passed on by amax, and is not below infinity either
        raise DivergedError("a score is not finite; lower training.optimizer.learningRate or raise weightDecay")
    return scores_BI


def _on(device: str, arrays: tuple[Ints, Ints]) -> tuple[Tensor, Tensor]:
    first, second = (torch.from_numpy(values).to(device) for values in arrays)
    return first, second


def _count(scores_BI: Tensor, best_BK: Tensor, user_R: Tensor, score_R: Tensor) -> tuple[Tensor, Tensor]:
    """(items above, items level) for pairs of the chunk, by binary search in each user's best scores.

    An item outside of the best has K above it. Items level with the last of the best may lie outside: those rows are
    counted whole.
    """
    ascending_BK = -best_BK
    per_user = torch.bincount(user_R, minlength=len(best_BK))
    column_R = torch.arange(len(user_R), device=user_R.device) - (per_user.cumsum(0) - per_user)[user_R]
    wide = torch.full((len(best_BK), int(per_user.max()) if len(user_R) else 0), torch.inf, device=best_BK.device)
    wide[user_R, column_R] = -score_R
    above = torch.searchsorted(ascending_BK, wide)[user_R, column_R]
    tied = torch.searchsorted(ascending_BK, wide, right=True)[user_R, column_R] - above
    last = best_BK[:, -1]
    at_end = score_R == last[user_R]
    rows = torch.unique(user_R[at_end])
    level = torch.zeros(len(best_BK), dtype=tied.dtype, device=tied.device)
    level[rows] = (scores_BI[rows] == last[rows].unsqueeze(1)).sum(dim=1)
    return above, torch.where(at_end, level[user_R], tied)


def _lists(scores_BI: Tensor, best_BK: Tensor, item_BK: Tensor, length: int) -> Tensor:
    """The first `length` items of each user, ties by ascending row, int32 [B, length], -1 where fewer are left."""
    top = torch.full((len(best_BK), length), -1, dtype=torch.int32, device=best_BK.device)
    if not length:
        return top
    by_row, order = item_BK.sort(dim=1)
    value, order = best_BK.gather(1, order).sort(dim=1, descending=True, stable=True)
    item = by_row.gather(1, order)
    width = min(length, item.shape[1])
    # Where the list ends among items level with the last of the best, others of them may come before: sort the row.
    unsure = torch.nonzero((value[:, width - 1] == value[:, -1]) & (value.shape[1] < scores_BI.shape[1])).squeeze(1)
    if len(unsure):
        whole, place = scores_BI[unsure].sort(dim=1, descending=True, stable=True)
        value[unsure, :width], item[unsure, :width] = whole[:, :width], place[:, :width]
    top[:, :width] = torch.where(torch.isfinite(value[:, :width]), item[:, :width], -1).to(torch.int32)
    return top


def _grouped(user_R: Ints, greater_R: Ints, tied_R: Ints, total_N: Ints) -> Ranks:
    order = np.lexsort((greater_R, user_R))
    user_R, greater_R, tied_R = user_R[order], greater_R[order], tied_R[order]
    new = np.ones(len(user_R), dtype=np.bool_)
    new[1:] = (user_R[1:] != user_R[:-1]) | (greater_R[1:] != greater_R[:-1])
    first = np.flatnonzero(new)
    wanted = np.diff(np.append(first, len(user_R)))
    return Ranks(user_R[first], greater_R[first], tied_R[first], wanted, total_N)
