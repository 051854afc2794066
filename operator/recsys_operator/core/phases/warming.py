"""From gate-passed to the first user: pods, readiness, stable's health.

not the target -> Superseded | not its turn -> wait | template and rollout recorded -> pods -> ready
-> direct (first version, pin): all traffic | promoted -> last step | stable healthy for stableHealthSeconds -> first step
"""

from dataclasses import dataclass
from typing import Any

from recsys_api.model_version import ServingTemplate
from recsys_operator.core import reasons, weights
from recsys_operator.core.analysis.health import GAP_SECONDS
from recsys_operator.core.phases.absence import note_gap
from recsys_operator.core.phases.promotion import make_stable, new_state, start_step, template_of, template_revision
from recsys_operator.core.phases.rollback import fallback_of
from recsys_operator.core.phases.standstill import asked_for, go_on, waited
from recsys_operator.core.phases.subject import is_stable_sick, state_of
from recsys_operator.core.phases.watch import stale
from recsys_operator.core.records import Step, announce, first, keep, move, wait
from recsys_operator.core.rollout_state import Leave, RolloutState
from recsys_operator.core.scene import Scene
from recsys_operator.core.world import VersionView


@dataclass(frozen=True)
class NotNow:
    """Why a version's turn has not come."""

    reason: str
    message: str
    after: float


def decide_warming(scene: Scene, version: VersionView) -> Step:
    """One pass of warming."""
    return first(
        (stale, not_target, note_gap, not_its_turn, begin, not_ready, note_ready, direct, stable_health, go),
        scene,
        version,
    )


def begun(scene: Scene, version: VersionView) -> bool:
    """Whether its pods are wanted."""
    state = scene.state(version)
    return state is not None and state.started_at > 0 and version.status.template is not None


def first_weight(scene: Scene, state: RolloutState) -> int:
    """The weight that its first pods are for."""
    return 100 if scene.stable is None or scene.pin is not None else state.steps[_first_step(state)].weight


def not_target(scene: Scene, version: VersionView) -> Step | None:
    """Something else is wanted by now."""
    target = scene.target
    if scene.model.spec is None or (target is not None and target.name == version.name):
        return None
    reason, message = why_not_wanted(scene, version)
    done = move(scene, version, "Superseded", reason, message)
    return Step((done, announce(version, reason, message)), 1.0)


def not_its_turn(scene: Scene, version: VersionView) -> Step | None:
    """Paused, suspended, a window, or another version is rolled out: what it waits for besides stands still."""
    state = scene.state(version)
    why = turn_of(scene, version, promoted=state is not None and state.promoted)
    running = state if begun(scene, version) else None
    if why is None:
        if running is None or running.stopped_since is None:
            return None
        return Step((keep(version, go_on(scene, running)),), 0.0)
    if running is None or running.stopped_since is not None:
        return wait(scene, version, why.reason, why.message, why.after)
    what = reasons.NOT_READY_YET if running.ready_at is None else reasons.STABLE_HEALTH
    stopped = running.changed(stopped_since=scene.now, hold_reason=what, hold_since=_since(running))
    return Step((move(scene, version, "Warming", why.reason, why.message, state=stopped),), why.after)


def turn_of(scene: Scene, version: VersionView, *, promoted: bool) -> NotNow | None:
    """Why it may not start now; None where it may. No window stops a person."""
    if scene.model.spec is None:
        return NotNow(reasons.INVALID_SPEC, "it starts when the spec is valid again", 60.0)
    pinned = scene.pin is not None
    stop = scene.stop(by_person=pinned or promoted)
    if stop is not None and (scene.suspended or scene.unmanaged or not pinned):
        return NotNow(stop.reason, f"{stop.words}it starts when that is over", 60.0)
    # a pin is the way out for a candidate that nobody could take the users of
    if scene.candidate is not None and (not pinned or fallback_of(scene, scene.candidate)):
        return NotNow(reasons.ANOTHER_ROLLOUT, f"after {scene.candidate.name}", 30.0)
    return None


def begin(scene: Scene, version: VersionView) -> Step | None:
    """Record what the pods are made from, and the rollout's policies, before the first pod."""
    if begun(scene, version):
        return None
    before = scene.state(version)
    state = new_state(scene, version).changed(
        promoted=before is not None and before.promoted, hold_reason=reasons.NOT_READY_YET, hold_since=scene.now
    )
    changes: dict[str, Any] = {}
    if version.status.template is None or scene.serving(version.name) is None:
        made = template_of(scene)
        changes["template"] = ServingTemplate(revision=template_revision(made), **made)
    done = move(scene, version, "Warming", reasons.WARMING, "its pods are started", state=state, **changes)
    return Step((done,), 0.0)


def not_ready(scene: Scene, version: VersionView) -> Step | None:
    """Pods are not there (any more); readyDeadlineSeconds later the version is Failed.

    As many as its first weight needs of stable's pods now: stable may have grown since the rollout was recorded.
    """
    state = state_of(scene, version)
    needed = weights.needed_replicas(scene.full_replicas, first_weight(scene, state))
    if scene.is_ready(version.name, needed):
        return None
    words = _pod_words(scene, version)
    limit = scene.ready_deadline_seconds
    message = f"{needed} ready pods are needed{words}"
    if state.ready_at is not None:
        watched = waited(scene, state, _since(state))
        lost = state.changed(
            ready_at=None, watched_seconds=watched, hold_reason=reasons.NOT_READY_YET, hold_since=scene.now
        )
        return Step((move(scene, version, "Warming", reasons.NOT_READY_YET, message, state=lost),), limit)
    left = limit - waited(scene, state, _since(state))
    if left <= 0:
        message = f"not ready within {limit} s{words}"
        done = move(scene, version, "Failed", reasons.NOT_READY_IN_TIME, message)
        return Step((done, announce(version, reasons.NOT_READY_IN_TIME, message, warning=True)))
    return wait(scene, version, reasons.NOT_READY_YET, message, left)


def note_ready(scene: Scene, version: VersionView) -> Step | None:
    """Since when they are ready."""
    state = state_of(scene, version)
    if state.ready_at is not None:
        return None
    since = scene.now - state.watched_seconds
    ready = state.changed(ready_at=scene.now, hold_reason=reasons.STABLE_HEALTH, hold_since=since)
    return Step((move(scene, version, "Warming", reasons.STABLE_HEALTH, "ready and warm", state=ready),), 0.0)


def direct(scene: Scene, version: VersionView) -> Step | None:
    """Nothing to compare with, or pinned: all traffic at once."""
    if scene.pin is not None:
        return make_stable(scene, version, reasons.PINNED, "pinned")
    # a previous version takes the place of a stable one that was rolled back, before anything new does
    if scene.stable is None and scene.previous is None:
        return make_stable(scene, version, reasons.FIRST_VERSION, "the first version: there is nothing to fall back to")
    return None


def stable_health(scene: Scene, version: VersionView) -> Step | None:
    """Stable must have kept its objectives for stableHealthSeconds before the first users move; a Promote does not ask."""
    state = state_of(scene, version)
    calm = state.policy.stable_health_seconds
    health = scene.health
    if scene.stable is not None and asked_for(scene, version, state):
        return None
    if scene.stable is None or not scene.ready_pods(scene.stable.name):
        return _unhealthy(scene, version, state, "stable has no ready pod")
    if calm == 0 or (health is not None and health.was_well(scene.stable.name, calm, scene.now)):
        return None
    if health is None or not health.is_fresh(scene.now):
        return _unread(scene, version, state)
    if health.breached:
        if state.policy.when_stable_unhealthy == "Proceed":
            return None
        return _unhealthy(scene, version, state, f"stable is outside its objective {health.breached}")
    return _unhealthy(scene, version, state, f"stable is watched for {calm} s", reasons.STABLE_HEALTH)


def go(scene: Scene, version: VersionView) -> Step | None:
    """The first step; the last one where a person promoted it."""
    state = state_of(scene, version)
    assert scene.stable is not None
    sick = is_stable_sick(scene, state)
    current = state.changed(stable=scene.stable.name, stable_was_unhealthy=sick, stable_replicas=scene.full_replicas)
    left = Leave(step="", by="Promote") if state.promoted else None
    return start_step(scene, version, current, _first_step(state), left=left)


def _first_step(state: RolloutState) -> int:
    return len(state.steps) - 1 if state.promoted else 0


def _since(state: RolloutState) -> float:
    """What the limit of the present wait counts from; older records say it otherwise."""
    known = (state.hold_since, state.ready_at)
    return next((at for at in known if at is not None), state.started_at)


def _unread(scene: Scene, version: VersionView, state: RolloutState) -> Step:
    """Nothing is known about stable now: either the watch has just begun, or it cannot be read."""
    if scene.now - max(scene.memory.since, state.ready_at or 0.0) <= GAP_SECONDS:
        return _unhealthy(scene, version, state, "the watch of stable begins", reasons.STABLE_HEALTH)
    return _unhealthy(scene, version, state, "stable cannot be read", reasons.METRICS_UNAVAILABLE)


def _unhealthy(
    scene: Scene, version: VersionView, state: RolloutState, message: str, reason: str = reasons.STABLE_UNHEALTHY
) -> Step:
    limit = state.watch_limit
    left = limit - waited(scene, state, _since(state))
    if left <= 0:
        text = f"{message}; not over after {limit} s. A Retry action starts the rollout again"
        done = move(scene, version, "Superseded", reasons.STABLE_UNHEALTHY, text)
        return Step((done, announce(version, reasons.STABLE_UNHEALTHY, text, warning=True)))
    return wait(scene, version, reason, message, min(left, 5.0))


def why_not_wanted(scene: Scene, version: VersionView) -> tuple[str, str]:
    """Reason and words, where it is not the target."""
    if scene.pin is not None:
        return reasons.PINNED, f"{scene.pin.wish} is pinned"
    if version.spec.spec_hash != scene.spec_hash:
        return reasons.SPEC_CHANGED, "the spec asks for another model now"
    if scene.blocked:
        return (
            reasons.ROLLOUT_BLOCKED,
            "two versions of this spec were rolled back in a row; a Retry action unblocks it",
        )
    return reasons.OVERTAKEN, f"{scene.wanted.name} is newer" if scene.wanted else "it is not wanted any more"


def _pod_words(scene: Scene, version: VersionView) -> str:
    for pod in scene.pods(version.name):
        if words := pod.unschedulable or pod.waiting or pod.last_terminated:
            return f": {words}"
    return ""
