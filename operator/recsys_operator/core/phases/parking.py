"""At weight 0 after the first harm: a second chance from the first step, once pods and stable were well long enough.

Under whenStableUnhealthy Proceed a stable version that is sick without the candidate's users does not keep it waiting: then
the candidate was not what made it sick, and it need only be no worse.
"""

from recsys_operator.core import reasons
from recsys_operator.core.phases.promotion import start_step
from recsys_operator.core.phases.rollback import end_rollout, route_down
from recsys_operator.core.phases.standstill import asked_for, waited
from recsys_operator.core.phases.subject import is_stable_sick, state_of
from recsys_operator.core.records import Step, keep, wait
from recsys_operator.core.rollout_state import RolloutState
from recsys_operator.core.scene import Scene
from recsys_operator.core.world import VersionView


def parked(scene: Scene, version: VersionView) -> Step | None:
    """Waiting at weight 0 for the second chance; RolledBack where it does not come within the watch of stable and
    holdLimitSeconds. A person who wants this version now does not wait for it."""
    state = state_of(scene, version)
    if state.weight > 0 or state.parked_since is None:
        return None
    if (step := _route_is_down(scene, version, state)) is not None:
        return step
    if asked_for(scene, version, state):
        return None
    left = state.watch_limit - waited(scene, state, state.parked_since)
    if left <= 0:
        message = (
            f"{state.verdict_message}; not well again within {state.watch_limit} s. A Retry action starts it again"
        )
        return end_rollout(scene, version, "RolledBack", _why(state), message)
    if (step := _ready_again(scene, version, state)) is not None:
        return step
    if (stop := scene.stop()) is not None:
        return wait(
            scene, version, stop.reason, f"{stop.words}it tries once more after that: {state.verdict_message}", 60.0
        )
    calm = state.policy.stable_health_seconds
    sick = is_stable_sick(scene, state)
    if not (_ready_for(scene, state, calm) and (_is_well(scene, state, calm) or (sick and _proceeds(state)))):
        return wait(scene, version, _why(state), describe_wait(state), min(calm + 1.0, max(1.0, left)))
    return start_step(scene, version, state.changed(stable_was_unhealthy=sick), 0)


def describe_wait(state: RolloutState) -> str:
    """Why it has no users, what it waits for, and what a person can do."""
    who = "its pods" if _proceeds(state) else "it and stable"
    return (
        f"{state.verdict_message}; it has no users and is tried once more when {who} were well for "
        f"{state.policy.stable_health_seconds} s, or rolled back {state.watch_limit} s after it lost them; a Promote does not "
        "wait, a Rollback ends it"
    )


def _proceeds(state: RolloutState) -> bool:
    return state.policy.when_stable_unhealthy == "Proceed"


def _why(state: RolloutState) -> str:
    """The harm that it was parked for."""
    return reasons.BOTH_BREACH if state.verdict == "BothBreach" else reasons.CANDIDATE_NOT_READY


def _route_is_down(scene: Scene, version: VersionView, state: RolloutState) -> Step | None:
    if scene.weight_of(version.name) == 0 and scene.world.route is not None:
        return None
    acts = route_down(scene, version, state.segment, verdict="", reason=_why(state), outcome="Parked")
    return Step(acts, 1.0) if acts else None


def _ready_again(scene: Scene, version: VersionView, state: RolloutState) -> Step | None:
    """Note since when the pods are ready without a restart."""
    ready = scene.is_ready(version.name, scene.needed(state, state.steps[0].weight))
    pods = {pod.uid: pod.restarts for pod in scene.ready_pods(version.name)}
    same = all(pods.get(uid) == restarts for uid, restarts in state.pods.items())
    if ready and state.ready_at is not None and same:
        return None
    if not ready and state.ready_at is None:
        return None
    changed = state.changed(ready_at=scene.now if ready else None, pods=pods)
    return Step((keep(version, changed),), 1.0)


def _ready_for(scene: Scene, state: RolloutState, calm: int) -> bool:
    return state.ready_at is not None and scene.now - state.ready_at >= calm


def _is_well(scene: Scene, state: RolloutState, calm: int) -> bool:
    health = scene.health
    return calm == 0 or (health is not None and health.was_well(state.stable, calm, scene.now))
