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
READY, UNREADY = "Warming, ready", "Warming, not ready"


@dataclass
class Waits:
    """Asserts 9, where neither crashes nor old caches hide what an operator could have known."""

    cluster: Cluster
    promoted: set[str]
    """Versions that a Promote named: windows do not stop them."""
    seconds: dict[str, tuple[str, dict[str, float]]] = field(default_factory=dict)
    """Version -> what it waits for, and how many seconds of what count: not ready begins anew, ready goes on."""
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
            known = counted if what == last or {what, last} == {READY, UNREADY} else {}
            before = 0.0 if what != last and what != READY else known.get(what, 0.0)
            self.seconds[version.name] = what, {**known, what: before + (not self._is_stopped(version, closed))}

    def before(self, act: acts.Act) -> None:
        """A limit that ends a version was reached by what counts."""
        version = self.cluster.versions.get(getattr(act, "name", ""))
        if version is None or not isinstance(act, acts.RecordVersion):
            return
        limit = self._limit(version, act)
        what, counted = self.seconds.get(version.name, ("", {}))
        assert limit is None or counted.get(what, 0.0) >= limit - SLACK_SECONDS - self.short, (
            f"9: {version.name} ends as {act.status.phase} ({act.status.reason}) after {counted} of {limit} s of {what}"
        )

    def _limit(self, version: VersionView, act: acts.RecordVersion) -> float | None:
        state, spec, after = read_state(version.status), self._spec, read_state(act.status)
        if state is None or spec is None:
            return None
        undecided = after is not None and len(after.left) > len(state.left) and after.left[-1].by == "Undecided"
        if undecided and state.current is not None:
            return state.policy.bake_seconds if version.status.phase == "Baking" else state.current.max_seconds
        if version.status.phase == act.status.phase:
            return None
        if HELD in act.status.message and version.status.phase in ("Canary", "Baking"):
            return state.policy.hold_limit_seconds
        watch = state.policy.hold_limit_seconds + state.policy.stable_health_seconds
        if (act.status.phase, act.status.reason) == ("Superseded", "StableUnhealthy"):
            return watch
        if (act.status.phase, act.status.reason) == ("Failed", "NotReadyInTime"):
            return spec.serving.ready_deadline_seconds
        return watch if act.status.phase == "RolledBack" and "not well again" in act.status.message else None

    def _what(self, version: VersionView) -> str:
        state = read_state(version.status)
        if version.status.phase != "Warming":
            waits = f"{version.status.phase} {state.segment}" if state is not None else version.status.phase
            return "parked" if state is not None and state.parked else waits
        serving = self.cluster.serving.get(version.name)
        ready = serving is not None and self.cluster.ready(version.name) >= serving.replicas
        return READY if ready else UNREADY

    def _is_stopped(self, version: VersionView, closed: bool) -> bool:
        model, spec, state = self.cluster.model, self._spec, read_state(version.status)
        if model is None or spec is None or spec.rollout.pinned_version or model.status.pinned is not None:
            return False
        if version.status.phase in ("Canary", "Baking") and not (state is not None and state.parked):
            # the time of a step runs on in a pause
            return False
        if self.cluster.route is not None and self.cluster.route.unmanaged:
            return True
        if spec.suspend or spec.rollout.paused or model.status.paused_by or self.cluster.paused:
            return True
        return closed and version.name not in self.promoted

    @property
    def _spec(self) -> RecommenderModelSpec | None:
        return self.cluster.model.spec if self.cluster.model is not None else None
