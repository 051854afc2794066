"""What is left when things are gone: a deleted model, outdated evaluations, finished actions."""

from recsys_operator.core import clock, identity, reasons
from recsys_operator.core.decision import Act, DeleteObject, RecordVersion
from recsys_operator.core.phases.evaluating import evaluation_run
from recsys_operator.core.records import Step
from recsys_operator.core.rollout_state import read_state
from recsys_operator.core.scene import ROLLING, Scene
from recsys_operator.core.world import ActionView, VersionView, World


def decide_model_gone(world: World, now: float) -> Step:
    """Jobs and pods of a deleted model end; the records stay (Retain) for a model of the same name.

    Its HTTPRoute went with it, so nobody can be sent to these pods any more; a rollout in flight is over.
    """
    acts: list[Act] = [_end_rollout(version, now) for version in world.versions if version.status.phase in ROLLING]
    known = {version.name: version.resource_version for version in world.versions}
    acts += [DeleteObject("Job", job.name, job.uid, job.resource_version) for job in world.jobs if not job.deleting]
    if world.route is None:
        acts += [
            DeleteObject("Serving", name, view.uid, view.resource_version, known.get(name, ""))
            for name, view in sorted(world.serving.items())
            if not view.deleting
        ]
        acts += [DeleteObject("Serving", name, "", "", known.get(name, "")) for name in sorted(world.leftovers)]
    return Step(tuple(acts), 10.0 if world.route is not None else None)


def decide_old_evaluations(scene: Scene, version: VersionView) -> Step:
    """Jobs of gates that are no longer asked for."""
    if scene.model.spec is None or version.status.phase not in ("Evaluating", "Stable"):
        return Step()
    key = evaluation_run(scene, version).key
    acts = [
        DeleteObject("Job", job.name, job.uid, job.resource_version)
        for job in scene.jobs(version.name)
        if job.stage == "evaluate" and job.active and not job.deleting and not _asked_for(version, job.key, key)
    ]
    return Step(tuple(acts))


def decide_expired_actions(scene: Scene) -> Step:
    """Finished actions go after their ttlSecondsAfterFinished."""
    acts: list[Act] = []
    soonest: float | None = None
    for action in scene.world.actions:
        left = _left(action, scene.now)
        if left is None:
            continue
        if left <= 0:
            acts.append(DeleteObject("ModelAction", action.name, action.uid, action.resource_version))
        else:
            soonest = left if soonest is None else min(soonest, left)
    return Step(tuple(acts), soonest)


def _left(action: ActionView, now: float) -> float | None:
    if action.status.phase == "Pending":
        return None
    finished = clock.to_seconds(action.status.finished_at, action.created_at)
    return finished + action.spec.ttl_seconds_after_finished - now


def _asked_for(version: VersionView, key: str, today: str) -> bool:
    return key == today or (version.status.phase == "Stable" and identity.same_gates(key, today))


def _end_rollout(version: VersionView, now: float) -> RecordVersion:
    state = read_state(version.status)
    ended = state.changed(weight=0, clock_start=None, parked_since=None).dump() if state is not None else None
    changes = {
        "phase": "Superseded", "reason": reasons.MODEL_DELETED, "message": "its RecommenderModel was deleted",
        "phase_since": clock.to_text(now), "rollout": ended,
    }  # fmt: skip
    return RecordVersion(version.name, version.resource_version, version.status.model_copy(update=changes))
