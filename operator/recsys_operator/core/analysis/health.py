"""The fold over stable's seconds: since when it has kept its objectives, and with how much traffic."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from recsys_operator.core.analysis import sequential
from recsys_operator.core.analysis.evidence import LOG_BREACH, was_read
from recsys_operator.core.analysis.objectives import Objective, count_events
from recsys_operator.core.samples import VersionSecond

GAP_SECONDS = 15.0
"""Longer without a reading of stable: its health has to be shown anew."""


@dataclass(frozen=True)
class Health:
    """Stable's own record: since when it was read without a gap and kept its objectives."""

    version: str
    since: float
    read_at: float
    folded_until: float
    logs: Mapping[str, tuple[int, tuple[float, ...]]] = field(default_factory=dict)
    breached: str = ""
    """Objective that was breached last, since `since`; empty when none was."""
    requests: int = 0
    seconds: int = 0
    """Requests in so many seconds: the traffic that is to be expected."""

    def was_well(self, version: str, seconds: float, now: float) -> bool:
        """Whether this version was healthy for so long, up to now: what was read before an outage is history."""
        return self.is_fresh(now) and self.version == version and self.healthy_seconds() >= seconds

    def is_fresh(self, now: float) -> bool:
        """Whether it speaks of now."""
        return now - self.read_at <= GAP_SECONDS

    def healthy_seconds(self) -> float:
        """How long it has been healthy, up to its last reading."""
        return max(0.0, self.read_at - self.since)


def fold_health(
    health: Health | None, version: str, objectives: Sequence[Objective], seconds: Iterable[VersionSecond]
) -> Health | None:
    """Add stable's seconds; a gap, a data error or a breach starts its healthy time anew."""
    if health is not None and health.version != version:
        health = None
    done = health.folded_until if health else 0.0
    for second in sorted((s for s in seconds if s.version == version and s.at > done), key=lambda s: s.at):
        health = _fold_health(health, second, objectives)
    return health


def _fold_health(health: Health | None, second: VersionSecond, objectives: Sequence[Objective]) -> Health | None:
    if not was_read(second) or second.pods_scraped == 0:
        return None if health is None else replace(health, folded_until=second.at)
    if health is None:
        health = Health(second.version, second.at, second.at, second.at)
    requests = max(second.answers, second.gateway_requests or 0)
    health = replace(health, requests=health.requests + requests, seconds=health.seconds + 1)
    if second.at - health.read_at > GAP_SECONDS:
        health = replace(health, since=second.at, logs={}, breached="")
    logs = {
        o.name: _health_line(health.logs.get(o.name, (0, ())), o, second) for o in objectives if not o.compares_only
    }
    broken = [name for name, (_, log) in logs.items() if sequential.log_evidence(log) >= LOG_BREACH]
    if broken:
        return replace(
            health, since=second.at, read_at=second.at, folded_until=second.at, logs=logs, breached=broken[0]
        )
    return replace(health, read_at=second.at, folded_until=second.at, logs=logs)


def _health_line(
    known: tuple[int, tuple[float, ...]], objective: Objective, second: VersionSecond
) -> tuple[int, tuple[float, ...]]:
    n, bad = count_events(objective, second)
    if n == 0:
        return known
    logs = sequential.update_objective(known[1], known[0] + 1, n, bad, objective.limit)
    # a long breach must not take as long to be forgotten
    return known[0] + 1, tuple(min(log, LOG_BREACH + 2 * sequential.LOG_CAP) for log in logs)
