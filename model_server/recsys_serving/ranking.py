"""The port through which the API asks for a ranking, and its errors.

RankingError
+-- DeadlineError   the answer did not come in time
+-- BusyError       the scorer refused: its queue is full, or too many requests are in flight
+-- BrokenError     everything else: down, restarting, wrong
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class RankingError(Exception):
    """No ranking came; `fallback_reason` is what the answer says."""

    fallback_reason = "TritonError"


class DeadlineError(RankingError):
    """The answer did not come in time."""

    fallback_reason = "Deadline"


class BusyError(RankingError):
    """The scorer refused: its queue is full, or too many requests are in flight."""

    fallback_reason = "Overload"


class BrokenError(RankingError):
    """The scorer is down, restarting, or answered something else."""


@dataclass(frozen=True)
class Ranking:
    """Item rows, best first, and their scores."""

    rows: tuple[int, ...]
    scores: tuple[float, ...]


def check_ranking(ranking: Ranking, k: int, items: int) -> None:
    """Raise BrokenError unless it can be an answer: at most k different rows of `items`, with finite scores."""
    rows = ranking.rows
    if len(rows) > k or len(set(rows)) < len(rows) or not all(0 <= row < items for row in rows):
        raise BrokenError(f"rows {rows[:10]} are not at most {k} different ones from 0 to {items - 1}")
    if not all(map(math.isfinite, ranking.scores)):
        raise BrokenError(f"scores {ranking.scores[:10]} are not all finite")


class Ranker(Protocol):
    """A scorer."""

    async def rank(self, row: int, extra_seen: Sequence[int], k: int, timeout_seconds: float) -> Ranking:
        """The best k unseen items of a known user; raises RankingError."""
        ...

    async def artifact_digest(self, timeout_seconds: float) -> str:
        """Digest of the artifact that the scorer loaded; raises RankingError."""
        ...
