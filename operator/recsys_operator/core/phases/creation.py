"""Which versions there are to be: new ones, overtaken ones, ones that come back, ones that are forgotten."""

from recsys_api.model_version import ModelVersionSpec
from recsys_operator.core import clock, identity, reasons, schedule
from recsys_operator.core.decision import Act, Announce, CreateVersion, DeleteObject
from recsys_operator.core.lineage import passed_gates
from recsys_operator.core.records import Step, announce, move
from recsys_operator.core.scene import EARLY, Scene
from recsys_operator.core.world import VersionView

FORGETTABLE = frozenset({"Retired", "Invalid", "Failed", "Rejected", "NoNewData", "Superseded"})
REPEATABLE = frozenset({"Superseded", "Retired"})


def decide_creation(scene: Scene) -> Step:
    """A version for a spec that has none, or for a time of the schedule."""
    if scene.model.spec is None or scene.suspended:
        return Step()
    own = [v for v in scene.world.versions if v.spec.spec_hash == scene.spec_hash]
    if not own:
        return Step((*create_version(scene, "spec"),), 5.0)
    return _scheduled(scene, own)


def create_version(scene: Scene, trigger: str) -> tuple[Act, ...]:
    """The acts that create a version of today's spec."""
    spec = scene.model.spec
    assert spec is not None
    name = identity.version_name(scene.world.name, scene.spec_hash, trigger)
    number = 1 + max((v.spec.number for v in scene.world.versions), default=0)
    source = spec.model_copy(update={"suspend": None, "rollout": identity.without_operational(spec.rollout)})
    made = ModelVersionSpec(
        model_name=scene.world.name, number=number, spec_hash=scene.spec_hash, trigger=trigger, source=source,
        artifacts_uri=f"{spec.artifacts.uri.rstrip('/')}/{scene.world.namespace}/{scene.world.name}",
    )  # fmt: skip
    message = f"version {number} ({trigger})"
    return (
        CreateVersion(name, made, owned=spec.deletion_policy == "Delete"),
        Announce(reasons.CREATED, message, version=name),
    )


def decide_overtaken(scene: Scene, version: VersionView) -> Step | None:
    """Before the first pod a version ends at once when the spec moved on, or a newer one of the same spec passed.

    One that is pinned does not: somebody wants it, whatever is newer.
    """
    pinned = scene.pin is not None and scene.pin.is_of(version)
    if version.status.phase not in EARLY or scene.model.spec is None or pinned:
        return None
    if version.spec.spec_hash != scene.spec_hash:
        return _supersede(scene, version, reasons.SPEC_CHANGED, "the spec asks for another model now")
    wanted = scene.wanted
    if wanted is not None and wanted.spec.number > version.spec.number:
        return _supersede(scene, version, reasons.OVERTAKEN, f"{wanted.name} is newer and passed its gates")
    return None


def decide_revival(scene: Scene, version: VersionView) -> Step | None:
    """A version that is asked for again: its artifact is reused, it is never trained twice."""
    status = version.status
    pinned = scene.pin is not None and status.phase == "Rejected"
    if not (status.phase in REPEATABLE or pinned) or scene.suspended:
        return None
    if scene.target is not None and scene.target.name == version.name:
        return _warm_again(scene, version)
    if status.digest and passed_gates(version):
        return None
    resumable = status.phase == "Superseded" and status.reason not in reasons.NOT_WANTED_AGAIN
    own = [v for v in scene.versions if v.spec.spec_hash == scene.spec_hash]
    if not resumable or scene.model.spec is None or not own or own[-1].name != version.name:
        return None
    message = "its spec is asked for again"
    if status.digest:
        return Step((move(scene, version, "Evaluating", reasons.REUSED, message),), 0.0)
    return Step((move(scene, version, "Pending", reasons.REUSED, message),), 0.0)


def decide_pruning(scene: Scene) -> Step:
    """Forget the oldest ended versions beyond historyLimit; what was rolled back is remembered for ever."""
    if scene.model.spec is None:
        return Step()
    excess = len(scene.versions) - scene.model.spec.history_limit
    if excess <= 0:
        return Step()
    own = [v for v in scene.versions if v.spec.spec_hash == scene.spec_hash]
    needed = {v.name for v in (scene.target, scene.wanted, scene.stable, scene.previous, *own[-1:]) if v is not None}
    old = [
        v for v in scene.versions
        if v.status.phase in FORGETTABLE and not v.status.quarantined and v.name not in needed
        and scene.weight_of(v.name) == 0 and scene.serving(v.name) is None
    ]  # fmt: skip
    acts = [DeleteObject("ModelVersion", v.name, v.uid, v.resource_version) for v in old[:excess]]
    return Step(tuple(acts))


def _warm_again(scene: Scene, version: VersionView) -> Step | None:
    again = scene.before_another(version)
    template = version.status.template if scene.serving(version.name) is not None else None
    done = move(scene, version, "Warming", reasons.REUSED, "its artifact is reused", state=again, template=template)
    return Step((done, announce(version, reasons.REUSED, "its artifact is reused")), 0.0)


def _supersede(scene: Scene, version: VersionView, reason: str, message: str) -> Step:
    return Step((move(scene, version, "Superseded", reason, message), announce(version, reason, message)), 0.0)


def _scheduled(scene: Scene, own: list[VersionView]) -> Step:
    """The newest due time of training.schedule, once; times that were missed are not made up for one by one."""
    spec = scene.model.spec
    assert spec is not None
    if not spec.training.schedule or scene.blocked:
        return Step()
    due = schedule.last_time(spec.training.schedule, scene.now)
    after = schedule.next_time(spec.training.schedule, scene.now)
    wait = min(3600.0, after - scene.now) if after is not None else None
    newest = max(v.created_at for v in own)
    if due is None or due <= newest:
        return Step((), wait)
    return Step(create_version(scene, f"schedule/{clock.to_text(due)}"), wait)
