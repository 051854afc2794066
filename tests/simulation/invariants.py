"""The invariants of the rollout, asserted after every act. The numbers are those of the rollout page, section 6."""

from dataclasses import dataclass, field

from tests.simulation.cluster import Cluster
from tests.simulation.hands import taken
from tests.simulation.waits import Waits

from recsys_api.model_version import ModelVersionStatus
from recsys_operator.core import decision as acts
from recsys_operator.core.rollout_state import read_state
from recsys_operator.core.world import RouteIntent, VersionView, World

TIMED = frozenset(
    {"NoData", "MetricsUnavailable", "Undecided", "ApprovalRequired", "TooFewSamples", "Scaling", "RouteNotAccepted"}
)
"""Ends that time alone brings."""
UNANSWERED_SECONDS = 10
"""A version that was deleted has lost its users after this long, if another one is ready."""
ROLLING = ("Canary", "Baking")
LOADED = ("Stable", "Previous", "Canary", "Baking")
OUTAGE_SECONDS = 15.0
"""An outage of the metrics is known after this long."""


@dataclass
class Invariants:
    """What has to be remembered to judge the next act."""

    cluster: Cluster
    outage_since: float | None = None
    blind_since: dict[str, float] = field(default_factory=dict)
    """Version -> since when its pods cannot be scraped."""
    promoted: set[str] = field(default_factory=set)
    """Versions that a Promote action named."""
    condemned: set[str] = field(default_factory=set)
    """Versions that were rolled back and not retried."""
    lowered: dict[str, int] = field(default_factory=dict)
    """uid -> segment of the last intent under which a version lost users."""
    waits: Waits | None = None
    """Where they can be told to the second."""
    deleted: set[str] = field(default_factory=set)
    """Versions that a person deleted: the route may speak of them until the operator has seen it."""
    by_hand: bool = False
    """The weights are a person's, until the operator has written the route again."""
    unanswered: int = 0
    """For how many seconds users have been sent to a version that was deleted though another one was ready."""
    requests: dict[str, set[str]] = field(default_factory=dict)
    """Versions that each Rollback request took the users of."""
    asked: dict[str, str] = field(default_factory=dict)
    """Rollback request that names no version -> the canary that its author saw; empty where there was none."""
    phases: dict[str, str] = field(default_factory=dict)
    """Version -> its phase after the last act."""
    latest: dict[str, str] = field(default_factory=dict)
    """Phase -> the version that came to it last, whatever clocks said."""

    def before(self, act: acts.Act, world: World, *, stale_model: bool = False) -> None:
        """Judge an act on the real state, whatever the decision was based on; the executor reads the model live."""
        if isinstance(act, acts.RecordVersion):
            self._stable_is_earned(act)
            self._step_was_left(act)
            self._raise_is_allowed(act, world)
            self._request_is_done_once(act)
            self._is_no_deadline_of_a_person(act, world)
            self._latest_stays(act)
            self._serves_on(act)
            if self.waits is not None:
                self.waits.before(act)
        if isinstance(act, acts.EnsureRoute):
            assert not taken(world.model, world.route), "a route that a person has is written"
        if isinstance(act, acts.DeleteObject) and act.kind == "Serving" and not stale_model:
            self._teardown_is_safe(act)
        if isinstance(act, acts.DeleteObject) and act.kind == "ModelVersion":
            version = self.cluster.versions.get(act.name)
            assert version is None or not version.status.quarantined, "a record of a rollback is never forgotten"

    def raised(self, act: acts.EnsureRoute, before: RouteIntent | None) -> None:
        """1 and 10: weight grows only on versions whose pods are ready, live."""
        segment = act.decision["segment"]
        assert isinstance(segment, int)
        candidate = act.intent.candidate
        self.by_hand = False
        if candidate and before is not None and act.intent.of(candidate) > before.of(candidate):
            known = self.lowered.get(self._uid(candidate), -1)
            assert segment > known, f"{candidate} was lowered in segment {known} and is raised in segment {segment}"
        if before is not None and before.candidate and act.intent.of(before.candidate) < before.weight:
            self.lower(before.candidate)
        for version in (act.intent.stable, act.intent.candidate):
            grows = version and act.intent.of(version) > (before.of(version) if before is not None else 0)
            if grows and act.raises:
                assert self.cluster.ready(version) > 0, f"weight on {version} without a ready pod"
            if grows:
                fallback = version == act.intent.stable
                assert act.raises or fallback, f"{version} is raised without a live read"

    def lower(self, name: str) -> None:
        """A version loses users, by the operator or by hand: only a newer intent may give it any again."""
        version = self.cluster.versions.get(name)
        state = read_state(version.status) if version is not None else None
        if state is not None:
            self.lowered[self._uid(name)] = max(state.segment, self.lowered.get(self._uid(name), -1))

    def _uid(self, name: str) -> str:
        version = self.cluster.versions.get(name)
        return version.uid if version is not None else ""

    def after(self) -> None:
        """The state after an act."""
        versions = self.cluster.versions
        self._note_phases()
        route = self.cluster.route
        for version in versions.values():
            if version.status.quarantined:
                self.condemned.add(version.name)
            else:
                self.condemned.discard(version.name)
        if route is None:
            return
        assert 0 <= route.intent.weight <= 100
        assert route.intent.stable in {*versions, *self.deleted}, "1: stable has no record"
        for name in self.condemned if not self.by_hand else ():
            assert self.cluster.weight(name) == 0, (
                f"2: {name} was rolled back and has weight {self.cluster.weight(name)}"
            )
        with_weight = [v for v in versions.values() if v.status.phase in ROLLING and self._intent(v) > 0]
        assert len(with_weight) <= 1, "6: two canaries"
        owned = [v.spec.spec_hash for v in versions.values() if v.spec.trigger == "spec"]
        assert len(owned) == len(set(owned)), "10: two versions of one spec"

    def check_answers(self, *, idle: bool) -> None:
        """1: after a second; `idle` where nobody can do anything about it."""
        route = self.cluster.route
        sent = route is not None and any(
            self.cluster.weight(n) and n not in self.cluster.versions for n in self.deleted
        )
        # users are sent to no version that has failed but by a person, who is told
        others = [
            v
            for v in self.cluster.versions.values()
            if v.status.phase in LOADED and self.cluster.ready(v.name) and v.status.reason != "NothingToFallBackTo"
        ]
        self.unanswered = self.unanswered + 1 if sent and others and not idle else 0
        assert self.unanswered < UNANSWERED_SECONDS, (
            f"1: users are with a deleted version, though {others[0].name} is ready"
        )

    def _note_phases(self) -> None:
        phases = {version.name: version.status.phase for version in self.cluster.versions.values()}
        self.latest |= {phase: name for name, phase in phases.items() if self.phases.get(name) != phase}
        self.phases = phases

    def _latest_stays(self, act: acts.RecordVersion) -> None:
        """5: of two that a crash or an old cache left in one phase, the older one goes."""
        version = self.cluster.versions.get(act.name)
        if version is None or version.resource_version != act.resource_version:
            return
        before, after = version.status.phase, act.status.phase
        if (before, after) in (("Stable", "Previous"), ("Previous", "Retired")):
            others = [v.name for v in self.cluster.versions.values() if v.status.phase == before and v.name != act.name]
            assert not others or self.latest.get(before) != act.name, f"5: {act.name} is newer than {others} and goes"

    def _serves_on(self, act: acts.RecordVersion) -> None:
        """4: no Job ends a version that has users, or would have them back."""
        version = self.cluster.versions.get(act.name)
        if version is not None and version.status.phase in LOADED:
            assert act.status.phase not in ("Failed", "Invalid", "Rejected"), (
                f"4: {act.name} ends as {act.status.phase}"
            )

    def _is_no_deadline_of_a_person(self, act: acts.RecordVersion, world: World) -> None:
        """Nothing ends by its time while a person has the route."""
        version = self.cluster.versions.get(act.name)
        ends = version is not None and version.status.phase in ROLLING and act.status.phase == "RolledBack"
        assert not (taken(world.model, world.route) and ends and act.status.reason in TIMED), (
            f"{act.name} ends as {act.status.reason} by itself"
        )

    def _stable_is_earned(self, act: acts.RecordVersion) -> None:
        version = self.cluster.versions.get(act.name)
        if version is None or version.resource_version != act.resource_version:
            return
        if act.status.phase != "Stable" or version.status.phase == "Stable":
            return
        if version.status.phase in ROLLING and act.status.reason != "Pinned":
            self._bake_was_left(version, act.status)
        if version.status.phase == "Warming":
            others = [v for v in self.cluster.versions.values() if v.status.phase == "Stable"]
            assert act.status.reason in ("Pinned", "FirstVersion"), act.status.reason
            assert act.status.reason == "Pinned" or not others, "3: no canary before Stable"

    def _step_was_left(self, act: acts.RecordVersion) -> None:
        version = self.cluster.versions.get(act.name)
        after, before = read_state(act.status), read_state(version.status) if version is not None else None
        if after is None or before is None or len(after.left) <= len(before.left):
            return
        unread = [at for at in (self.outage_since, self.blind_since.get(act.name)) if at is not None]
        blind = bool(unread) and self.cluster.now - min(unread) > OUTAGE_SECONDS
        assert not blind or after.left[-1].by == "Promote", "7: a step was left in an outage of the metrics"

    def _raise_is_allowed(self, act: acts.RecordVersion, world: World) -> None:
        """A pause holds, also while nobody can read whether there is one."""
        version = next((v for v in world.versions if v.name == act.name), None)
        after, before = read_state(act.status), read_state(version.status) if version is not None else None
        if after is None or world.model is None or after.weight <= (before.weight if before is not None else 0):
            return
        spec = world.model.spec
        if act.status.reason == "StableGone":
            # nothing else could answer: no pause keeps users from getting an answer
            return
        assert spec is not None, f"{act.name} is raised under a spec that cannot be read"
        paused = spec.suspend or spec.rollout.paused or world.model.status.paused_by
        assert not paused, f"{act.name} is raised in a pause"

    def _request_is_done_once(self, act: acts.RecordVersion) -> None:
        """11, and nothing more than what was asked for."""
        done = next((c.message for c in act.status.conditions if c.type == "Requested" and c.reason == "Rollback"), "")
        if done and act.status.phase == "RolledBack":
            self.requests.setdefault(done, set()).add(act.name)
            assert len(self.requests[done]) == 1, f"11: one request took the users of {self.requests[done]}"
            self._is_what_was_meant(act, self.asked.get(done, ""))

    def _is_what_was_meant(self, act: acts.RecordVersion, canary: str) -> None:
        """Who saw a canary did not ask for stable."""
        version = self.cluster.versions.get(act.name)
        if version is None or version.resource_version != act.resource_version or canary not in self.cluster.versions:
            return
        meant = act.name == canary or version.status.phase in ROLLING
        assert meant, f"11: a rollback that was asked of {canary} took the users of {act.name}"

    def _bake_was_left(self, version: VersionView, status: ModelVersionStatus) -> None:
        state = read_state(status)
        assert state is not None
        assert state.left, "3: nothing says why it became stable"
        by = state.left[-1].by
        allowed = {
            "Pass": True, "Promote": version.name in self.promoted,
            "Undecided": state.policy.on_undecided_final == "Advance",
            "HoldLimit": state.policy.on_hold_limit == "Advance",
        }  # fmt: skip
        assert allowed[by], f"3: {version.name} became stable by {by}"

    def _teardown_is_safe(self, act: acts.DeleteObject) -> None:
        version = self.cluster.versions.get(act.name)
        if version is None or self.cluster.model is None:
            return
        live = self.cluster.serving.get(act.name)
        if live is None or live.resource_version != act.resource_version:
            return
        if act.version_resource_version not in ("", version.resource_version):
            return
        assert version.status.phase not in LOADED, f"4: {act.name} is {version.status.phase} and torn down"

    def _intent(self, version: VersionView) -> int:
        state = read_state(version.status)
        return state.weight if state is not None else 0
