"""Counters of serving pods and of the gateway as they stand at one moment; two of them make increments."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from recsys_api.telemetry import LATENCY_BUCKETS_MILLISECONDS

BOUNDS = len(LATENCY_BUCKETS_MILLISECONDS)


@dataclass(frozen=True)
class PodCounters:
    """Counters of one process, or what they grew by."""

    started: float = 0.0
    """recsys_process_start_seconds: another value is another process."""
    answers: int = 0
    """Requests that got items. Those that were refused (4xx) are nobody's harm and would dilute the share of fallbacks."""
    failures: int = 0
    """Requests that the process failed (5xx)."""
    latency: tuple[int, ...] = (0,) * (BOUNDS + 1)
    """Answers of the model per published bucket (not cumulative), the last one above all bounds."""
    bad_fallbacks: int = 0
    unknown_users: int = 0
    server_restarts: int = 0
    """Of tritonserver under its supervisor: the container's own restart count does not tell."""
    errors: tuple[str, ...] = ()

    @property
    def requests(self) -> int:
        """All that were judged, whatever came of them."""
        return self.answers + self.failures

    def since(self, before: "PodCounters") -> "PodCounters":
        """What the same process counted since then; `errors` and nothing else where a counter fell."""
        delta = replace(
            self, answers=self.answers - before.answers, failures=self.failures - before.failures,
            latency=tuple(b - a for a, b in zip(before.latency, self.latency, strict=True)),
            bad_fallbacks=self.bad_fallbacks - before.bad_fallbacks, unknown_users=self.unknown_users - before.unknown_users,
            server_restarts=self.server_restarts - before.server_restarts,
        )  # fmt: skip
        counts = (delta.answers, delta.failures, delta.bad_fallbacks, delta.unknown_users, delta.server_restarts)
        if min(*counts, *delta.latency) < 0:
            return PodCounters(errors=("a counter fell without a restart of its process",))
        return delta


@dataclass(frozen=True)
class GatewayCounters:
    """What one proxy sent to one version: completed requests, and those of them that ended in 5xx."""

    requests: int = 0
    bad: int = 0


@dataclass(frozen=True)
class GatewayStanding:
    """All proxies of a model's Gateway at one moment."""

    generation: int
    """metadata.generation of the HTTPRoute: under another one a proxy's positions may be other versions'."""
    proxies: Mapping[str, Mapping[str, GatewayCounters]]
    """By process of a proxy and version; no version is there whose positions are not surely its own."""


@dataclass(frozen=True)
class Reading:
    """Where the counters stood up to which everything is counted in the seconds."""

    at: float
    """Of the second that it was read in."""
    pods: Mapping[str, Mapping[str, PodCounters | None]] = field(default_factory=dict)
    """By version and pod uid; None where nothing of a pod is counted yet."""
    gateway: GatewayStanding | None = None
    """None where it could not be read."""
    by_gateway: bool = True
    """Availability is counted at a gateway; False where none is read at all."""

    @property
    def says_something(self) -> bool:
        """Whether anything could be read."""
        return self.gateway is not None or any(
            page is not None for pods in self.pods.values() for page in pods.values()
        )
