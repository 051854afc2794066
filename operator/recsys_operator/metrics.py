"""The operator's own metrics. Written after the record that they speak of."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Telemetry"]

_RECONCILE_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0)
_ROLLBACK_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0)
_MODEL = ("namespace", "model")
WEIGHT = "candidate_weight_percent"
"""Name of the candidate's weight among a decision's observations."""


class Telemetry:
    """Everything under /metrics, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self._reconcile = Histogram(
            "recsys_operator_reconcile_seconds", "One pass over one model.", ("result",),
            buckets=_RECONCILE_BUCKETS, registry=registry,
        )  # fmt: skip
        self._rollback = Histogram(
            "recsys_rollback_seconds", "From the pass that found the verdict to weight 0 in the route.",
            buckets=_ROLLBACK_BUCKETS, registry=registry,
        )  # fmt: skip
        self._errors = Counter(
            "recsys_operator_errors",
            "Passes that ended early, or went on without an act.",
            ("reason",),
            registry=registry,
        )
        self._writes = Counter(
            "recsys_operator_api_writes", "Writes that the API server accepted.", ("kind", "verb"), registry=registry
        )
        self._phase = Gauge(
            "recsys_operator_phase",
            "1 for each phase that a version of the model is in.",
            (*_MODEL, "phase"),
            registry=registry,
        )
        self._weight = Gauge(
            "recsys_operator_weight", "Percent of the users at the candidate.", _MODEL, registry=registry
        )
        self._verdicts = Counter("recsys_operator_verdicts", "Verdicts.", (*_MODEL, "verdict"), registry=registry)
        self._others = Gauge(
            "recsys_operator_observation", "Other figures of a decision.", (*_MODEL, "name"), registry=registry
        )
        self._known: set[tuple[str, str]] = set()
        self._phases: dict[tuple[str, str], set[str]] = {}
        self._names: dict[tuple[str, str], set[str]] = {}
        self._said: dict[tuple[str, str], set[str]] = {}
        """Verdicts that were counted."""

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A gauge that is read when somebody asks."""
        Gauge(name, text, registry=self.registry).set_function(read)

    def page(self) -> bytes:
        """The metrics as text."""
        return generate_latest(self.registry)

    def observe_reconcile(self, result: str, seconds: float) -> None:
        """A pass ended (`ok` or `error`)."""
        self._reconcile.labels(result).observe(seconds)

    def observe_rollback(self, seconds: float) -> None:
        """Weight went to 0, this long after the pass had begun that found out why."""
        self._rollback.observe(seconds)

    def observe_error(self, reason: str) -> None:
        """A pass ended early, or went on without an act."""
        self._errors.labels(reason).inc()

    def observe_write(self, kind: str, verb: str) -> None:
        """The API server accepted a write."""
        self._writes.labels(kind, verb).inc()

    def observe_verdict(self, namespace: str, model: str, verdict: str) -> None:
        """A verdict changed the route."""
        self._verdicts.labels(namespace, model, verdict).inc()
        self._said.setdefault((namespace, model), set()).add(verdict)

    def observe_decision(
        self, namespace: str, model: str, observations: Mapping[str, float], phases: Iterable[str]
    ) -> None:
        """Figures of a decision, and the phases that versions of the model are in."""
        key = (namespace, model)
        self._known.add(key)
        now = set(phases)
        for phase in self._phases.get(key, set()) - now:
            self._phase.remove(*key, phase)
        for phase in now:
            self._phase.labels(*key, phase).set(1)
        self._phases[key] = now
        self._weight.labels(*key).set(observations.get(WEIGHT, 0.0))
        for name, value in observations.items():
            if name != WEIGHT:
                self._others.labels(*key, name).set(value)
                self._names.setdefault(key, set()).add(name)

    def forget(self, namespace: str, model: str) -> None:
        """The model is gone: its series end."""
        key = (namespace, model)
        for verdict in self._said.pop(key, ()):
            self._verdicts.remove(*key, verdict)
        if key not in self._known:
            return
        self._known.discard(key)
        self._weight.remove(*key)
        for phase in self._phases.pop(key, ()):
            self._phase.remove(*key, phase)
        for name in self._names.pop(key, ()):
            self._others.remove(*key, name)
