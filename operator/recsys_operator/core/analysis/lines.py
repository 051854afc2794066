"""One objective in one segment: counts, and the tests that run over its seconds."""

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
    """Seconds in which the candidate had valid events."""
    paired: int = 0
    """Seconds in which both arms had."""
    stable_seconds: int = 0
    objective: tuple[float, ...] = ()
    """ln M of the test against the limit, per rate."""
    difference: tuple[float, ...] = ()
    """ln M of the comparison with stable, per bet."""
    stable_objective: tuple[float, ...] = ()
    """ln M of stable's own test against the limit."""
    worst_objective: float = sequential.NOTHING
    """Most evidence that there ever was: a Fail once shown stays shown."""
    worst_difference: float = sequential.NOTHING
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


def fold_line(line: Line, objective: Objective, own: VersionSecond, other: VersionSecond | None) -> Line:
    """Add one second of both arms; stable's is None where it cannot be used."""
    n, bad = count_events(objective, own)
    stable_n, stable_bad = count_events(objective, other) if other is not None else (0, 0)
    change: dict[str, object] = {}
    if n:
        change |= {"candidate": line.candidate.plus(n, bad), "seconds": line.seconds + 1}
    if stable_n:
        change |= {"stable": line.stable.plus(stable_n, stable_bad), "stable_seconds": line.stable_seconds + 1}
    if not objective.compares_only:
        change |= _objective_change(line, objective, (n, bad), (stable_n, stable_bad))
    if n and stable_n:
        logs = sequential.update_difference(
            line.difference, line.paired + 1, bad / n, stable_bad / stable_n, objective.margin
        )
        worst = max(line.worst_difference, sequential.log_evidence(logs))
        change |= {"difference": _rounded(logs), "paired": line.paired + 1, "worst_difference": round(worst, 4)}
    return line.model_copy(update=change) if change else line


def _objective_change(
    line: Line, objective: Objective, own: tuple[int, int], other: tuple[int, int]
) -> dict[str, object]:
    change: dict[str, object] = {}
    if own[0]:
        logs = sequential.update_objective(line.objective, line.seconds + 1, *own, objective.limit)
        worst = max(line.worst_objective, sequential.log_evidence(logs))
        change |= {"objective": _rounded(logs), "worst_objective": round(worst, 4)}
    if other[0]:
        stable = sequential.update_objective(line.stable_objective, line.stable_seconds + 1, *other, objective.limit)
        change |= {"stable_objective": _rounded(stable)}
    return change


def _rounded(logs: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(log, 4) for log in logs)
