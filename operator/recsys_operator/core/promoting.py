"""Promote: a person decided for this very version. It happens, or it is refused with what keeps it from happening.

    gate in doubt     passed
    Warming, parked   all users when the pods for them are ready, without the watch of stable; no window stops it
    Canary            all users when the pods for them are ready; a Fail that waits for a person is overruled
    Baking            Stable

A pause is waited for. What takes the users away in this very pass is not overruled: pods that are not ready, and under
`rollback.mode: Auto` a Fail; where no other version could take the users, nothing takes them away.
"""

from recsys_operator.core import reasons
from recsys_operator.core.phases import warming
from recsys_operator.core.phases.evaluating import pass_gates
from recsys_operator.core.phases.harm import describe_harm, shown_fail
from recsys_operator.core.phases.promotion import make_stable, new_state
from recsys_operator.core.phases.rollback import fallback_of
from recsys_operator.core.records import keep, request_condition
from recsys_operator.core.requests import Answer, Request, find_running, mark, refuse, refuse_running
from recsys_operator.core.rollout_state import Leave, RolloutState
from recsys_operator.core.scene import ROLLING, Scene
from recsys_operator.core.world import VersionView


def promote(scene: Scene, request: Request) -> Answer:
    """Carry a Promote out."""
    version = find_running(scene, request)
    if version is None:
        return refuse_running(request)
    state, phase = scene.state(version), version.status.phase
    if phase == "Evaluating" and version.status.reason == reasons.GATE_UNDECIDED:
        step = pass_gates(scene, version, request.who, extra=request_condition(scene, request.verb, request.key))
        return Answer(f"{version.name} passes its gates on request", step.acts)
    if phase == "Warming" and scene.spec is not None:
        state = state or new_state(scene, version).changed(started_at=0.0)
    if state is None or phase not in ROLLING | {"Warming"}:
        return refuse(f"{version.name} is {phase}: there is nothing to promote yet")
    if obstacle := _obstacle(scene, version, state):
        return refuse(f"{version.name} is not promoted: {obstacle}")
    if phase == "Baking":
        return _to_stable(scene, version, state, request)
    return _to_all(scene, version, state, request)


def _obstacle(scene: Scene, version: VersionView, state: RolloutState) -> str:
    """What keeps it from happening; empty where nothing does."""
    pin, phase = scene.pin, version.status.phase
    if scene.unmanaged:
        return f"{scene.taken}; {scene.give_back} first"
    if pin is not None and pin.version is not None and pin.version.name != version.name:
        return f"{pin.version.name} is pinned; remove the pin first"
    # a version that is the only one left is not superseded, and waits for this very Promote
    ends = phase == "Warming" or (phase == "Canary" and fallback_of(scene, version))
    if ends and scene.spec_hash not in ("", version.spec.spec_hash):
        return "the spec asks for another model now"
    if phase == "Warming":
        wanted = scene.model.spec is None or (scene.target is not None and scene.target.name == version.name)
        return "" if wanted else warming.why_not_wanted(scene, version)[1]
    if state.weight == 0 or not fallback_of(scene, version):
        return ""
    if harm := describe_harm(scene, version, state):
        return f"{harm}, so it loses its users now"
    verdict = shown_fail(scene, version, state)
    if verdict is not None and state.policy.rollback.mode == "Auto":
        return f"{verdict.message}, so it loses its users now"
    return ""


def _to_stable(scene: Scene, version: VersionView, state: RolloutState, request: Request) -> Answer:
    left = Leave(step=state.current.name if state.current else "", by="Promote")
    step = make_stable(scene, version, reasons.PROMOTED, request.who, left=left, request=request.key, verb=request.verb)
    return Answer(f"{version.name} is stable", step.acts)


def _to_all(scene: Scene, version: VersionView, state: RolloutState, request: Request) -> Answer:
    """The wait for its pods is one of its own, whatever was waited for before."""
    fails = shown_fail(scene, version, state) is not None
    promoted = state.changed(promoted=True, overruled=state.segment if fails else state.overruled)
    if version.status.phase == "Canary":
        promoted = promoted.unheld()
    done = keep(version, promoted, conditions=mark(scene, version, request))
    return Answer(f"{version.name} goes to 100 % when its pods are ready{_waits(scene, version)}", (done,))


def _waits(scene: Scene, version: VersionView) -> str:
    if version.status.phase == "Warming":
        why = warming.turn_of(scene, version, promoted=True)
        return f"; {why.reason}: {why.message}" if why is not None else ""
    stop = scene.stop(by_person=True)
    return f"; {stop.reason}: it waits until that is over" if stop is not None else ""
