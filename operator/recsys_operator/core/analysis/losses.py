"""Requests that pods answered and nobody read: in n of neither arm, and too many of them are no ground for a Pass.

What is lost can only be estimated:

    a pod or its process went      its rate x the seconds in which it served unread   (the sampler: VersionSecond.lost)
    the operator was away          what its pods counted is read afterwards (entries.py); of those that are gone, the mean of
                                   the others, and where there are none, the arm's mean rate x the seconds
    a second with data errors      what the pods counted in it: known, but not believed

The estimate takes it that things went on as before. That is too much where a pod had stopped answering, which only keeps
a Pass away; and nothing says that what was lost was as good as what was seen, so a Fail is never given up for it.
See docs/adr/0012.
"""

from recsys_api.base import Observed
from recsys_operator.core.samples import VersionSecond

MOST_LOST = 0.05
"""With a larger share of an arm's requests lost, the evidence for a Pass begins anew."""


class Tally(Observed):
    """Requests of one arm since the evidence for a Pass began."""

    seconds: int = 0
    seen: int = 0
    recovered: int = 0
    """Counted while nobody watched, and read afterwards: in no rate."""
    lost: float = 0.0

    def with_second(self, second: VersionSecond, *, believed: bool) -> "Tally":
        """With one more second; its requests are lost where it is not believed."""
        requests = second.answers + second.failures
        lost = second.lost + (0 if believed else requests)
        return Tally(
            seconds=self.seconds + 1, seen=self.seen + (requests if believed else 0), recovered=self.recovered,
            lost=round(self.lost + lost, 2),
        )  # fmt: skip

    def with_block(self, recovered: int, lost: float) -> "Tally":
        """With what was read, and about what was not, of a time in which nobody watched."""
        return self.model_copy(update={"recovered": self.recovered + recovered, "lost": round(self.lost + lost, 2)})

    def unwatched(self, seconds: float) -> "Tally":
        """After so many seconds in which nobody watched; before the first request there was no evidence to lose."""
        rate = self.seen / self.seconds if self.seconds else 0.0
        return self.model_copy(update={"lost": round(self.lost + rate * seconds, 2)})

    @property
    def is_broken(self) -> bool:
        """Whether too much is lost."""
        return self.lost > MOST_LOST * (self.seen + self.recovered + self.lost)
