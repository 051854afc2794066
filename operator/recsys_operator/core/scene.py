"""The world, read the way rules ask: which version is stable, which one is wanted, who is ready.

Everything here is derived and cached for one decision; nothing is decided.
"""

from dataclasses import dataclass, field
from functools import cached_property

from recsys_api.recommender_model import RecommenderModelSpec
from recsys_operator.core import clock, identity, reasons, weights, windows
from recsys_operator.core.analysis.health import Health
from recsys_operator.core.analysis.verdicts import Verdict
from recsys_operator.core.attendance import Gap, after_gap, find_gap
from recsys_operator.core.judgement import judge_candidate
from recsys_operator.core.lineage import newest, passed_gates, rollbacks_in_a_row
from recsys_operator.core.memory import Memory
from recsys_operator.core.pins import Pin, resolve_pin
from recsys_operator.core.rollout_state import RolloutState, read_state
from recsys_operator.core.world import JobView, ModelView, PodView, ServingView, VersionView, World

EARLY = frozenset({"Pending", "Preparing", "Training", "Evaluating"})
ROLLING = frozenset({"Canary", "Baking"})
LOADED = frozenset({"Warming", "Canary", "Baking", "Stable", "Previous"})
NEVER_WANTED = frozenset({"Invalid", "Failed", "Rejected", "NoNewData", "RolledBack"})


@dataclass(frozen=True)
class Stop:
    """Why nothing may be raised."""

    reason: str
    words: str = ""
    """Put before what waits for its end."""


@dataclass(frozen=True)
class Taking:
    """A way for a person to take the route over."""

    what: str
    undo: str


BY_SPEC = Taking("spec.rollout.traffic.management is Manual", "remove spec.rollout.traffic")
BY_ANNOTATION = Taking("the HTTPRoute carries recsys.dev/unmanaged", "remove the annotation recsys.dev/unmanaged")


@dataclass(frozen=True)
class Scene:
    """One decision's view. `model_view` is there: deleted models are handled before."""

    world: World
    now: float
    memory: Memory = field(default_factory=Memory)

    @property
    def model(self) -> ModelView:
        """The RecommenderModel."""
        assert self.world.model is not None
        return self.world.model

    @cached_property
    def versions(self) -> tuple[VersionView, ...]:
        """By number, oldest first; those that are being deleted are gone."""
        return tuple(sorted((v for v in self.world.versions if not v.deleting), key=lambda v: (v.spec.number, v.name)))

    @cached_property
    def spec(self) -> RecommenderModelSpec | None:
        """Today's spec; the newest version's where today's does not parse (rollbacks go on)."""
        if self.model.spec is not None:
            return self.model.spec
        return self.versions[-1].spec.source if self.versions else None

    @cached_property
    def spec_hash(self) -> str:
        """Of today's spec; empty where it does not parse."""
        return identity.spec_hash(self.model.spec) if self.model.spec is not None else ""

    def version(self, name: str) -> VersionView | None:
        """By name."""
        return next((version for version in self.versions if version.name == name), None)

    def state(self, version: VersionView) -> RolloutState | None:
        """Its recorded rollout, with a time that nobody watched taken off what it waits for."""
        key = (version.name, version.status.phase, version.resource_version, id(version.status.rollout))
        if key not in self._states:
            state = read_state(version.status)
            waits = state is not None and version.status.phase in ROLLING | {"Warming"}
            self._states[key] = after_gap(state, self.gap) if state is not None and waits else state
        return self._states[key]

    @cached_property
    def gap(self) -> Gap | None:
        """The time before this pass that nobody watched."""
        return find_gap(self.memory.last_pass, self.world.attended_until, self.world.monotonic, self.now)

    @cached_property
    def _states(self) -> dict[tuple[str, str, str, int], RolloutState | None]:
        return {}

    @cached_property
    def stable(self) -> VersionView | None:
        """The version that became Stable last; between two records there can be two."""
        return newest(v for v in self.versions if v.status.phase == "Stable")

    @cached_property
    def previous(self) -> VersionView | None:
        """The version that a rollback of stable goes back to."""
        return newest(v for v in self.versions if v.status.phase == "Previous" and not v.status.quarantined)

    @cached_property
    def candidate(self) -> VersionView | None:
        """The version in canary or bake."""
        return newest(v for v in self.versions if v.status.phase in ROLLING)

    @cached_property
    def blocked(self) -> bool:
        """Two consecutive rollbacks of the current spec hash: no further automatic rollout until a Retry."""
        return rollbacks_in_a_row(self.versions, self.spec_hash) >= 2

    @cached_property
    def wanted(self) -> VersionView | None:
        """The newest gate-passed, unquarantined version of the current spec hash."""
        own = [v for v in self.versions if v.spec.spec_hash == self.spec_hash and self._eligible(v)]
        return own[-1] if own else None

    @cached_property
    def pin(self) -> Pin | None:
        """The spec's pin wins over an action's."""
        wish = self.model.spec.rollout.pinned_version if self.model.spec is not None else None
        if wish:
            return resolve_pin(self.versions, wish, "Spec")
        pinned = self.model.status.pinned
        if pinned is not None and pinned.source == "Action" and pinned.version:
            return resolve_pin(self.versions, pinned.version, "Action")
        return None

    @cached_property
    def target(self) -> VersionView | None:
        """The version that traffic moves to when it may: the pinned one, else the wanted one."""
        return self.pin.version if self.pin is not None else self.wanted

    @cached_property
    def paused(self) -> str:
        """Why no weight is raised; empty when it may be."""
        spec = self.model.spec
        if spec is not None and spec.suspend:
            return reasons.SUSPENDED
        asked = bool(spec is not None and spec.rollout.paused) or bool(self.model.status.paused_by)
        if asked or self.world.rollouts_paused:
            return reasons.PAUSED
        if self.unmanaged:
            return reasons.UNMANAGED
        # nobody can read whether it pauses, suspends or has windows
        return reasons.INVALID_SPEC if spec is None else ""

    def stop(self, *, by_person: bool = False) -> Stop | None:
        """Why no rollout starts and no weight is raised; a window does not stop a person."""
        if self.paused:
            return Stop(self.paused)
        closed = windows.closed(self.model.spec.rollout.windows, self.now) if self.model.spec is not None else None
        if closed is None or by_person:
            return None
        until = f" until {clock.to_text(closed.until)}" if closed.until is not None else ""
        return Stop(reasons.WINDOW, f"window {closed.name}: closed{until}; ")

    def is_pinned(self, version: VersionView) -> bool:
        """Whether somebody pinned this very version."""
        return self.pin is not None and self.pin.version is not None and self.pin.version.name == version.name

    @property
    def suspended(self) -> str:
        """Why no Job and no rollout starts; empty when they may."""
        if self.model.spec is None:
            return reasons.INVALID_SPEC
        return reasons.SUSPENDED if self.model.spec.suspend else ""

    @property
    def unmanaged(self) -> bool:
        """A person took the route over: observe and alarm only."""
        return bool(self.takings)

    @cached_property
    def takings(self) -> tuple[Taking, ...]:
        """How a person took the route over."""
        route = self.world.route
        said = {BY_SPEC: self.model.manual, BY_ANNOTATION: route is not None and route.unmanaged}
        return tuple(taking for taking, holds in said.items() if holds)

    @property
    def taken(self) -> str:
        """The same for a message, as in "the HTTPRoute carries recsys.dev/unmanaged"."""
        return " and ".join(taking.what for taking in self.takings)

    @property
    def give_back(self) -> str:
        """What a person does to end it."""
        return " and ".join(taking.undo for taking in self.takings)

    @property
    def health(self) -> Health | None:
        """Stable's health."""
        return self.memory.health

    @cached_property
    def verdict(self) -> Verdict:
        """Where the candidate's segment stands; asked for only while it has weight."""
        assert self.candidate is not None
        assert self.memory.evidence is not None
        state = self.state(self.candidate)
        assert state is not None
        return judge_candidate(state, self.memory.evidence, self.now, self.memory.watched_since)

    def ready_pods(self, version: str) -> tuple[PodView, ...]:
        """Pods that can take requests."""
        return tuple(p for p in self.world.pods if p.version == version and p.ready and not p.deleting)

    def pods(self, version: str) -> tuple[PodView, ...]:
        """All pods of a version that stay."""
        return tuple(p for p in self.world.pods if p.version == version and not p.deleting)

    def serving(self, version: str) -> ServingView | None:
        """Deployment of a version."""
        return self.world.serving.get(version)

    def jobs(self, version: str) -> tuple[JobView, ...]:
        """Jobs of a version."""
        return tuple(job for job in self.world.jobs if job.version == version)

    def before_another(self, version: VersionView) -> RolloutState | None:
        """The version's state before another rollout of it; None where there was none yet."""
        state = self.state(version)
        return state.to_begin() if state is not None else None

    @property
    def ready_deadline_seconds(self) -> int:
        """How long pods may take to be ready."""
        return self.spec.serving.ready_deadline_seconds if self.spec is not None else 600

    @cached_property
    def full_replicas(self) -> int:
        """Pods of a version at full weight; with an autoscaler as many as stable has now."""
        if self.model.spec is None:
            return max((view.replicas for view in self.world.serving.values()), default=1)
        serving = self.spec.serving if self.spec is not None else None
        if serving is None:
            return 1
        if serving.autoscaling is None:
            return serving.replicas or 1
        current = self.serving(self.stable.name) if self.stable else None
        return max(serving.autoscaling.min_replicas, current.replicas if current else 0)

    def weight_of(self, version: str) -> int:
        """What the route really gives a version."""
        return self.world.route.intent.of(version) if self.world.route is not None else 0

    def is_ready(self, version: str, replicas: int) -> bool:
        """Whether that many pods of a version are ready."""
        return len(self.ready_pods(version)) >= replicas

    def needed(self, state: RolloutState, weight: int) -> int:
        """Pods that a candidate needs for a weight."""
        return weights.needed_replicas(state.stable_replicas, weight)

    def _eligible(self, version: VersionView) -> bool:
        status = version.status
        if status.quarantined or status.phase in NEVER_WANTED:
            return False
        # gates that changed while it serves are told in status: they hand its users to no older version
        if not passed_gates(version) and status.phase != "Stable":
            return False
        if status.phase == "Superseded" and status.reason in reasons.NOT_WANTED_AGAIN:
            return False
        return not self.blocked or status.phase in ROLLING | {"Stable", "Previous"}
