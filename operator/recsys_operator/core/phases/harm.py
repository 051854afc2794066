"""What takes the weight away: pods that are not ready, a verdict of Fail, both arms in breach."""

from recsys_operator.core import reasons
from recsys_operator.core.analysis.verdicts import Verdict
from recsys_operator.core.phases.holding import BANK_SECONDS, with_evidence
from recsys_operator.core.phases.rollback import describe_alone, end_rollout, fallback_of, park
from recsys_operator.core.phases.subject import state_of, verdict_of
from recsys_operator.core.records import Step, announce, keep
from recsys_operator.core.rollout_state import RolloutState
from recsys_operator.core.scene import Scene
from recsys_operator.core.world import VersionView


def pods_not_ready(scene: Scene, version: VersionView) -> Step | None:
    """Fewer ready pods than the weight needs, or one that restarted (its server too): weight 0.

    The second time for good, and where it has failed besides. A pod that goes, as with a drained node, is none of these
    while enough others are ready.
    """
    state = state_of(scene, version)
    if state.weight == 0 or not fallback_of(scene, version):
        return None
    harm = describe_harm(scene, version, state)
    if not harm:
        return None
    if (fail := _decided_fail(scene, version, state)) is not None:
        if state.policy.rollback.mode == "Auto":
            return None
        message = f"{fail.message}; {harm}"
        return end_rollout(scene, version, "RolledBack", reasons.CANDIDATE_NOT_READY, message, verdict="Fail")
    if state.strikes == 0:
        return park(scene, version, state, reasons.CANDIDATE_NOT_READY, harm)
    return end_rollout(
        scene, version, "RolledBack", reasons.CANDIDATE_NOT_READY, f"for the second time: {harm}", verdict="Fail"
    )


def failed(scene: Scene, version: VersionView) -> Step | None:
    """Fail loses all traffic at once; under Manual and Disabled a person decides."""
    state = state_of(scene, version)
    verdict = shown_fail(scene, version, state)
    if verdict is None or verdict.kind != "Fail":
        return None
    if (call := _call_of_person(scene, version, state)) is not None:
        return _wait_for_person(scene, version, state, verdict, *call)
    return end_rollout(scene, version, "RolledBack", reasons.SLO_FAILED, verdict.message, verdict="Fail")


def both_breach(scene: Scene, version: VersionView) -> Step | None:
    """Both arms breach and no difference is shown: the candidate is the suspect, since stable was healthy before it."""
    state = state_of(scene, version)
    verdict = shown_fail(scene, version, state)
    if verdict is None or verdict.kind != "BothBreach":
        return None
    if (call := _call_of_person(scene, version, state)) is not None:
        return _wait_for_person(scene, version, state, verdict, *call)
    message = f"{verdict.message}; stable breaches too"
    if state.breaches == 0:
        return park(scene, version, state, reasons.BOTH_BREACH, message)
    return end_rollout(
        scene, version, "RolledBack", reasons.BOTH_BREACH, f"for the second time: {message}", verdict="BothBreach"
    )


def describe_harm(scene: Scene, version: VersionView, state: RolloutState) -> str:
    """What takes the users of a version away without a verdict; empty where nothing does."""
    if short := describe_shortage(scene, version, state):
        return short
    known = {pod.uid: pod.restarts for pod in scene.pods(version.name)}
    for uid, restarts in state.pods.items():
        if known.get(uid, restarts) > restarts:
            return f"a pod restarted{_words(scene, version)}"
    evidence = scene.memory.evidence
    if evidence is not None and evidence.segment == state.segment and evidence.server_restarts:
        return "tritonserver restarted in a pod"
    return ""


def describe_shortage(scene: Scene, version: VersionView, state: RolloutState) -> str:
    """Fewer ready pods than its weight needs; empty where there are enough."""
    ready, needed = len(scene.ready_pods(version.name)), scene.needed(state, state.weight)
    return f"{ready} of {needed} pods are ready{_words(scene, version)}" if ready < needed else ""


def shown_fail(scene: Scene, version: VersionView, state: RolloutState) -> Verdict | None:
    """The verdict that takes its users away: a Fail, of it alone or of both arms."""
    verdict = verdict_of(scene, version) if state.weight > 0 else None
    return verdict if verdict is not None and verdict.kind in ("Fail", "BothBreach") else None


def _decided_fail(scene: Scene, version: VersionView, state: RolloutState) -> Verdict | None:
    """A Fail of it alone that no person has overruled."""
    fail = shown_fail(scene, version, state)
    return fail if fail is not None and fail.kind == "Fail" and state.overruled != state.segment else None


def _words(scene: Scene, version: VersionView) -> str:
    said = [pod.waiting or pod.last_terminated or pod.unschedulable for pod in scene.pods(version.name)]
    found = next((words for words in said if words), "")
    return f" ({found})" if found else ""


def _call_of_person(scene: Scene, version: VersionView, state: RolloutState) -> tuple[str, str] | None:
    """(reason, what to do) where a person decides about a Fail; None where it is rolled back."""
    if not fallback_of(scene, version):
        return reasons.NO_FALLBACK, describe_alone(scene, version)
    mode = state.policy.rollback.mode
    if mode == "Auto":
        return None
    return reasons.MANUAL_ROLLBACK, f"rollback.mode is {mode}: create a Rollback or a Promote action"


def _wait_for_person(
    scene: Scene, version: VersionView, state: RolloutState, verdict: Verdict, reason: str, what: str
) -> Step | None:
    """Manual tells of it in an event too, once; Disabled only in status. No limit: that is what the mode asks for. A
    Promote that was given in sight of the Fail is the person's decision.

    The message counts events, so it moves every second: it is written anew with the bank, not by itself.
    """
    if state.overruled == state.segment:
        return None
    known = version.status.reason == reason
    due = state.banked_at + BANK_SECONDS - scene.now
    if known and due > 0:
        return Step((), due)
    message = f"{verdict.message}; {what}"
    if known and message == version.status.message:
        return Step((), BANK_SECONDS)
    done = keep(version, with_evidence(scene, state, verdict), reason=reason, message=message)
    if known or (state.policy.rollback.mode == "Disabled" and reason == reasons.MANUAL_ROLLBACK):
        return Step((done,), BANK_SECONDS)
    return Step((done, announce(version, reason, message, warning=True)), BANK_SECONDS)
