"""From what observer, stand-ins and peer said to durations: breach, verdict, weight 0."""

import bisect
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Line = Mapping[str, Any]


@dataclass(frozen=True)
class Rollback:
    """One candidate that lost its traffic. Clocks are seconds since the epoch, of one machine."""

    route: str
    zero: float
    """The observer saw the route without the candidate."""
    breach: float
    """The candidate turned bad."""
    decided: float
    """The route's annotation (ours), or the peer's line before it writes."""
    page: float
    """When the gateway had served the last statistics that the decision can rest on."""


def find_rollbacks(routes: Iterable[Line], standins: Iterable[Line], decisions: Iterable[Line]) -> list[Rollback]:
    """All of them, in order.

    Args:
        routes: the observer's lines.
        standins: pages and breaches.
        decisions: the peer's own lines.
    """
    pages, breaches = _clocks(standins)
    said: dict[str, list[float]] = {}
    for line in decisions:
        said.setdefault(line["decided"], []).append(line["at"])
    before: dict[str, int] = {}
    found = []
    for line in routes:
        name, at, count = line["route"], line["at"], len(line["backends"])
        lowered = before.get(name, 0) == 2 and count == 1
        before[name] = count
        breach = _last(breaches.get(name, ()), at)
        decided = _last(said.get(name, ()), at) if name in said else _decided(line)
        if lowered and breach is not None and decided is not None:
            found.append(Rollback(name, at, breach, decided, _last(pages, decided) or decided))
    return found


def quantile(values: Sequence[float], share: float) -> float:
    """The value that at least this share does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def quantile_interval(values: Sequence[float], share: float, level: float = 0.95) -> tuple[float, float | None]:
    """Interval of a quantile by order statistics: no distribution is assumed.

    The upper end is None where so few values cannot bound it: of the 99th percentile below n = 368.
    """
    ordered, n, tail = sorted(values), len(values), (1.0 - level) / 2
    low, below = 0, 0.0
    for k in range(n):
        if below <= tail:
            low = max(0, k - 1)
        below += math.comb(n, k) * share**k * (1.0 - share) ** (n - k)
        if below >= 1.0 - tail:
            return ordered[low], ordered[k]
    return ordered[low], None


def _clocks(standins: Iterable[Line]) -> tuple[list[float], dict[str, list[float]]]:
    pages: list[float] = []
    breaches: dict[str, list[float]] = {}
    for line in standins:
        if "page" in line:
            pages.append(line["page"])
        else:
            breaches.setdefault(line["bad"], []).append(line["at"])
    return pages, breaches


def _decided(line: Line) -> float | None:
    decision = json.loads(line["decision"] or "{}")
    if decision.get("verdict") != "Fail":
        return None
    return datetime.fromisoformat(str(decision["at"]).replace("Z", "+00:00")).timestamp()


def _last(clocks: Sequence[float], until: float) -> float | None:
    # the annotation has whole milliseconds: a page of the same one is not missed for it
    place = bisect.bisect_right(clocks, until + 0.001)
    return clocks[place - 1] if place else None
