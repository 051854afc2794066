"""Stable, Previous and ended versions: who answers, who stays loaded for how long, whose Jobs are stopped."""

from recsys_api.model_version import Condition
from recsys_operator.core import clock, reasons
from recsys_operator.core.decision import Act, DeleteObject, EnsureRoute, EnsureService
from recsys_operator.core.lineage import find_condition
from recsys_operator.core.phases.creation import decide_revival
from recsys_operator.core.phases.evaluating import decide_gates_changed
from recsys_operator.core.phases.promotion import intent_of, make_stable, retreat, stable_route
from recsys_operator.core.phases.rollback import describe_decision, is_stale
from recsys_operator.core.records import (
    Step,
    announce,
    build_condition,
    first,
    keep,
    move,
    record,
    request_condition,
    wait,
    with_condition,
)
from recsys_operator.core.scene import EARLY, LOADED, Scene
from recsys_operator.core.weights import same_route
from recsys_operator.core.world import RouteIntent, VersionView

SCALED = "Scaled"
"""Condition: False while a previous version that is wanted again is short of pods."""


def decide_stable(scene: Scene, version: VersionView) -> Step:
    """The stable version; a second one (killed between two records) steps back."""
    if scene.stable is not None and scene.stable.name != version.name:
        return Step((retreat(scene, version),), 0.0)
    if was_lowered(scene, version):
        decision = scene.world.route.decision if scene.world.route is not None else {}
        done = move(
            scene, version, "RolledBack", reasons.RECOVERED, f"the route was found lowered ({decision.get('reason')})",
            quarantined=True, condition=request_condition(scene, "Rollback", str(decision.get("request", ""))),
        )  # fmt: skip
        return Step((done, announce(version, reasons.RECOVERED, "rolled back", warning=True)), 0.0)
    return decide_gates_changed(scene, version) or Step()


def was_lowered(scene: Scene, version: VersionView) -> bool:
    """Whether the route says that this version lost its users after it had become stable."""
    route, state = scene.world.route, scene.state(version)
    if route is None or route.decision.get("version") != version.name or route.decision.get("outcome") != "RolledBack":
        return False
    segment = state.segment if state is not None else 0
    return route.decision.get("segment") == segment and route.intent.of(version.name) == 0


def decide_previous(scene: Scene, version: VersionView) -> Step:
    """Loaded for a rollback, until its time is over."""
    return first((restored, wanted_again, older_one, expired), scene, version)


def decide_ended(scene: Scene, version: VersionView) -> Step:
    """Ended: stop what still runs for it; perhaps it is asked for again."""
    stopped = tuple(_stop_jobs(scene, version))
    if stopped:
        return Step(stopped, 5.0)
    return decide_revival(scene, version) or decide_gates_changed(scene, version) or Step()


def restored(scene: Scene, version: VersionView) -> Step | None:
    """Stable was rolled back (killed between two records) or deleted: the previous version is stable."""
    if scene.stable is not None or scene.previous is None or scene.previous.name != version.name:
        return None
    if scene.candidate is not None and scene.weight_of(scene.candidate.name) > 0:
        return None
    message = "takes the place of the stable version, which was rolled back or deleted"
    return Step(
        (move(scene, version, "Stable", reasons.RESTORED, message), announce(version, reasons.RESTORED, message)), 0.0
    )


def wanted_again(scene: Scene, version: VersionView) -> Step | None:
    """It is the target and still loaded: one route change, no steps."""
    target = scene.target
    if target is None or target.name != version.name or scene.candidate is not None or scene.stable is None:
        return _not_short_of_pods(scene, version)
    if scene.paused and (scene.pin is None or scene.unmanaged):
        return _not_short_of_pods(scene, version) or wait(
            scene, version, scene.paused, "it takes the traffic back when that is over", 60.0
        )
    if not scene.ready_pods(version.name):
        return _warm_again(scene, version, "its pods are not there any more: warmed again")
    if not scene.is_ready(version.name, scene.full_replicas):
        return _await_pods(scene, version)
    reason = reasons.PINNED if scene.pin is not None else reasons.REUSED
    return make_stable(scene, version, reason, "still loaded: one route change, no steps")


def _warm_again(scene: Scene, version: VersionView, message: str) -> Step:
    again = scene.before_another(version)
    enough = _scaled(scene, version, True)
    return Step((move(scene, version, "Warming", reasons.REUSED, message, state=again, condition=enough),), 0.0)


def _await_pods(scene: Scene, version: VersionView) -> Step:
    """As long as pods may take to be ready; then it is rolled out in steps, of which the first needs fewer and has an end.

    A pin has no steps, and waits while the person wants it: without its pods it would be Failed, and no way back any more.
    """
    limit = scene.ready_deadline_seconds
    known, needed = find_condition(version.status.conditions, SCALED), f"{scene.full_replicas} ready pods are needed"
    short = known is not None and known.status == "False"
    left = limit - (scene.now - clock.to_seconds(known.last_transition_time, scene.now) if known and short else 0.0)
    if left <= 0 and not scene.is_pinned(version):
        return _warm_again(
            scene, version, f"{needed} to take over at once, and were not there after {limit} s: in steps"
        )
    if short and (version.status.reason, version.status.message) == (reasons.SCALING, needed):
        return Step((), 5.0)
    waits = with_condition(version.status.conditions, _scaled(scene, version, False))
    return Step((record(version, reason=reasons.SCALING, message=needed, conditions=waits),), 5.0)


def _not_short_of_pods(scene: Scene, version: VersionView) -> Step | None:
    """It is not wanted, or may not be: a wait for its pods is over, and the next one has its whole time."""
    known = find_condition(version.status.conditions, SCALED)
    if known is None or known.status == "True":
        return None
    enough = with_condition(version.status.conditions, _scaled(scene, version, True))
    return Step((record(version, conditions=enough),), 0.0)


def _scaled(scene: Scene, version: VersionView, enough: bool) -> Condition:
    return build_condition(scene, SCALED, enough, "Enough" if enough else reasons.SCALING)


def older_one(scene: Scene, version: VersionView) -> Step | None:
    """There is one previous version."""
    if scene.previous is None or scene.previous.name == version.name or scene.candidate is not None:
        return None
    return _retire(scene, version, f"{scene.previous.name} is the previous version now")


def expired(scene: Scene, version: VersionView) -> Step | None:
    """previous.seconds are over; not while a rollout runs or a person has the route, and not where nobody can read how many
    they are."""
    if scene.model.spec is None or scene.unmanaged:
        return Step((), 60.0)
    seconds = scene.model.spec.rollout.previous.seconds
    left = clock.to_seconds(version.status.phase_since, scene.now) + seconds - scene.now
    if left > 0:
        return Step((), left)
    if scene.candidate is not None or scene.stable is None or not scene.ready_pods(scene.stable.name):
        return Step((), 60.0)
    return _retire(scene, version, f"its {seconds} s as the previous version are over")


def decide_traffic(scene: Scene) -> Step:
    """Without a candidate the route sends everybody to stable; what somebody changed around the weights is put back."""
    stable, route = scene.stable, scene.world.route
    if scene.unmanaged:
        return Step()
    if route is not None and route.drifted and same_route(route.intent, wanted_intent(scene)):
        return Step((EnsureRoute(wanted_intent(scene), dict(route.decision), raises=False),), 5.0)
    if stable is None or scene.candidate is not None:
        return Step()
    state = scene.state(stable)
    segment = state.segment if state is not None else 0
    if route is None:
        if not scene.ready_pods(stable.name):
            return Step((), 5.0)
        return _raise_stable(scene, stable, segment)
    if same_route(route.intent, RouteIntent(stable.name)):
        return Step()
    if _record_is_stale(scene) or was_lowered(scene, stable):
        return Step((), 1.0)
    holder = _holder(scene, stable)
    if holder is not None and holder.status.phase in LOADED and not scene.ready_pods(stable.name):
        return Step((), 2.0)
    if holder is not None and holder.status.phase in LOADED:
        return _raise_stable(scene, stable, segment)
    intent = RouteIntent(stable.name)
    decision = describe_decision(scene, stable, intent, segment, reason=stable.status.reason)
    return Step((EnsureRoute(intent, decision, raises=False, urgent=holder is not None),), 2.0)


def decide_stable_service(scene: Scene) -> Step:
    """Callers inside the cluster go where the route's other users go. The Service comes right behind a write of the route
    (`follow_route`); this makes it again where it was deleted, and where that pass ended half-way."""
    route = scene.world.route
    if route is None or scene.version(route.intent.stable) is None or route.intent.stable == scene.world.stable_service:
        return Step()
    if not scene.unmanaged and not same_route(route.intent, wanted_intent(scene)):
        return Step()
    return Step((EnsureService(route.intent.stable, of_model=True),))


def follow_route(scene: Scene, acts: tuple[Act, ...]) -> tuple[Act, ...]:
    """The acts, with the model's Service behind the route that sends its other users to another stable version.

    Before the record, which a conflict may end: callers inside the cluster wait for no other pass.
    """
    found: list[Act] = []
    for act in acts:
        found.append(act)
        if isinstance(act, EnsureRoute) and act.intent.stable not in ("", scene.world.stable_service):
            found.append(EnsureService(act.intent.stable, of_model=True))
    return tuple(found)


def wanted_intent(scene: Scene) -> RouteIntent:
    """What the records want the route to say."""
    candidate = scene.candidate
    state = scene.state(candidate) if candidate is not None else None
    if candidate is not None and state is not None:
        return intent_of(scene, candidate, state)
    return RouteIntent(scene.stable.name if scene.stable is not None else "")


def _raise_stable(scene: Scene, stable: VersionView, segment: int) -> Step:
    """All users to stable; its record is touched first, so that a stale one conflicts there and raises nothing."""
    state = scene.state(stable)
    act = stable_route(scene, stable, segment, stable.status.reason)
    if state is None:
        return Step((act,), 2.0)
    return Step((keep(stable, state.changed(segment_at=scene.now)), act), 2.0)


def _holder(scene: Scene, stable: VersionView) -> VersionView | None:
    """Who has users that are stable's."""
    return next((v for v in scene.versions if v.name != stable.name and scene.weight_of(v.name) > 0), None)


def _record_is_stale(scene: Scene) -> bool:
    """The route speaks of a rollout that the records do not know yet."""
    route = scene.world.route
    assert route is not None
    version = scene.version(str(route.decision.get("version", "")))
    return version is not None and is_stale(scene, version, scene.state(version))


def _retire(scene: Scene, version: VersionView, message: str) -> Step:
    return Step(
        (move(scene, version, "Retired", reasons.RETIRED, message), announce(version, reasons.RETIRED, message)), 0.0
    )


def _stop_jobs(scene: Scene, version: VersionView) -> list[Act]:
    if version.status.phase in EARLY:
        return []
    return [
        DeleteObject("Job", job.name, job.uid, job.resource_version)
        for job in scene.jobs(version.name)
        if not (job.complete or job.failed or job.deleting)
    ]
