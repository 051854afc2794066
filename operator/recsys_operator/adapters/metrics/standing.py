"""Where counters stand up to which everything is in the seconds: what the next process reads on from (docs/adr/0013)."""

from collections.abc import Iterable, Mapping

from recsys_operator.adapters.metrics.gateway import BackendCounts, Page, Position, Route, RoutePositions
from recsys_operator.adapters.metrics.pods import PodIncrements
from recsys_operator.core.counters import GatewayCounters, GatewayStanding, PodCounters
from recsys_operator.core.world import PodView

__all__ = ["pods_standing", "proxies_standing"]


def pods_standing(
    versions: Iterable[str], pods: Iterable[PodView], increments: PodIncrements
) -> dict[str, dict[str, PodCounters | None]]:
    """Of every pod that serves, or was read, by version and uid."""
    found: dict[str, dict[str, PodCounters | None]] = {version: {} for version in versions}
    for pod in pods:
        counters = increments.standing(pod.uid)
        if pod.version in found and (pod.ready or counters is not None):
            found[pod.version][pod.uid] = counters
    return found


def proxies_standing(
    versions: Iterable[str], pages: Mapping[str, Page | None], key: Route, generation: int, positions: RoutePositions
) -> GatewayStanding | None:
    """Of every version whose positions are surely its own; None where a proxy could not be read, or there is none."""
    read = {uid: page.get(key, {}) for uid, page in pages.items() if page is not None}
    if not read or len(read) < len(pages):
        return None
    wanted = tuple(versions)
    return GatewayStanding(generation, {uid: _counts(wanted, found, positions) for uid, found in read.items()})


def _counts(
    versions: tuple[str, ...], found: Mapping[Position, BackendCounts], positions: RoutePositions
) -> dict[str, GatewayCounters]:
    counts = {version: positions.count(version, found) for version in versions}
    return {
        version: GatewayCounters(count.requests, count.bad) for version, count in counts.items() if count is not None
    }
