"""The objects of a cluster in memory, and what is read of them, as fresh or as stale as it is asked for."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from tests.simulation.meters import Meters

from recsys_operator.core import decision as acts
from recsys_operator.core.samples import VersionSecond
from recsys_operator.core.world import (
    ActionView,
    JobView,
    ModelView,
    PodView,
    RouteIntent,
    RouteView,
    ServingView,
    VersionView,
    World,
)

NAMESPACE, NAME = "shop", "movies"
KEPT_SECONDS = 120.0


@dataclass
class Quality:
    """What a version is like, once it serves or is trained."""

    bad: float = 0.0
    slow: float = 0.0
    fallback: float = 0.0
    never_ready: bool = False
    crashes: float = 0.0
    """Chance per second that a pod restarts."""
    gate: str = "Pass"
    failure: str = ""
    """Of the training Job: oom, killed, diverged, data, deadline, silent."""


@dataclass
class State:
    """The state, and what has happened to it."""

    random: Random
    now: float = 1_800_000_000.0
    skew: float = 0.0
    """What the clock of the operator's node is ahead of the API server's."""
    model: ModelView | None = None
    versions: dict[str, VersionView] = field(default_factory=dict)
    actions: dict[str, ActionView] = field(default_factory=dict)
    jobs: dict[str, JobView] = field(default_factory=dict)
    serving: dict[str, ServingView] = field(default_factory=dict)
    pods: dict[str, PodView] = field(default_factory=dict)
    route: RouteView | None = None
    keys: bool = False
    stable_service: str | None = None
    seconds: deque[VersionSecond] = field(default_factory=deque)
    sampled: tuple[str, ...] = ()
    samples_since: float | None = None
    renewed_at: float | None = None
    """What the Lease says: when an operator was there, on its clock."""
    attended_until: float | None = None
    """What it said when the present process took it."""
    meters: Meters = field(default_factory=Meters)
    generation: int = 0
    """Of the HTTPRoute."""
    qualities: dict[str, Quality] = field(default_factory=dict)
    outage: bool = False
    lost_data: bool = False
    """What evaluations read is out of reach: their Jobs fail."""
    blind: set[str] = field(default_factory=set)
    """Versions whose pods cannot be scraped."""
    unread: dict[str, float] = field(default_factory=dict)
    """Version -> requests of its pods that nobody will read."""
    gateway: bool = True
    """Its statistics can be read."""
    rate: float = 40.0
    paused: bool = False
    events: list[acts.Announce] = field(default_factory=list)
    history: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=6))
    accepted_at: float = 0.0
    counter: int = 0

    @property
    def clock(self) -> float:
        """What the operator takes for now."""
        return self.now + self.skew

    def snapshot(self) -> dict[str, Any]:
        """The objects as they are."""
        return {
            "model": self.model, "versions": tuple(self.versions.values()), "actions": tuple(self.actions.values()),
            "jobs": tuple(self.jobs.values()), "serving": self._serving_views(), "pods": tuple(self.pods.values()),
            "route": self._route_view(), "keys_secret": self.keys,
            "stable_service": self.stable_service,
        }  # fmt: skip

    def observe(self, stale: Mapping[str, int] | None = None) -> World:
        """A world; `stale` names kinds that are read from so many snapshots ago."""
        seen = self.snapshot()
        for kind, back in (stale or {}).items():
            if back <= len(self.history):
                seen[kind] = self.history[-back][kind]
        return World(
            NAMESPACE, NAME, **seen, seconds=tuple(self.seconds), samples_since=self.samples_since,
            begun=self.meters.begun, standing=self.meters.standing,
            rollouts_paused=self.paused, serving_image="serving:1", attended_until=self.attended_until,
            monotonic=self.now,
        )  # fmt: skip

    def ready(self, version: str) -> int:
        """Ready pods, live."""
        return sum(pod.ready for pod in self.pods.values() if pod.version == version)

    def weight(self, version: str) -> int:
        """What the route gives, live."""
        return self.route.intent.of(version) if self.route is not None else 0

    def _serving_views(self) -> dict[str, ServingView]:
        return {name: replace(view, ready=self.ready(name)) for name, view in self.serving.items()}

    def _route_view(self) -> RouteView | None:
        return replace(self.route, accepted=self.now >= self.accepted_at) if self.route is not None else None

    def _set_route(self, intent: RouteIntent, decision: Mapping[str, object]) -> None:
        uid = self.route.uid if self.route is not None else self._uid("route")
        self.accepted_at = self.now + 1.0
        if self.route is None or self.route.intent != intent:
            self.generation += 1
        self.route = RouteView(uid, self._rv(), intent, dict(decision), accepted=False)

    def _rv(self) -> str:
        self.counter += 1
        return str(self.counter)

    def _uid(self, kind: str) -> str:
        self.counter += 1
        return f"{kind}-{self.counter}"
