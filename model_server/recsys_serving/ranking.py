"""The port through which the API asks for a ranking, and its errors.

RankingError
+-- DeadlineError   the answer did not come in time
+-- BusyError       the scorer refused: its queue is full, or too many requests are in flight
+-- BrokenError     everything else: down, restarting, wrong
"""

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


class Ranker(Protocol):
    """A scorer."""

    async def rank(self, row: int, extra_seen: Sequence[int], k: int, timeout_seconds: float) -> Ranking:
        """The best k unseen items of a known user; raises RankingError."""
        ...

    async def artifact_digest(self, timeout_seconds: float) -> str:
        """Digest of the artifact that the scorer loaded; raises RankingError."""
        ...
