"""What serving pods count (docs/contracts.md section 7): one page -> counters, two counters -> increments."""

import math
from collections.abc import Mapping
from dataclasses import replace

from recsys_api import telemetry
from recsys_operator.adapters.metrics.prometheus_text import samples_of
from recsys_operator.core.counters import BOUNDS, PodCounters

__all__ = ["PodCounters", "PodIncrements", "counters_of_page"]

_INDEX = {bound / 1000: n for n, bound in enumerate(telemetry.LATENCY_BUCKETS_MILLISECONDS)}
_REQUESTS = f"{telemetry.REQUESTS}_total"
_BUCKET = f"{telemetry.REQUEST_SECONDS}_bucket"
_SERVER_RESTARTS = f"{telemetry.TRITON_RESTARTS}_total"
_NAMES = (_REQUESTS, _BUCKET, _SERVER_RESTARTS, telemetry.PROCESS_START_SECONDS)
UNKNOWN = "UnknownUser"


def counters_of_page(text: str, version: str) -> PodCounters:
    """The counters of a page. What is not a count (NaN, negative, twice) becomes `errors`, never a number.

    Args:
        version: whose page it is to be: an address goes on to another pod before the cache knows.
    """
    answers, failures, bad, unknown, server_restarts, started = 0, 0, 0, 0, 0, 0.0
    cumulative = [0] * (BOUNDS + 1)
    seen: set[tuple[object, ...]] = set()
    others: set[str] = set()
    errors: list[str] = []
    try:
        for name, labels, value in samples_of(text, _NAMES):
            series = (name, frozenset(labels.items()))
            problem = _problem(value, series in seen)
            seen.add(series)
            others |= {labels.get("version", "")} - {version}
            if problem:
                errors.append(f"{name}{labels}: {problem}")
            elif name == telemetry.PROCESS_START_SECONDS:
                started = value
            elif name == _SERVER_RESTARTS:
                server_restarts += int(value)
            elif name == _BUCKET:
                if labels.get("source") == telemetry.MODEL_SOURCE:
                    cumulative[_bucket(labels)] += int(value)
            elif labels.get("code", "").startswith("5"):
                failures += int(value)
            elif labels.get("code") == "200":
                answers += int(value)
                bad += int(value) if labels.get("fallback_reason") in telemetry.BAD_FALLBACKS else 0
                unknown += int(value) if labels.get("fallback_reason") == UNKNOWN else 0
    except (ValueError, KeyError) as error:
        errors.append(f"unreadable metrics: {error}")
    if others:
        errors.insert(0, f"the page is of version {', '.join(map(repr, sorted(others)))}, not of {version}")
    if not seen:
        errors.append("no recsys metrics on the page")
    latency = tuple(b - a for a, b in zip([0, *cumulative], cumulative, strict=False))
    return PodCounters(started, answers, failures, latency, bad, unknown, server_restarts, tuple(errors[:5]))


class PodIncrements:
    """Remembers the last counters of each pod. A process seen for the first time is a baseline, not an increment."""

    def __init__(self) -> None:
        self._last: dict[str, PodCounters] = {}

    def advance(self, pod: str, now: PodCounters) -> tuple[PodCounters, bool]:
        """(increments since the last call for this pod uid, whether the process is another one)."""
        if now.errors:
            return replace(PodCounters(), errors=now.errors), False
        before = self._last.get(pod)
        self._last[pod] = now
        if before is None or before.started != now.started:
            return PodCounters(), before is not None
        return now.since(before), False

    def standing(self, pod: str) -> PodCounters | None:
        """Up to where a pod's counters are in increments; None where it was not read yet."""
        return self._last.get(pod)

    def keep(self, pods: Mapping[str, object]) -> None:
        """Forget pods that are not among these uids."""
        for uid in self._last.keys() - pods.keys():
            del self._last[uid]


def _problem(value: float, twice: bool) -> str:
    if math.isnan(value) or math.isinf(value):
        return f"{value} is not a count"
    if value < 0:
        return f"{value} is negative"
    return "the series is there twice" if twice else ""


def _bucket(labels: Mapping[str, str]) -> int:
    bound = labels["le"]
    return BOUNDS if bound == "+Inf" else _INDEX[float(bound)]
