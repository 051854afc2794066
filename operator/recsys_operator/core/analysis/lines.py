"""One objective in one segment: counts, and the tests that run over its seconds."""

from dataclasses import dataclass

from recsys_api.base import Observed
from recsys_operator.core.analysis import sequential
from recsys_operator.core.analysis.objectives import Objective, count_events
from recsys_operator.core.samples import VersionSecond


class Counts(Observed):
    """Bad events of valid events."""

    n: int = 0
    bad: int = 0

    def plus(self, n: int, bad: int) -> "Counts":
        """With the events of one more second."""
        return self if n == 0 else Counts(n=self.n + n, bad=self.bad + bad)

    def since(self, mark: "Counts") -> "Counts":
        """Those that came after `mark`."""
        return Counts(n=self.n - mark.n, bad=self.bad - mark.bad)


class Line(Observed):
    """One objective in one segment."""

    name: str
    candidate: Counts = Counts()
    stable: Counts = Counts()
    seconds: int = 0
    """Seconds in which the candidate had valid events; a block that nobody watched is one."""
    paired: int = 0
    """Seconds in which both arms had."""
    stable_seconds: int = 0
    objective: tuple[float, ...] = ()
    """ln M of the test against the limit, per rate."""
    difference: tuple[float, ...] = ()
    """ln M of the comparison with stable, per bet, over all that is banked: looked at where it is banked and nowhere between."""
    watched_difference: tuple[float, ...] = ()
    """The same over the seconds of this process alone: looked at after each, and gone with the process."""
    stable_objective: tuple[float, ...] = ()
    """ln M of stable's own test against the limit."""
    worst_objective: float = sequential.NOTHING
    """Most evidence that there ever was: a Fail once shown stays shown."""
    worst_difference: float = sequential.NOTHING
    """Of both accounts, at the times at which they are looked at; each may spend half of the error level."""
    candidate_mark: Counts = Counts()
    """What was counted before the evidence for a Pass began anew."""
    stable_mark: Counts = Counts()

    def marked(self) -> "Line":
        """The evidence for a Pass begins anew after what was counted up to now."""
        return self.model_copy(update={"candidate_mark": self.candidate, "stable_mark": self.stable})

    def since_mark(self) -> "Line":
        """With the counts of after that alone."""
        return self.model_copy(
            update={
                "candidate": self.candidate.since(self.candidate_mark), "stable": self.stable.since(self.stable_mark)
            }
        )  # fmt: skip

    def banked(self) -> "Line":
        """As it is written down: all that is banked is looked at, and the next process begins an account of its own."""
        worst = max(self.worst_difference, round(sequential.log_evidence(self.difference), 4))
        return self.model_copy(update={"watched_difference": (), "worst_difference": worst})


def fold_line(
    line: Line, objective: Objective, own: VersionSecond, other: VersionSecond | None, skipped: int = 0
) -> Line:
    """Add one second of both arms; stable's is None where it cannot be used.

    Args:
        skipped: so many weights of a fault's start are left out, because another process has tried them.
    """
    events = _events(objective, own, other)
    change = _counted(line, objective, events, skipped)
    if events.paired:
        watched = _bet(line.watched_difference, line.paired + skipped, objective, events)
        worst = max(line.worst_difference, sequential.log_evidence(watched))
        difference = _bet(line.difference, line.paired + skipped, objective, events)
        change |= {
            "difference": _rounded(difference), "watched_difference": _rounded(watched), "paired": line.paired + 1,
            "worst_difference": round(worst, 4),
        }  # fmt: skip
    return line.model_copy(update=change) if change else line


def fold_block(
    line: Line, objective: Objective, own: VersionSecond, other: VersionSecond, skipped: int, *, compared: bool
) -> Line:
    """Add what both arms did while nobody watched, as one second. It is in no process's own account of the comparison."""
    events = _events(objective, own, other)
    change = _counted(line, objective, events, skipped)
    if events.paired and compared:
        difference = _bet(line.difference, line.paired + skipped, objective, events)
        change |= {"difference": _rounded(difference), "paired": line.paired + 1}
    return line.model_copy(update=change) if change else line


@dataclass(frozen=True)
class _Events:
    """Valid and bad events of both arms."""

    own: tuple[int, int]
    other: tuple[int, int]

    @property
    def paired(self) -> bool:
        return bool(self.own[0] and self.other[0])


def _events(objective: Objective, own: VersionSecond, other: VersionSecond | None) -> _Events:
    return _Events(count_events(objective, own), count_events(objective, other) if other is not None else (0, 0))


def _counted(line: Line, objective: Objective, events: _Events, skipped: int) -> dict[str, object]:
    """Counts, and the tests of each arm by itself."""
    change: dict[str, object] = {}
    if events.own[0]:
        change |= {"candidate": line.candidate.plus(*events.own), "seconds": line.seconds + 1}
    if events.other[0]:
        change |= {"stable": line.stable.plus(*events.other), "stable_seconds": line.stable_seconds + 1}
    if objective.compares_only:
        return change
    if events.own[0]:
        logs = sequential.update_objective(line.objective, line.seconds + skipped + 1, *events.own, objective.limit)
        worst = max(line.worst_objective, sequential.log_evidence(logs))
        change |= {"objective": _rounded(logs), "worst_objective": round(worst, 4)}
    if events.other[0]:
        count = line.stable_seconds + skipped + 1
        change |= {
            "stable_objective": _rounded(
                sequential.update_objective(line.stable_objective, count, *events.other, objective.limit)
            )
        }
    return change


def _bet(logs: tuple[float, ...], before: int, objective: Objective, events: _Events) -> tuple[float, ...]:
    (n, bad), (stable_n, stable_bad) = events.own, events.other
    return sequential.update_difference(logs, before + 1, bad / n, stable_bad / stable_n, objective.margin)


def _rounded(logs: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(log, 4) for log in logs)
