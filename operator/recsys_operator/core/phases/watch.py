"""Rules that canary and bake share, in order: everything that takes weight away or keeps it where it is.

    stale record -> found lowered -> stable deleted or taken back -> superseded or pinned elsewhere -> pods not ready -> Fail
    -> BothBreach -> a time nobody watched -> nothing may be raised (or may again) -> evidence written down
    -> a person has the route -> parked -> route as intended -> pinned -> data missing -> clock not started

After these, canary.py and bake.py decide whether a step may be left.
"""

from recsys_operator.core import reasons
from recsys_operator.core.decision import EnsureRoute
from recsys_operator.core.phases.absence import note_gap
from recsys_operator.core.phases.alone import short_of_pods, take_over
from recsys_operator.core.phases.harm import both_breach, failed, pods_not_ready
from recsys_operator.core.phases.holding import bank, clock_not_started, data_missing, hold
from recsys_operator.core.phases.parking import parked
from recsys_operator.core.phases.promotion import intent_of, make_stable, raise_route, renew
from recsys_operator.core.phases.rollback import end_rollout, fallback_of, is_stale, recover
from recsys_operator.core.phases.standstill import limits_stand_still, route_is_taken
from recsys_operator.core.phases.subject import state_of
from recsys_operator.core.records import Step, keep, move
from recsys_operator.core.scene import Scene
from recsys_operator.core.weights import same_route
from recsys_operator.core.world import VersionView


def unreadable(scene: Scene, version: VersionView) -> Step | None:
    """A state that cannot be read is no ground to send users anywhere."""
    if scene.state(version) is not None:
        return None
    message = "status.rollout cannot be read by this operator; upgrade it, then create a Retry action"
    return end_rollout(scene, version, "RolledBack", reasons.STATE_UNREADABLE, message)


def stale(scene: Scene, version: VersionView) -> Step | None:
    """The route knows of a later segment than the record: the cache lags, and nothing is decided on an old record."""
    return Step((), 1.0) if is_stale(scene, version, scene.state(version)) else None


def found_lowered(scene: Scene, version: VersionView) -> Step | None:
    """The route is below the recorded intent."""
    return recover(scene, version, state_of(scene, version))


def second_candidate(scene: Scene, version: VersionView) -> Step | None:
    """At most one rollout per model: the older one of two ends."""
    if scene.candidate is None or scene.candidate.name == version.name:
        return None
    done = move(scene, version, "Superseded", reasons.OVERTAKEN, f"{scene.candidate.name} is rolled out")
    return Step((done,), 1.0)


def stable_taken_back(scene: Scene, version: VersionView) -> Step | None:
    """Stable was rolled back as this rollout began, or deleted under it: nobody is sent there, and there is nothing to
    compare with. A version that has all users already goes on, and so does one with nobody to take them (alone.py)."""
    state = state_of(scene, version)
    recorded, fallback = scene.version(state.stable), fallback_of(scene, version)
    if not fallback:
        return None
    if recorded is not None and recorded.status.quarantined:
        reason, what = reasons.REQUESTED, "was rolled back"
    elif recorded is None and state.weight < 100:
        reason, what = reasons.STABLE_GONE, "was deleted"
    else:
        return None
    users = f"all users are with {fallback} now"
    if scene.unmanaged:
        users = f"{scene.taken}: send its users to {fallback} yourself"
    message = f"{state.stable} {what} under it: {users}, and its rollout begins again beside that"
    return end_rollout(scene, version, "Superseded", reason, message)


def superseded(scene: Scene, version: VersionView) -> Step | None:
    """A pin elsewhere ends every rollout; a change of the spec ends a canary, not a bake."""
    pin = scene.pin
    if pin is not None and pin.version is not None and pin.version.name != version.name:
        return end_rollout(scene, version, "Superseded", reasons.PINNED, f"{pin.version.name} is pinned")
    changed = scene.spec_hash not in ("", version.spec.spec_hash)
    if changed and version.status.phase == "Canary" and pin is None:
        return end_rollout(scene, version, "Superseded", reasons.SPEC_CHANGED, "the spec asks for another model now")
    return None


def pinned_here(scene: Scene, version: VersionView) -> Step | None:
    """Somebody pinned the candidate itself: one route change, no further steps, when the pods for all users are ready."""
    if not scene.is_pinned(version):
        return None
    if not scene.is_ready(version.name, scene.full_replicas):
        return hold(
            scene, version, state_of(scene, version), reasons.SCALING, "its pods for all users are not ready yet"
        )
    return make_stable(scene, version, reasons.PINNED, "pinned")


def route_follows(scene: Scene, version: VersionView) -> Step | None:
    """The recorded intent was not written yet (or somebody raised the route by hand).

    The intent is recorded anew before the route is raised: a stale record conflicts there and raises nothing.
    """
    state = state_of(scene, version)
    route = scene.world.route
    intent = intent_of(scene, version, state)
    if scene.unmanaged or (route is None and intent.stable != version.name):
        return None
    if route is not None and same_route(route.intent, intent):
        return None
    rises = state.weight > scene.weight_of(version.name)
    act = raise_route(scene, version, state, intent, version.status.reason)
    if not rises:
        return Step((EnsureRoute(act.intent, act.decision, raises=False, urgent=True),), 1.0)
    return Step((keep(version, renew(scene, version, state)), act), 1.0)


SAFETY = (
    stale, unreadable, found_lowered, second_candidate, take_over, stable_taken_back, superseded, pods_not_ready,
    short_of_pods, failed, both_breach, note_gap, limits_stand_still, bank, route_is_taken, parked, route_follows, pinned_here,
)  # fmt: skip
"""In this order, before any rule that could raise weight."""

EVIDENCE = (data_missing, clock_not_started)
"""After these a step's time and verdict mean something."""
