"""Pauses, suspend and windows wait without limit: the limits of other waits stand still meanwhile.

That nothing may be raised is recorded once, where such a limit runs; when it may be again, the limit moves by that time.
A stop that came and went while no operator ran is within a time that no limit counts anyway (attendance.py).
Waits for data and for the gateway are none of these: users are with a version that cannot be judged. They stand still while a
person has the route, and its step begins anew afterwards: what users it has is not the operator's doing, and no end of a wait
could take them away.
"""

from recsys_operator.core import reasons
from recsys_operator.core.phases.promotion import renew
from recsys_operator.core.phases.subject import state_of
from recsys_operator.core.records import Step, keep, wait
from recsys_operator.core.rollout_state import RolloutState
from recsys_operator.core.scene import Scene
from recsys_operator.core.world import VersionView

WAITS = frozenset({reasons.UNDECIDED, reasons.APPROVAL, reasons.TOO_FEW_SAMPLES, reasons.SCALING})
"""For people or pods, under weight."""
ABSENT = frozenset({reasons.NO_DATA, reasons.METRICS_UNAVAILABLE, reasons.ROUTE_NOT_ACCEPTED})
"""For data or the gateway, under weight."""
STANDS_STILL = WAITS | {reasons.NOT_READY_YET, reasons.STABLE_HEALTH}


def limits_stand_still(scene: Scene, version: VersionView) -> Step | None:
    """Record that a stop began or ended, where a limit runs. A window keeps no version from becoming stable."""
    state = state_of(scene, version)
    by_person = version.status.phase == "Baking" or asked_for(scene, version, state)
    stopped = scene.stop(by_person=by_person) is not None
    counts = state.parked or state.hold_reason in STANDS_STILL or state.waiting_since is not None
    if stopped == (state.stopped_since is not None) or (stopped and not counts):
        return None
    changed = state.changed(stopped_since=scene.now) if stopped else go_on(scene, state)
    return Step((keep(version, changed),), 0.0)


def route_is_taken(scene: Scene, version: VersionView) -> Step | None:
    """A person has the route: no weight is raised and nothing ends by its time. Harm was looked for before this."""
    state = state_of(scene, version)
    if scene.unmanaged == (state.unmanaged_since is not None):
        return wait(scene, version, reasons.UNMANAGED, _taken(scene), 60.0) if scene.unmanaged else None
    if scene.unmanaged:
        return Step((keep(version, state.changed(unmanaged_since=scene.now)),), 0.0)
    reason, changed = state.hold_reason or reasons.STEP, _given_back(scene, version, state)
    return Step((keep(version, changed, reason=reason, message="it goes on: the HTTPRoute was given back"),), 0.0)


def _taken(scene: Scene) -> str:
    return (
        f"{scene.taken}: a person has the route, so it is observed and not written, and no limit runs; {scene.give_back} to let "
        "the rollout go on, or create a Rollback action"
    )


def asked_for(scene: Scene, version: VersionView, state: RolloutState) -> bool:
    """Whether a person wants this very version to have all users: no window stops that."""
    return state.promoted or scene.is_pinned(version)


def waited(scene: Scene, state: RolloutState, since: float | None) -> float:
    """Seconds of a wait since then that count toward its limit."""
    if since is None:
        return 0.0
    until = scene.now if state.stopped_since is None else state.stopped_since
    return max(0.0, until - since)


def began(state: RolloutState, reason: str) -> float | None:
    """When the wait that a reason stands for began, whatever it was called since; None where there is none."""
    since = state.waiting_since if reason in WAITS else state.missing_since if reason in ABSENT else None
    group = next((group for group in (WAITS, ABSENT) if reason in group), frozenset({reason}))
    # a state of before these fields has its reason's own start alone
    return state.hold_since if since is None and state.hold_reason in group else since


def held_for(scene: Scene, state: RolloutState) -> float:
    """Seconds of the hold, and of those that it goes on from, that count toward its limit."""
    since = began(state, state.hold_reason)
    if state.hold_reason in STANDS_STILL:
        return waited(scene, state, since)
    return scene.now - since if since is not None else 0.0


def _clocks(state: RolloutState) -> dict[str, float]:
    """The starts of the waits whose limits stand still."""
    held = state.hold_since if state.hold_reason in STANDS_STILL else None
    known = {"parked_since": state.parked_since, "waiting_since": state.waiting_since, "hold_since": held}
    return {name: since for name, since in known.items() if since is not None}


def _given_back(scene: Scene, version: VersionView, state: RolloutState) -> RolloutState:
    """The person's time is in no wait for data, and the step begins anew: what was seen was under that person's weights."""
    taken = state.unmanaged_since if state.unmanaged_since is not None else scene.now
    clocks = {"missing_since": state.missing_since}
    if state.hold_reason in ABSENT:
        clocks["hold_since"] = state.hold_since
    moved = {name: since + _later(scene, since, taken) for name, since in clocks.items() if since is not None}
    begun = renew(scene, version, state) if state.weight > 0 else state
    return begun.changed(unmanaged_since=None, clock_start=None, held_seconds=0.0, **moved)


def _later(scene: Scene, since: float, stop: float) -> float:
    """Seconds of a stop that lie after then."""
    return max(0.0, scene.now - max(since, stop))


def go_on(scene: Scene, state: RolloutState) -> RolloutState:
    """The stop is over: its seconds are in no wait."""
    stop = state.stopped_since if state.stopped_since is not None else scene.now
    moved = {name: since + _later(scene, since, stop) for name, since in _clocks(state).items()}
    return state.changed(stopped_since=None, **moved)
