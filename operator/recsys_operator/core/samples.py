"""What the sampler reads each second of a version: the only numbers that a verdict rests on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class VersionSecond:
    """What one version did in one second: increments over all its pods and at the gateway."""

    at: float
    version: str
    pods_expected: int
    """Ready pods at the start of the second."""
    pods_scraped: int
    read_since: float = 0.0
    """When the ready pod that was read least lately was read; 0 where one never was."""
    restarts: int = 0
    """Containers that restarted within the second."""
    answers: int = 0
    """Recommend requests that got items, whatever the source."""
    failures: int = 0
    """Those that a pod failed (5xx)."""
    model_latency: tuple[int, ...] = ()
    """Answers of the model per published bucket (telemetry.LATENCY_BUCKETS_MILLISECONDS), the last one above all bounds."""
    bad_fallbacks: int = 0
    unknown_users: int = 0
    server_restarts: int = 0
    """Restarts of tritonserver in pods that stayed ready, because the API answers by popularity meanwhile."""
    gateway_requests: int | None = None
    """None where the gateway could not be read in this second: no data is not zero."""
    gateway_bad: int | None = None
    """5xx, resets and timeouts seen by the gateway."""
    lost: float = 0.0
    """About how many requests of its pods nobody will read: the pods, or their processes, are gone."""
    errors: tuple[str, ...] = ()
    """Data errors (NaN, negative without reset, duplicate series): never a pass."""
