"""The pod's metrics, exactly docs/contracts.md section 7, in a registry of their own."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from recsys_api import telemetry

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = tuple(bound / 1000 for bound in telemetry.LATENCY_BUCKETS_MILLISECONDS)
_REASONS = ("None", "UnknownUser", "NoHistory", *telemetry.BAD_FALLBACKS)
OTHER_SOURCE = "None"
"""The source of a request that was refused (4xx) or failed (5xx)."""


class _Restarts(Collector):
    """Reads the supervisor's file at scrape time; the supervisor lives in another container."""

    def __init__(self, path: Path, version: str) -> None:
        self._path, self._version = path, version

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(telemetry.TRITON_RESTARTS, "Restarts of tritonserver", labels=["version"])
        family.add_metric([self._version], read_restarts(self._path))
        yield family


def read_restarts(path: Path) -> int:
    """Restarts that the supervisor recorded; 0 where it has not written yet."""
    try:
        return int(json.loads(path.read_text())["restarts"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


class ServingMetrics:
    """Counters of one version's pod; every series that the operator compares exists from the start."""

    def __init__(self, *, version: str, digest: str, supervisor_file: Path, now: Callable[[], float]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._version = version
        requests_labels = ["version", "source", "fallback_reason", "code"]
        self._requests = self._counter(telemetry.REQUESTS, "Answered recommend requests", requests_labels)
        self._seconds = Histogram(
            telemetry.REQUEST_SECONDS,
            "Seconds to an answer; a cut by deadline counts as Model",
            ["version", "source"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._mismatches = self._counter(telemetry.BUCKET_MISMATCH, "Header contradicts the body's user", ["version"])
        self._left = self._counter(
            "recsys_callers_left", "Callers who left before their answer", ["version", "counted"]
        )
        self._exposures = self._counter(telemetry.EXPOSURES, "Views by attribution token", ["version"])
        self._clicks = self._counter(telemetry.CLICKS, "Clicks by attribution token", ["version"])
        self._dropped = self._counter(telemetry.EVENTS_DROPPED, "Events that do not count", ["version", "reason"])
        self._gauge("recsys_artifact_info", "Served artifact", ["version", "digest"]).labels(version, digest).set(1)
        started = self._gauge(telemetry.PROCESS_START_SECONDS, "Start, seconds since the epoch", ["version"])
        started.labels(version).set(now())
        self.registry.register(_Restarts(supervisor_file, version))
        self._create_series()

    def _counter(self, name: str, text: str, labels: list[str]) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, labels: list[str]) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _create_series(self) -> None:
        for reason in ("None", "UnknownUser"):
            self._requests.labels(self._version, "Model", reason, "200")
        for reason in _REASONS[1:]:
            self._requests.labels(self._version, "Popularity", reason, "200")
        for source in ("Model", "Popularity"):
            self._seconds.labels(self._version, source)
        for counted in ("true", "false"):
            self._left.labels(self._version, counted)
        for counter in (self._mismatches, self._exposures, self._clicks):
            counter.labels(self._version)

    def count_answer(self, *, source: str, reason: str, seconds: float) -> None:
        """Count a 200."""
        self._requests.labels(self._version, source, reason, "200").inc()
        timed = telemetry.MODEL_SOURCE if reason == "Deadline" else source
        self._seconds.labels(self._version, timed).observe(seconds)

    def count_error(self, code: int) -> None:
        """Count a recommend request that got no items."""
        self._requests.labels(self._version, OTHER_SOURCE, "None", str(code)).inc()

    def count_left(self, *, counted: bool) -> None:
        """Count a caller who left before its answer: `counted` where the answer was computed and is in count_answer."""
        self._left.labels(self._version, str(counted).lower()).inc()

    def count_bucket_mismatch(self) -> None:
        """Count a bucket header that is not the user's."""
        self._mismatches.labels(self._version).inc()

    def count_event(self, kind: str, version: str) -> None:
        """Count an accepted event under the version of its token."""
        if kind == "click":
            self._clicks.labels(version).inc()
        elif kind == "view":
            self._exposures.labels(version).inc()

    def count_dropped(self, version: str, reason: str) -> None:
        """Count an event that does not count."""
        self._dropped.labels(version, reason).inc()

    def render(self) -> bytes:
        """Prometheus text."""
        return generate_latest(self.registry)
