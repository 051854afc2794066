"""Several Triton requests ranked in one pass over the catalogue."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int32]
Scores = NDArray[np.float32]


class Ranker(Protocol):
    """What a batch needs of the scorer."""

    users: int

    @property
    def folds_in(self) -> bool:
        """Whether it answers row -1 from the items of `extra_seen`."""
        ...

    def top_k(self, rows_B: Rows, extra_seen_BP: Rows, k: int) -> tuple[Rows, Scores]:
        """Best k unseen items of each user (scoring.Scorer.top_k)."""
        ...


@dataclass(frozen=True)
class Rank:
    """One request: rows [b, 1], extra_seen [b, P] padded with -1, k [b, 1]."""

    rows: Rows
    extra_seen: Rows
    k: Rows


@dataclass(frozen=True)
class Ranked:
    """Its answer [b, max k of the request], or why there is none."""

    item_rows: Rows = field(default_factory=lambda: np.empty((0, 0), np.int32))
    scores: Scores = field(default_factory=lambda: np.empty((0, 0), np.float32))
    error: str = ""


def rank_together(scorer: Ranker, requests: Sequence[Rank]) -> list[Ranked]:
    """Answer every request; a request that cannot be answered does not spoil the others."""
    errors = [_find_error(scorer, request) for request in requests]
    good = [request for request, error in zip(requests, errors, strict=True) if not error]
    answers = iter(_rank(scorer, good) if good else [])
    return [Ranked(error=error) if error else next(answers) for error in errors]


def _find_error(scorer: Ranker, request: Rank) -> str:
    unknown = request.rows[:, 0] < 0
    if bool((request.rows >= scorer.users).any()) or (unknown.any() and not scorer.folds_in):
        return f"rows must be from 0 to {scorer.users - 1}; the API answers unknown users itself"
    if bool((unknown & ~(request.extra_seen >= 0).any(axis=1)).any()):
        return "row -1 needs items in extra_seen; the API answers unknown users without any itself"
    if bool((request.k < 1).any()):
        return "k must be at least 1"
    return ""


def _rank(scorer: Ranker, requests: Sequence[Rank]) -> list[Ranked]:
    rows_B = np.concatenate([request.rows[:, 0] for request in requests])
    widest = max(int(request.k.max()) for request in requests)
    items_BK, scores_BK = scorer.top_k(rows_B, _stack([request.extra_seen for request in requests]), widest)
    answers, start = [], 0
    for request in requests:
        end, k = start + len(request.rows), int(request.k.max())
        items, scores = items_BK[start:end, :k], scores_BK[start:end, :k]
        answers.append(Ranked(np.ascontiguousarray(items), np.ascontiguousarray(scores)))
        start = end
    return answers


def _stack(extras: Sequence[Rows]) -> Rows:
    width = max(extra.shape[1] for extra in extras)
    padded = [np.pad(extra, ((0, 0), (0, width - extra.shape[1])), constant_values=-1) for extra in extras]
    return np.concatenate(padded)
