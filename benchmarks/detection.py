"""How long until a bad candidate is found, and how often a healthy one is condemned, beside a fixed-threshold rule.

The peer is the rule that canary controllers use by default, run on the same seconds: every 10 s of at least 50 requests,
roll back when more than 1 % of them failed. Simulated requests are independent; the times are seconds of the rollout, not of
this machine, so the table is the same everywhere (seeded).
"""

import random
from collections.abc import Iterator
from typing import Any

from recsys_api.spec.rollout import ServiceLevelObjective
from recsys_operator.core.analysis.evidence import Evidence, fold_evidence
from recsys_operator.core.analysis.objectives import resolve_objectives
from recsys_operator.core.analysis.verdicts import FAIL_BUDGET, PASS_BUDGET, judge, segment_alpha
from recsys_operator.core.samples import VersionSecond

Row = dict[str, Any]
SLO = {"name": "available", "sli": {"type": "Availability"}, "objectivePercent": "99"}
OBJECTIVES = resolve_objectives([ServiceLevelObjective.model_validate(SLO)])
ALPHAS = segment_alpha(FAIL_BUDGET, 1), segment_alpha(PASS_BUDGET, 1)
STABLE_RATE = 0.002
PEER_SECONDS, PEER_REQUESTS, PEER_LIMIT = 10, 50, 0.01
RUNS, HORIZON = 40, 600


def draw_seconds(seed: int, rps: int, bad: float) -> Iterator[tuple[VersionSecond, VersionSecond]]:
    """(candidate, stable) second after second; stable has 19 times the requests (the candidate is at 5 %)."""
    rng = random.Random(seed)
    for t in range(1, HORIZON + 1):
        own = sum(rng.random() < bad for _ in range(rps))
        other = sum(rng.random() < STABLE_RATE for _ in range(19 * rps))
        yield _second("new", t, rps, own), _second("old", t, 19 * rps, other)


def seconds_to_fail(seed: int, rps: int, bad: float) -> int | None:
    """Until our verdict is Fail; None within the horizon."""
    evidence = Evidence(version="new", segment=1, since=0.0)
    for t, pair in enumerate(draw_seconds(seed, rps, bad), 1):
        evidence = fold_evidence(evidence, "old", OBJECTIVES, pair)
        if judge(evidence, OBJECTIVES, *ALPHAS, float(t)).kind == "Fail":
            return t
    return None


def peer_seconds_to_fail(seed: int, rps: int, bad: float) -> int | None:
    """The same for the fixed threshold."""
    n = failed = 0
    for t, (own, _) in enumerate(draw_seconds(seed, rps, bad), 1):
        n, failed = n + own.answers, failed + (own.gateway_bad or 0)
        if t % PEER_SECONDS == 0 and n >= PEER_REQUESTS:
            if failed / n > PEER_LIMIT:
                return t
            n = failed = 0
    return None


def rows() -> list[Row]:
    """Detection: median seconds, ours against the peer. Health: share of healthy candidates that were condemned."""
    found = [_detection(rps, bad) for rps in (2, 10, 50) for bad in (0.05, 0.2, 0.9)]
    return [*found, *(_false_alarms(rps) for rps in (2, 10, 50))]


def _detection(rps: int, bad: float) -> Row:
    ours = sorted(seconds_to_fail(seed, rps, bad) or HORIZON for seed in range(RUNS))
    peer = sorted(peer_seconds_to_fail(seed, rps, bad) or HORIZON for seed in range(RUNS))
    name = f"detection at {rps} rps, {bad:.0%} bad (median of {RUNS})"
    at_least = 0.4 if bad == 0.9 else None
    return _row(name, "s", ours[RUNS // 2], peer[RUNS // 2], at_least) | {"p99": ours[-1]}


def _false_alarms(rps: int) -> Row:
    healthy = 0.005
    ours = sum(seconds_to_fail(seed, rps, healthy) is not None for seed in range(RUNS)) / RUNS
    peer = sum(peer_seconds_to_fail(seed, rps, healthy) is not None for seed in range(RUNS)) / RUNS
    name = f"healthy (0.5 % bad) at {rps} rps rolled back within {HORIZON} s"
    return _row(name, "share", ours, peer, None) | {"ok": ours <= 0.05}


def _row(name: str, unit: str, value: float, peer: float, at_least: float | None) -> Row:
    ratio = round(peer / value, 2) if value else None
    ok = at_least is None or (ratio is not None and ratio >= at_least)
    return {
        "name": name, "unit": unit, "value": value, "peer": "fixed 1 % limit every 10 s", "peerValue": peer,
        "ratio": ratio, "atLeast": at_least, "ok": ok,
    }  # fmt: skip


def _second(version: str, at: int, requests: int, bad: int) -> VersionSecond:
    return VersionSecond(
        at=float(at), version=version, pods_expected=1, pods_scraped=1, answers=requests, model_latency=(0,) * 23,
        gateway_requests=requests, gateway_bad=bad,
    )  # fmt: skip
