"""What the reconciler needs of the outside, as small protocols; adapters implement them, tests fake them."""

from collections.abc import Mapping
from typing import Protocol

from recsys_operator.core.samples import VersionSecond
from recsys_operator.core.world import PodView, RouteIntent, RouteView
from recsys_operator.resources.kinds import Manifest
from recsys_operator.resources.route import RouteSettings

__all__ = ["Clock", "Cluster", "Manifest", "MetricSource", "PodReader", "TrafficRouter"]


class Clock(Protocol):
    """The time, so that tests own it."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds of a clock that nobody sets."""


class Cluster(Protocol):
    """Writes to and live reads of the API server. Errors: recsys_operator.errors."""

    async def apply(
        self, manifest: Manifest, *, subresource: str = "", resource_version: str = "", manager: str = "recsys-operator"
    ) -> Manifest:
        """Server-side apply with our field manager; Conflict where resource_version is given and stale."""

    async def create(self, manifest: Manifest) -> Manifest:
        """Create; the existing object where the name is taken by one of ours, else AlreadyOwned."""

    async def read(self, kind: str, namespace: str, name: str, *, metadata_only: bool = False) -> Manifest | None:
        """A live read; None where it does not exist."""

    async def delete(self, kind: str, namespace: str, name: str, *, uid: str, resource_version: str) -> bool:
        """Delete with preconditions; False where it is gone or another object by now."""


class PodReader(Protocol):
    """Live pods, for what must not rest on a cache."""

    async def ready_pods(self, namespace: str, version: str) -> tuple[PodView, ...]:
        """Ready, not terminating pods of a version, read live."""


class TrafficRouter(Protocol):
    """One way to split traffic."""

    async def observe_route(self, namespace: str, model: str, settings: RouteSettings | None) -> RouteView | None:
        """The route as it is (cached reads are allowed); None where there is none of ours."""

    async def ensure_route(
        self, namespace: str, model: str, intent: RouteIntent, decision: Mapping[str, object], *,
        settings: RouteSettings | None, raises: bool,
    ) -> bool:  # fmt: skip
        """Write the intent; True when nothing had to be written.

        Weight that rises is written on condition of the route that was seen (Conflict otherwise), weight that falls
        without any condition. `settings` None: those of the existing route. Unmanaged where a person took it over.
        """


class MetricSource(Protocol):
    """Samples of versions."""

    async def sample(self, namespace: str, model: str, versions: tuple[str, ...]) -> tuple[VersionSecond, ...]:
        """What each version did since the last call."""
