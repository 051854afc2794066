"""From evidence to a verdict.

    Fail                 the bad rate is above the limit, or above stable's by the margin, beyond chance
    BothBreach           above the limit, stable too, and no difference shown
    MetricsUnavailable   a ready pod of the candidate cannot be read
    NoData               all can be read and get no requests
    Pass                 every objective's upper bounds are inside, also without what came before too much was lost
    Undecided            none of these yet

Both Fail and Pass cannot be true; if both were shown by chance, Fail wins. Time never makes a Pass.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from recsys_operator.core.analysis import sequential
from recsys_operator.core.analysis.evidence import UNREADABLE_SECONDS, Evidence, stable_breach
from recsys_operator.core.analysis.lines import Line
from recsys_operator.core.analysis.objectives import Objective

Kind = Literal["Pass", "Fail", "BothBreach", "Undecided", "NoData", "MetricsUnavailable"]

FAIL_BUDGET = 0.05
"""Chance of a false Fail over a whole rollout: half for the canary, half for the bake."""
PASS_BUDGET = 0.05
"""Chance of a false Pass over a whole rollout, spent the same way."""
ACCOUNTS = math.log(2)
"""The comparison has two accounts (lines.py), each with half of the error level."""
NO_DATA_SECONDS = 60
"""Without a request in so many seconds that were read there is no data."""
WORTH_SECONDS = 5
"""So many seconds of missing data are worth a line in status: an operator that lives for less finds none missing."""


@dataclass(frozen=True)
class LineVerdict:
    """Where one objective stands."""

    name: str
    kind: Kind
    n: int
    bad: int
    needed: int
    """Events until Pass can be shown when none more is bad; 0 when it is shown."""
    message: str = ""


@dataclass(frozen=True)
class Verdict:
    """Where the segment stands: the worst of its objectives."""

    kind: Kind
    message: str
    lines: tuple[LineVerdict, ...] = ()
    detectable: float = 1.0
    """Smallest bad rate of the weakest objective that would have been found with 90 % power."""


def segment_alpha(budget: float, ordinal: int, *, start: int = 1) -> float:
    """What the k-th segment of the canary or of the bake may spend: half the budget times 6 / (pi k)^2."""
    k = max(1, ordinal - start + 1)
    return budget / 2 * 6 / (math.pi * k) ** 2


def judge(
    evidence: Evidence, objectives: Sequence[Objective], fail_alpha: float, pass_alpha: float, now: float, *,
    watched_since: float = 0.0, alone: bool = False, against_stable_only: bool = False,
) -> Verdict:  # fmt: skip
    """The verdict on a segment.

    Args:
        watched_since: since when this process looks; what it cannot have read it does not miss (see `is_fresh`).
        alone: stable gets no traffic (weight 100), so only the objectives themselves can be shown.
        against_stable_only: stable was unhealthy at the start and the policy is Proceed; without effect where `alone`.
    """
    # with nothing to compare with, it would pass without evidence and could never fail
    against_stable_only = against_stable_only and not alone
    share = fail_alpha / (2 * len(objectives))
    lines = tuple(
        _judge_line(evidence, objective, share, pass_alpha, alone, against_stable_only) for objective in objectives
    )
    for kind in ("Fail", "BothBreach"):
        found = next((line for line in lines if line.kind == kind), None)
        if found is not None:
            return Verdict(found.kind, found.message, lines)
    if missing := _missing(evidence, now, watched_since):
        return Verdict(missing[0], missing[1], lines)
    required = [line for line, objective in zip(lines, objectives, strict=True) if not objective.compares_only]
    if all(line.kind == "Pass" for line in required):
        return Verdict("Pass", "every objective is met beyond chance", lines)
    weakest = max(required, key=lambda line: line.needed)
    detectable = _detectable(evidence, objectives, share)
    return Verdict("Undecided", f"{weakest.name}: {weakest.message}{_lost(evidence)}", lines, detectable)


def is_further(evidence: Evidence, known: Evidence | None) -> bool:
    """Whether it says more than what is written down: answers, or some seconds without any or unread, as far as they count."""
    if known is None:
        known = Evidence(version=evidence.version, segment=evidence.segment, since=evidence.since)
    quiet = _grown(evidence.quiet, known.quiet, NO_DATA_SECONDS)
    return (
        evidence.answers != known.answers
        or max(quiet, _grown(evidence.unread, known.unread, UNREADABLE_SECONDS)) >= WORTH_SECONDS
    )


def _grown(now: float, before: float, limit: float) -> float:
    return abs(min(now, limit + 1) - min(before, limit + 1))


def is_fresh(evidence: Evidence, now: float) -> bool:
    """Whether pods and requests were seen lately, by whichever process: nothing is left on older evidence."""
    return now - evidence.read_at <= UNREADABLE_SECONDS and now - evidence.seen_at <= NO_DATA_SECONDS


def pass_events(objectives: Sequence[Objective], alpha: float, *, alone: bool) -> int:
    """Events that a Pass needs when none is bad: what a step must be able to collect."""
    limits = [o.limit if alone else min(o.limit, o.margin) for o in objectives if not o.compares_only]
    return max(sequential.needed_events(0, alpha, limit) for limit in limits)


def _judge_line(
    evidence: Evidence, objective: Objective, alpha: float, pass_alpha: float, alone: bool, against_stable_only: bool
) -> LineVerdict:
    line = evidence.line(objective.name)
    counts = line.candidate
    threshold = math.log(1.0 / alpha)
    if line.worst_difference >= threshold + ACCOUNTS:
        return _line(line, "Fail", f"{_rates(line)}: worse than stable by more than {_percent(objective.margin)}")
    if not against_stable_only and line.worst_objective >= threshold:
        kind: Kind = "BothBreach" if stable_breach(evidence, objective.name) else "Fail"
        return _line(line, kind, f"{_rates(line)}: above the limit of {_percent(objective.limit)}")
    inside, needed = _pass(line, objective, pass_alpha, alone, against_stable_only)
    if inside:
        return _line(line, "Pass", "met")
    message = f"{counts.bad} bad of {counts.n} events, Pass needs about {needed} more without a bad one"
    return _line(line, "Undecided", message, needed)


def _pass(line: Line, objective: Objective, alpha: float, alone: bool, against_stable_only: bool) -> tuple[bool, int]:
    """Whether the upper bounds are inside, and how many events are missing about.

    Both of the whole segment and since its evidence began anew: who loses bad events is not rid of those that were seen.
    """
    whole = _inside(line, objective, alpha, alone, against_stable_only)
    anew = _inside(line.since_mark(), objective, alpha, alone, against_stable_only)
    return whole[0] and anew[0], max(whole[1], anew[1])


def _inside(line: Line, objective: Objective, alpha: float, alone: bool, against_stable_only: bool) -> tuple[bool, int]:
    counts = line.candidate
    limit = objective.limit if alone else min(objective.limit, objective.margin)
    if objective.compares_only:
        return False, 0
    met = against_stable_only or sequential.is_below(counts.n, counts.bad, alpha, objective.limit)
    if met and (alone or _not_worse(line, objective, alpha)):
        return True, 0
    return False, max(1, sequential.needed_events(counts.bad, alpha, limit) - counts.n)


def _not_worse(line: Line, objective: Objective, alpha: float) -> bool:
    """Upper bound of the difference below the margin: each arm's bound at half the error level."""
    if sequential.is_below(line.candidate.n, line.candidate.bad, alpha / 2, objective.margin):
        return True
    own = sequential.upper_bound(line.candidate.n, line.candidate.bad, alpha / 2, objective.margin)
    other = sequential.lower_bound(line.stable.n, line.stable.bad, alpha / 2, objective.limit)
    return own - other < objective.margin


def _missing(evidence: Evidence, now: float, watched_since: float) -> tuple[Kind, str] | None:
    blind = now - max(evidence.read_at, evidence.since, watched_since)
    # an operator that lives for seconds has not been blind for long, but those before it were
    if max(blind, evidence.unread) > UNREADABLE_SECONDS:
        return "MetricsUnavailable", f"no reading of all ready pods for more than {UNREADABLE_SECONDS:.0f} s"
    if evidence.quiet > NO_DATA_SECONDS:
        return "NoData", f"no request for more than {NO_DATA_SECONDS} s"
    return None


def _lost(evidence: Evidence) -> str:
    if not evidence.begun_anew:
        return ""
    return f"; about {math.ceil(evidence.lost)} events were lost, too many for what was seen before to count"


def _detectable(evidence: Evidence, objectives: Sequence[Objective], alpha: float) -> float:
    rates = [
        sequential.detectable_rate(line.candidate.n, line.seconds, alpha, objective.limit)
        for objective in objectives
        if not objective.compares_only
        for line in [evidence.line(objective.name)]
    ]
    return max(rates, default=1.0)


def _line(line: Line, kind: Kind, message: str, needed: int = 0) -> LineVerdict:
    said = f"{line.name}: {message}" if kind in ("Fail", "BothBreach") else message
    return LineVerdict(line.name, kind, line.candidate.n, line.candidate.bad, needed, said)


def _rates(line: Line) -> str:
    own, other = line.candidate, line.stable
    beside = f", stable {other.bad} of {other.n}" if other.n else ""
    return f"{own.bad} bad of {own.n} events{beside}"


def _percent(rate: float) -> str:
    return f"{100 * rate:.3g} %"
