"""At weight 0 after the first harm: a second chance from the first step, once pods and stable were well long enough."""

from recsys_operator.core.phases.promotion import start_step
from recsys_operator.core.phases.rollback import end_rollout, route_down
from recsys_operator.core.phases.subject import state_of
from recsys_operator.core.records import Step, keep
from recsys_operator.core.rollout_state import RolloutState
from recsys_operator.core.scene import Scene
from recsys_operator.core.world import VersionView


def parked(scene: Scene, version: VersionView) -> Step | None:
    """Waiting at weight 0 for the second chance; it ends at holdLimitSeconds in RolledBack."""
    state = state_of(scene, version)
    if state.weight > 0 or state.parked_since is None:
        return None
    if (step := _route_is_down(scene, version, state)) is not None:
        return step
    since = scene.now - state.parked_since
    limit = state.policy.hold_limit_seconds
    stopped = scene.stop() is not None
    if since >= limit and not stopped:
        message = f"{state.verdict_message}; not well again within {limit} s"
        return end_rollout(scene, version, "RolledBack", version.status.reason, message)
    if (step := _ready_again(scene, version, state)) is not None:
        return step
    calm = state.policy.stable_health_seconds
    if stopped or not _well_for(scene, state, calm):
        return Step((), min(calm + 1.0, max(1.0, limit - since)))
    return start_step(scene, version, state, 0)


def _route_is_down(scene: Scene, version: VersionView, state: RolloutState) -> Step | None:
    if scene.weight_of(version.name) == 0 and scene.world.route is not None:
        return None
    acts = route_down(scene, version, state.segment, verdict="", reason=version.status.reason, outcome="Parked")
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


def _well_for(scene: Scene, state: RolloutState, calm: int) -> bool:
    if state.ready_at is None or scene.now - state.ready_at < calm:
        return False
    health = scene.health
    if calm == 0:
        return True
    return health is not None and health.was_well(state.stable, calm, scene.now)
