"""How long versions have waited for what, while an operator was there and something might have been raised: no limit may
count more than that, whatever the operator's clock says."""

from dataclasses import dataclass, field

from tests.simulation.cluster import Cluster

from recsys_api.recommender_model import RecommenderModelSpec
from recsys_operator.core import decision as acts
from recsys_operator.core import windows
from recsys_operator.core.attendance import BOUND_SECONDS
from recsys_operator.core.rollout_state import read_state
from recsys_operator.core.world import VersionView

SLACK_SECONDS = 2.0
HELD = "not over after"
"""Of the message with which a hold ends."""
ON_THE_WAY = ("Warming", "Canary", "Baking", "parked")
READY, UNREADY = "ready", "not ready"


@dataclass
class Waits:
    """Asserts 9, where neither crashes nor old caches hide what an operator could have known."""

    cluster: Cluster
    promoted: set[str]
    """Versions that a Promote named: windows do not stop them."""
    seconds: dict[str, tuple[str, dict[str, float]]] = field(default_factory=dict)
    """Version -> what it waits for, and how many seconds count, by name: not ready begins anew, ready goes on."""
    away: float = 0.0
    """For how long no operator has been there."""
    short: float = 0.0
    """Seconds of absences that are too short to be one."""

    def count(self, *, down: bool) -> None:
        """One more second; in doubt it counts, as a window by a clock that is set."""
        if down:
            self.away += 1.0
            return
        self.short += self.away if self.away <= BOUND_SECONDS else 0.0
        self.away = 0.0
        spec = self._spec
        closed = spec is not None and windows.closed(spec.rollout.windows, self.cluster.now) is not None
        closed = closed and not self.cluster.skew
        for version in self.cluster.versions.values():
            what, (last, counted) = self._what(version), self.seconds.get(version.name, ("", {}))
            known, names = counted if what == last else {}, self._names(version, what)
            if UNREADY not in names:
                known = {name: seconds for name, seconds in known.items() if name != UNREADY}
            second = 0.0 if self._is_stopped(version, closed) else 1.0
            self.seconds[version.name] = what, known | {name: known.get(name, 0.0) + second for name in names}

    def has_waited(self, seconds: float) -> bool:
        """Whether a version on its way has waited for so many seconds that count, and no more."""
        return any(
            seconds in counted.values() for what, counted in self.seconds.values() if what.startswith(ON_THE_WAY)
        )

    def before(self, act: acts.Act) -> None:
        """A limit that ends a version was reached by what counts."""
        version = self.cluster.versions.get(getattr(act, "name", ""))
        if version is None or not isinstance(act, acts.RecordVersion):
            return
        what, counted = self.seconds.get(version.name, ("", {}))
        name, limit = self._limit(version, act) or (what, 0.0)
        assert counted.get(name, 0.0) >= limit - SLACK_SECONDS - self.short, (
            f"9: {version.name} ends as {act.status.phase} ({act.status.reason}) after {counted} of {limit} s of {name}"
        )

    def _limit(self, version: VersionView, act: acts.RecordVersion) -> tuple[str, float] | None:
        """What has lasted for too long, and how long it may."""
        state, spec, after = read_state(version.status), self._spec, read_state(act.status)
        if state is None or spec is None:
            return None
        what = self._what(version)
        left = after is not None and len(after.left) > len(state.left) and after.left[-1].by == "Undecided"
        ended = (act.status.phase, act.status.reason) == ("RolledBack", "Undecided") and HELD not in act.status.message
        if (left or ended) and state.current is not None:
            baking = version.status.phase == "Baking"
            return what, state.policy.bake_seconds if baking else state.current.max_seconds
        if version.status.phase == act.status.phase:
            return None
        if HELD in act.status.message and version.status.phase in ("Canary", "Baking"):
            return what, state.policy.hold_limit_seconds
        watch = state.policy.hold_limit_seconds + state.policy.stable_health_seconds
        if (act.status.phase, act.status.reason) == ("Superseded", "StableUnhealthy"):
            return READY, watch
        if (act.status.phase, act.status.reason) == ("Failed", "NotReadyInTime"):
            return UNREADY, spec.serving.ready_deadline_seconds
        return (what, watch) if act.status.phase == "RolledBack" and "not well again" in act.status.message else None

    def _what(self, version: VersionView) -> str:
        state = read_state(version.status)
        waits = f"{version.status.phase} {state.segment}" if state is not None else version.status.phase
        return "parked" if state is not None and state.parked else waits

    def _names(self, version: VersionView, what: str) -> tuple[str, ...]:
        """Of what it waits for: where some of its pods are ready, they may be enough for its first weight or not."""
        if version.status.phase != "Warming":
            return (what,)
        serving, ready = self.cluster.serving.get(version.name), self.cluster.ready(version.name)
        names = (UNREADY,) if serving is None or ready < serving.replicas else ()
        return (*names, READY) if ready else names

    def _is_stopped(self, version: VersionView, closed: bool) -> bool:
        model, spec, state = self.cluster.model, self._spec, read_state(version.status)
        if model is None or spec is None or spec.rollout.pinned_version or model.status.pinned is not None:
            return False
        if version.status.phase in ("Canary", "Baking") and not (state is not None and state.parked):
            # the time of a step runs on in a pause
            return False
        if self.cluster.route_is_taken:
            return True
        if spec.suspend or spec.rollout.paused or model.status.paused_by or self.cluster.paused:
            return True
        return closed and version.name not in self.promoted

    @property
    def _spec(self) -> RecommenderModelSpec | None:
        return self.cluster.model.spec if self.cluster.model is not None else None
