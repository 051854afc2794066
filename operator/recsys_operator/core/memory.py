"""What one process remembers of a model between its passes; the next process begins with what is recorded."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from recsys_operator.core.analysis.evidence import Evidence
from recsys_operator.core.analysis.health import Health
from recsys_operator.core.attendance import Pass
from recsys_operator.core.samples import VersionSecond

STILL_SECONDS = 5.0
"""Longer without a sample: the process stood still, or its clock was set forward. A reading that fails is a sample too."""


@dataclass(frozen=True)
class Memory:
    """What one process remembers between passes."""

    since: float = 0.0
    """When this process first decided about this model."""
    first: bool = False
    """Whether it has decided nothing yet: what is recorded, another process has seen."""
    evidence: Evidence | None = None
    health: Health | None = None
    last_pass: Pass | None = None
    """The last one that ended well, but for a gap that not all records have in them."""
    sampled_at: float | None = None
    """The last sample that it knows of."""
    still_at: float = 0.0
    """When it found last that samples had not come, or came again after that."""

    @property
    def watched_since(self) -> float:
        """Since when it looks without a break: a time in which no sample came tells nothing of what was to be read."""
        return max(self.since, self.still_at)

    def after(self, seconds: Sequence[VersionSecond], now: float) -> "Memory":
        """With what these samples, the newest ones last, say of how steadily they come.

        A break is found once, when the last sample is too old, and once more when the next one is there: if none comes
        at all, the time since it was found counts.
        """
        if not seconds:
            return self
        newest = seconds[-1].at
        found = now - newest > STILL_SECONDS and min(self.still_at, now) <= newest
        over = self.sampled_at is not None and newest - self.sampled_at > STILL_SECONDS
        return replace(self, sampled_at=newest, still_at=now if found or over else min(self.still_at, now))
