"""What the gateway's proxies count for each version: it alone sees requests that no pod ever answered.

Envoy Gateway makes a cluster `httproute/<namespace>/<route>/rule/<n>/backend/<m>` for each backendRef with filters of
its own. Which version that is depends on the route at the time: where a change gave a position to another version,
its counters say nothing until the proxies have surely taken the change over.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from recsys_operator.adapters.metrics.prometheus_text import samples_of
from recsys_operator.resources.kinds import Manifest
from recsys_operator.resources.route import backend_versions, request_seconds

__all__ = [
    "BackendCounts", "GatewayIncrements", "Page", "Position", "Route", "RoutePositions", "backends_of_page",
    "statistics_path",
]  # fmt: skip

SETTLE_SECONDS = 0.5
"""More than the time until a proxy has a new route (0.01 s measured); to it comes the longest request in flight."""
_BY_CLASS = "envoy_cluster_upstream_rq_xx"
_CLUSTER = re.compile(r"httproute/([^/]+)/([^/]+)/rule/(\d+)(?:/backend/(\d+))?$")
MANY_ROUTES = 16

Route = tuple[str, str]
"""(namespace, name)."""
Position = tuple[int, int]
"""(rule, backend)."""


@dataclass(frozen=True)
class BackendCounts:
    """Completed requests, and those that ended in 5xx: Envoy counts resets (503) and timeouts (504) there too."""

    requests: int = 0
    bad: int = 0

    def __add__(self, other: "BackendCounts") -> "BackendCounts":
        return BackendCounts(self.requests + other.requests, self.bad + other.bad)

    def __sub__(self, other: "BackendCounts") -> "BackendCounts":
        return BackendCounts(self.requests - other.requests, self.bad - other.bad)


Page = dict[Route, dict[Position, BackendCounts]]
"""What one proxy counted, or what that grew by."""


def statistics_path(routes: Iterable[Route]) -> str:
    """Path and query of the statistics of some routes: the proxy filters, so that little is sent and parsed."""
    names = sorted({re.escape(f"{namespace}/{route}") for namespace, route in routes})
    chosen = "[^.]*" if len(names) > MANY_ROUTES else "(" + "|".join(names) + ")/[^.]*"
    query = f"^cluster\\.httproute/{chosen}\\.upstream_rq_[1-5]xx$"
    return "/stats/prometheus?usedonly&filter=" + re.sub(r"[^A-Za-z0-9._/-]", lambda m: f"%{ord(m[0]):02X}", query)


def backends_of_page(text: str) -> Page:
    """Counts by route and position.

    Raises:
        ValueError: a value is not a count.
    """
    page: Page = {}
    for _, labels, value in samples_of(text, (_BY_CLASS,)):
        key = _position(labels.get("envoy_cluster_name", ""))
        if key is None:
            continue
        if not 0 <= value < 2**63:
            raise ValueError(f"{_BY_CLASS}{labels} is {value}, which is not a count")
        route, position = key
        bad = int(value) if labels.get("envoy_response_code_class") == "5" else 0
        backends = page.setdefault(route, {})
        backends[position] = backends.get(position, BackendCounts()) + BackendCounts(int(value), bad)
    return page


@lru_cache(maxsize=16384)
def _position(cluster: str) -> tuple[Route, Position] | None:
    match = _CLUSTER.match(cluster)
    return ((match[1], match[2]), (int(match[3]), int(match[4] or 0))) if match else None


class GatewayIncrements:
    """What each proxy counted since its last page. A proxy that is seen for the first time is a baseline."""

    def __init__(self) -> None:
        self._last: dict[str, Page] = {}

    def advance(self, pages: Mapping[str, Page | None]) -> dict[str, Page | None]:
        """Increments by proxy; None where one is new, was reset or could not be read: nothing is known of it then.

        Args:
            pages: by uid of the proxy's pod (and restarts), every proxy that is there; None: it was not read, and what
                it counts meanwhile cannot be told from what the route sent elsewhere before.
        """
        found = {uid: self._advance(uid, page) for uid, page in pages.items()}
        self._last = {uid: page for uid, page in pages.items() if page is not None}
        return found

    def _advance(self, uid: str, page: Page | None) -> Page | None:
        before = self._last.get(uid)
        if page is None or before is None:
            return None
        # a series is absent until its first use, so an unknown one started at 0
        grown = {
            route: {
                position: count - before.get(route, {}).get(position, BackendCounts())
                for position, count in backends.items()
            }
            for route, backends in page.items()
        }
        deltas = [delta for backends in grown.values() for delta in backends.values()]
        return grown if all(delta.requests >= 0 and delta.bad >= 0 for delta in deltas) else None


class RoutePositions:
    """Which version each position of one route is, and which positions changed hands a moment ago."""

    def __init__(self) -> None:
        self._versions: dict[Position, str] = {}
        self._unsure: dict[str, float] = {}
        """Version -> until when its counts mix with another version's."""
        self._request_seconds = 0.0
        """Of the route before: its requests are counted where they began, when they are answered or cut."""

    def observe(self, route: Manifest | None, now: float) -> None:
        """Take over the route as it is now."""
        current = backend_versions(route) if route is not None else {}
        sure_at = now + SETTLE_SECONDS + self._request_seconds
        for position, version in current.items():
            before = self._versions.get(position, version)
            if before != version:
                self._unsure |= {before: sure_at, version: sure_at}
        self._versions |= current
        self._unsure = {version: until for version, until in self._unsure.items() if until > now}
        self._current = current
        if route is not None:
            self._request_seconds = request_seconds(route)

    def count(self, version: str, increments: Mapping[Position, BackendCounts]) -> BackendCounts | None:
        """What a version got, or None while its positions are not surely its own."""
        if version in self._unsure:
            return None
        total = BackendCounts()
        for position, counts in increments.items():
            if self._current.get(position) == version:
                total += counts
        return total
