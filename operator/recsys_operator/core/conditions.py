"""The conditions of a RecommenderModel (design section 4), one small function each."""

from recsys_api.model_version import Condition
from recsys_operator.core import reasons
from recsys_operator.core.lineage import find_condition
from recsys_operator.core.phases.rollback import fallback_of
from recsys_operator.core.records import build_condition
from recsys_operator.core.scene import EARLY, Scene
from recsys_operator.core.world import VersionView

BAD_ENDS = frozenset({"Invalid", "Failed", "Rejected", "RolledBack"})


def derive_conditions(scene: Scene) -> tuple[Condition, ...]:
    """All of them, in the order in which they are shown."""
    builders = (
        ready, reconciling, stalled, paused, rolled_back, trained, gate_passed, traffic_verified, analysis_passing,
        metrics_available, rollback_ready,
    )  # fmt: skip
    return tuple(builder(scene) for builder in builders)


def ready(scene: Scene) -> Condition:
    """A good model serves; True during an update, also while a route change is being accepted."""
    stable, route = scene.stable, scene.world.route
    serving = _serving(scene)
    if serving is None and scene.unmanaged and route is not None:
        message = f"{scene.taken}, and no version that it sends users to has a ready pod"
        return build_condition(scene, "Ready", False, "NoReadyPod", message)
    if stable is None and serving is None:
        return build_condition(scene, "Ready", False, "NoVersion", "no version serves yet")
    if serving is None:
        assert stable is not None
        return build_condition(scene, "Ready", False, "NoReadyPod", f"no pod of {stable.name} is ready")
    before = find_condition(scene.model.status.conditions, "Ready")
    if route is not None and (route.accepted or (before is not None and before.status == "True")):
        return build_condition(scene, "Ready", True, "Serving", f"{serving.name} answers")
    return build_condition(scene, "Ready", False, reasons.ROUTE_NOT_ACCEPTED, _why_no_route(scene))


def reconciling(scene: Scene) -> Condition:
    """Something is on its way."""
    moving = [v for v in scene.versions if v.status.phase in EARLY | {"Warming", "Canary", "Baking"}]
    if moving:
        return build_condition(scene, "Reconciling", True, moving[-1].status.phase, moving[-1].name)
    return build_condition(scene, "Reconciling", False, "Settled")


def stalled(scene: Scene) -> Condition:
    """Nothing will happen until a person changes something."""
    if (trouble := scene.world.trouble) is not None:
        return build_condition(scene, "Stalled", True, trouble.reason, trouble.message)
    if scene.model.spec is None:
        return build_condition(scene, "Stalled", True, reasons.INVALID_SPEC, scene.model.invalid)
    if scene.unmanaged:
        return build_condition(scene, "Stalled", True, reasons.UNMANAGED, f"{scene.taken}: {scene.give_back}")
    if scene.blocked:
        message = "two versions of this spec were rolled back in a row; a Retry action unblocks it"
        return build_condition(scene, "Stalled", True, reasons.ROLLOUT_BLOCKED, message)
    newest = _newest(scene)
    if newest is not None and newest.status.phase in BAD_ENDS:
        return build_condition(scene, "Stalled", True, newest.status.reason, newest.status.message)
    return build_condition(scene, "Stalled", False, "NotStalled")


def paused(scene: Scene) -> Condition:
    """No weight is raised."""
    word = scene.paused
    return build_condition(scene, "Paused", bool(word), word or "NotPaused")


def rolled_back(scene: Scene) -> Condition:
    """The newest version of today's spec was rolled back."""
    newest = _newest(scene)
    if newest is not None and newest.status.quarantined:
        return build_condition(
            scene, "RolledBack", True, newest.status.reason, f"{newest.name}: {newest.status.message}"
        )
    return build_condition(scene, "RolledBack", False, "NotRolledBack")


def trained(scene: Scene) -> Condition:
    """There is an artifact of today's spec."""
    newest = _newest(scene)
    if newest is not None and newest.status.digest:
        return build_condition(scene, "Trained", True, "Trained", newest.name)
    if newest is not None and newest.status.phase in BAD_ENDS:
        return build_condition(scene, "Trained", False, newest.status.reason, newest.status.message)
    return build_condition(scene, "Trained", None, newest.status.phase if newest else "NoVersion")


def gate_passed(scene: Scene) -> Condition:
    """What the gates said about the newest version of today's spec."""
    newest = _newest(scene)
    found = find_condition(newest.status.conditions, "GatePassed") if newest is not None else None
    if found is None:
        return build_condition(scene, "GatePassed", None, newest.status.phase if newest else "NoVersion")
    value = {"True": True, "False": False}.get(found.status)
    return build_condition(scene, "GatePassed", value, found.reason, found.message)


def traffic_verified(scene: Scene) -> Condition:
    """The gateway accepted the route, and a candidate's share was seen."""
    route, candidate = scene.world.route, scene.candidate
    if route is None:
        return build_condition(scene, "TrafficVerified", None, "NoRoute")
    if not route.accepted:
        return build_condition(scene, "TrafficVerified", False, reasons.ROUTE_NOT_ACCEPTED, route.message)
    state = scene.state(candidate) if candidate is not None else None
    if state is not None and state.weight > 0 and state.clock_start is None:
        return build_condition(
            scene, "TrafficVerified", None, "ShareNotSeen", "no request of the candidate's was seen yet"
        )
    return build_condition(scene, "TrafficVerified", True, "Accepted")


def analysis_passing(scene: Scene) -> Condition:
    """The verdict; Unknown where there is not enough evidence."""
    candidate = scene.candidate
    state = scene.state(candidate) if candidate is not None else None
    if state is None:
        return build_condition(scene, "AnalysisPassing", None, "NoRollout")
    value = {"Pass": True, "Fail": False, "BothBreach": False}.get(state.verdict)
    return build_condition(scene, "AnalysisPassing", value, state.verdict or reasons.UNDECIDED, state.verdict_message)


def metrics_available(scene: Scene) -> Condition:
    """Candidate and gateway can be read."""
    candidate = scene.candidate
    state = scene.state(candidate) if candidate is not None else None
    if state is None or (state.clock_start is None and not state.hold_reason):
        return build_condition(scene, "MetricsAvailable", None, "NoRollout" if state is None else "NotYetRead")
    missing = state.hold_reason == reasons.METRICS_UNAVAILABLE
    return build_condition(scene, "MetricsAvailable", not missing, state.hold_reason if missing else "Available")


def rollback_ready(scene: Scene) -> Condition:
    """Whether a rollback is one route change now."""
    name = fallback_of(scene, scene.candidate) if scene.candidate is not None else ""
    if scene.candidate is None and scene.previous is not None:
        name = scene.previous.name
    if not name:
        return build_condition(scene, "RollbackReady", False, "NothingLoaded", "there is no version to go back to")
    if scene.is_ready(name, scene.full_replicas):
        return build_condition(scene, "RollbackReady", True, "Instant", name)
    return build_condition(scene, "RollbackReady", False, "Partial", f"{name} has fewer ready pods than all users need")


def _why_no_route(scene: Scene) -> str:
    if scene.world.route is not None:
        return scene.world.route.message
    if scene.unmanaged:
        return f"there is no HTTPRoute of the operator's, and it makes none: {scene.taken}"
    return "there is no HTTPRoute yet"


def _serving(scene: Scene) -> VersionView | None:
    """The version that answers most users, whichever it is; before any has users, or as they are sent on, one that could."""
    ready = [v for v in scene.versions if scene.ready_pods(v.name)]
    sent = [v for v in ready if scene.weight_of(v.name) > 0]
    if sent or (scene.unmanaged and scene.world.route is not None):
        return max(sent, key=lambda v: scene.weight_of(v.name), default=None)
    return next((v for v in (scene.stable, scene.candidate) if v in ready), None)


def _newest(scene: Scene) -> VersionView | None:
    own = [v for v in scene.versions if v.spec.spec_hash == scene.spec_hash and v.status.phase != "NoNewData"]
    return own[-1] if own else None
