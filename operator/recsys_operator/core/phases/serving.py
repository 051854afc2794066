"""Pods: how many each loaded version needs now, and which versions need none any more.

Capacity comes before weight: a candidate's pods follow its *next* weight. Weight never follows pods here, and nothing is
deleted before its record says so and the route gives it nothing.
"""

from recsys_operator.core import weights
from recsys_operator.core.decision import Act, DeleteObject, EnsureKeys, EnsureService, EnsureServing
from recsys_operator.core.phases import warming
from recsys_operator.core.records import Step
from recsys_operator.core.scene import LOADED, Scene
from recsys_operator.core.world import AutoscalerView, ServingView, VersionView


def decide_keys(scene: Scene) -> Step:
    """The Secret with the keys is there before the first pod."""
    wanted = any(v.status.template is not None and v.status.phase in LOADED for v in scene.versions)
    return Step((EnsureKeys(),)) if wanted and not scene.world.keys_secret else Step()


def decide_serving(scene: Scene, version: VersionView) -> Step:
    """Deployment and Service of one version: as large as needed, or gone."""
    replicas = wanted_replicas(scene, version)
    if replicas is None:
        return _without(scene, version)
    serving, template = scene.serving(version.name), version.status.template
    if serving is not None and serving.deleting:
        return Step((), 2.0)
    assert template is not None
    minimum = _minimum(scene, version, replicas)
    if serving is not None and scene.model.spec is None and (serving.has_autoscaler or serving.replicas >= replicas):
        # sizes and autoscaling of the newest version's spec are those of another day
        return Step() if serving.has_service else Step((EnsureService(version.name),), 5.0)
    if serving is not None and _is_whole(serving, template.revision) and _fits(scene, version, replicas, minimum):
        return Step()
    return Step((EnsureServing(version.name, replicas, minimum),), 5.0)


def wanted_replicas(scene: Scene, version: VersionView) -> int | None:
    """Pods that the version is to have; None: no serving at all (or not yet)."""
    phase, state = version.status.phase, scene.state(version)
    if version.status.template is None or phase not in LOADED:
        return None
    if phase == "Stable":
        return scene.full_replicas
    if phase == "Previous":
        return _previous_replicas(scene, version)
    if state is None:
        return None
    if phase == "Warming":
        if not warming.begun(scene, version):
            return None
        return weights.needed_replicas(scene.full_replicas, warming.first_weight(scene, state))
    step = len(state.steps) - 1 if state.promoted else state.next_step
    pinned = scene.is_pinned(version)
    full = max(state.stable_replicas, scene.full_replicas if pinned else 0)
    # a person may have given it more users than its next step
    weight = 100 if pinned else max(state.steps[step].weight, scene.weight_of(version.name))
    return weights.needed_replicas(full, weight)


def _previous_replicas(scene: Scene, version: VersionView) -> int:
    """Full, or one pod where the spec says Minimum, nothing points back to it and no person may send users there."""
    spec = scene.spec
    target = scene.target is not None and scene.target.name == version.name
    minimum = spec is not None and spec.rollout.previous.replicas == "Minimum"
    needed = target or scene.candidate is not None or scene.unmanaged
    return scene.full_replicas if needed or not minimum else 1


def _minimum(scene: Scene, version: VersionView, replicas: int) -> int | None:
    """Lower bound of an autoscaler: from the first weight to the end of the bake nobody shrinks."""
    if scene.spec is None or scene.spec.serving.autoscaling is None:
        return None
    candidate = scene.candidate
    if version.status.phase == "Stable" and candidate is not None:
        state = scene.state(candidate)
        return state.stable_replicas if state is not None else replicas
    return scene.spec.serving.autoscaling.min_replicas if version.status.phase == "Stable" else replicas


def _is_whole(serving: ServingView, revision: str) -> bool:
    return serving.has_service and serving.revision == revision


def _fits(scene: Scene, version: VersionView, replicas: int, minimum: int | None) -> bool:
    serving = scene.serving(version.name)
    assert serving is not None
    scaling = scene.spec.serving.autoscaling if scene.spec is not None else None
    if scaling is None or minimum is None:
        return not serving.has_autoscaler and serving.replicas == replicas
    wanted = AutoscalerView(minimum, max(minimum, scaling.max_replicas), scaling.target_cpu_utilization_percent)
    return serving.autoscaler == wanted


def _without(scene: Scene, version: VersionView) -> Step:
    """Delete what an ended version leaves, once its record was read back and no user can reach it.

    Nothing while a person has the route: only that person knows where its users go, and by which route.
    """
    serving = scene.serving(version.name)
    ended = version.status.phase not in LOADED
    if not ended or (serving is None and version.name not in scene.world.leftovers):
        return Step()
    if serving is not None and serving.deleting:
        return Step()
    route = scene.world.route
    if scene.unmanaged:
        return Step((), 60.0)
    if scene.weight_of(version.name) > 0 or (route is not None and version.name == route.intent.stable):
        return Step((), 5.0)
    uid, seen = (serving.uid, serving.resource_version) if serving is not None else ("", "")
    act: Act = DeleteObject("Serving", version.name, uid, seen, version.resource_version)
    return Step((act,), 5.0)
