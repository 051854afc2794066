"""From declared SLOs to bad events of valid events."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from recsys_api.operator_rules import MAX_BAD_PERCENT
from recsys_api.spec.rollout import ServiceLevelObjective
from recsys_api.telemetry import LATENCY_BUCKETS_MILLISECONDS
from recsys_operator.core.samples import VersionSecond

Sli = Literal["Availability", "Latency", "Fallback", "UnknownUsers"]

FALLBACK_PERCENT = 99.5
"""Always there: otherwise a dead model that answers from popularity would be promoted."""
UNKNOWN_USERS_MARGIN = 0.1
"""A candidate may know fewer of the users than stable by this share; a half-loaded id map shows only here."""
MAX_RATE = MAX_BAD_PERCENT / 100
"""What is above it is refused in a spec; a recorded rollout may hold it."""
MIN_RATE = 1e-7


@dataclass(frozen=True)
class Objective:
    """One SLO as the tests need it. Rates are shares of 1."""

    name: str
    sli: Sli
    budget: float
    """b: the bad rate that the objective allows."""
    limit: float
    """m = tolerance x b: Fail shows more than this, Pass less."""
    margin: float
    """m - b: how much worse than stable a candidate may be."""
    threshold_milliseconds: int = 0
    compares_only: bool = False
    """Judged against stable alone, and never needed for a Pass (harm only)."""


def resolve_objectives(slos: Sequence[ServiceLevelObjective]) -> tuple[Objective, ...]:
    """The declared SLOs, the Fallback SLI (declared values can only tighten it), and the unknown users."""
    declared = [_resolve(slo) for slo in slos]
    taken = {found.name for found in declared}
    floor = _objective(_free("fallback", taken), "Fallback", FALLBACK_PERCENT, 2.0)
    own = [found for found in declared if found.sli == "Fallback"]
    if not any(found.limit <= floor.limit for found in own):
        declared.append(floor)
    name = _free("unknown-users", taken)
    unknown = Objective(name, "UnknownUsers", 0.0, 1.0, UNKNOWN_USERS_MARGIN, compares_only=True)
    return (*declared, unknown)


def count_events(objective: Objective, second: VersionSecond) -> tuple[int, int]:
    """(valid events, bad events) of one second of one version."""
    if objective.sli == "Availability":
        return _availability(second)
    if objective.sli == "Latency":
        bounds = LATENCY_BUCKETS_MILLISECONDS
        fast = bounds.index(objective.threshold_milliseconds) + 1
        return sum(second.model_latency), sum(second.model_latency[fast:])
    bad = second.bad_fallbacks if objective.sli == "Fallback" else second.unknown_users
    return second.answers, min(bad, second.answers)


def _free(name: str, taken: Collection[str]) -> str:
    """A name that no SLO has, since evidence is kept by name; with a space, which none of theirs can hold."""
    return f"{name} (built in)" if name in taken else name


def _availability(second: VersionSecond) -> tuple[int, int]:
    """At the gateway where it can say; else what pods failed, restarts and failed scrapes of ready pods are the harm that is seen."""
    if second.gateway_requests is not None:
        return second.gateway_requests, min(second.gateway_bad or 0, second.gateway_requests)
    harm = max(0, second.pods_expected - second.pods_scraped) + second.restarts + second.failures
    return second.answers + harm, harm


def _resolve(slo: ServiceLevelObjective) -> Objective:
    percent, tolerance = float(slo.objective_percent), float(slo.tolerance)
    return _objective(slo.name, slo.sli.type, percent, tolerance, slo.sli.threshold_milliseconds or 0)


def _objective(name: str, sli: Sli, percent: float, tolerance: float, threshold: int = 0) -> Objective:
    budget = min(MAX_RATE, max(MIN_RATE, 1.0 - percent / 100.0))
    limit = min(MAX_RATE, max(budget, tolerance * budget))
    return Objective(name, sli, budget, limit, max(limit - budget, MIN_RATE), threshold)
