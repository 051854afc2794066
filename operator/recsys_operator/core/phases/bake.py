"""A candidate at 100 percent, the old stable fully loaded: watched for bakeSeconds, then Stable.

bakeSeconds over and Pass, or promoted       -> Stable
Undecided                                    -> onUndecidedFinal: Advance | Hold (until holdLimitSeconds) | Rollback
Fail (harm.py)                               -> all traffic back
"""

from recsys_operator.core import reasons
from recsys_operator.core.phases import watch
from recsys_operator.core.phases.canary import elapsed, hold_is_over, left_by
from recsys_operator.core.phases.holding import hold, nothing_to_wait_for
from recsys_operator.core.phases.promotion import make_stable
from recsys_operator.core.phases.rollback import end_rollout
from recsys_operator.core.phases.subject import state_of, verdict_of
from recsys_operator.core.records import Step, first, wait
from recsys_operator.core.rollout_state import RolloutState
from recsys_operator.core.scene import Scene
from recsys_operator.core.world import VersionView


def decide_bake(scene: Scene, version: VersionView) -> Step:
    """One pass of the bake."""
    return first((*watch.SAFETY, *watch.EVIDENCE, baking, undecided_final, finish), scene, version)


def baking(scene: Scene, version: VersionView) -> Step | None:
    """Not over yet."""
    state = state_of(scene, version)
    left = state.policy.bake_seconds - elapsed(scene, state)
    if left <= 0:
        return None
    return nothing_to_wait_for(scene, version, state) or Step((), max(1.0, left))


def undecided_final(scene: Scene, version: VersionView) -> Step | None:
    """Over without Pass."""
    state, verdict = state_of(scene, version), verdict_of(scene, version)
    if _may_finish(scene, state, verdict.kind):
        return None
    policy = state.policy.on_undecided_final
    enough = _enough(scene, state)
    if policy == "Advance" and enough:
        return settle(scene, version, state, "Undecided")
    if policy == "Rollback" and enough:
        return end_rollout(scene, version, "RolledBack", reasons.UNDECIDED, verdict.message, verdict="Undecided")
    message = "the bake is over without Pass"
    reason = reasons.UNDECIDED if enough else reasons.TOO_FEW_SAMPLES
    step = _hold_final(scene, version, state, reason, message)
    return step if step.acts else Step(step.acts, min(step.after or 5.0, 5.0))


def finish(scene: Scene, version: VersionView) -> Step | None:
    """Pass or promoted."""
    state = state_of(scene, version)
    by = "Pass" if verdict_of(scene, version).kind == "Pass" else "Promote"
    return settle(scene, version, state, by)


def settle(scene: Scene, version: VersionView, state: RolloutState, by: str) -> Step:
    """Stable, unless an approval is missing (a Promote is one) or weight may not move."""
    step = state.current
    approved = state.promoted or (step is not None and step.name in state.approvals)
    if step is not None and step.approval == "Required" and not approved:
        return _hold_final(scene, version, state, reasons.APPROVAL, "create an Approve action to make it stable")
    if scene.paused:
        return _paused(scene, version)
    return finish_by(scene, version, state, by)


def finish_by(scene: Scene, version: VersionView, state: RolloutState, by: str) -> Step:
    """Stable, and why."""
    words = {
        "Pass": "every objective was met beyond chance", "Promote": "promoted by a person",
        "Undecided": "undecided after the bake; onUndecidedFinal is Advance",
        "HoldLimit": "undecided after the bake; onHoldLimit is Advance",
    }  # fmt: skip
    return make_stable(scene, version, reasons.PROMOTED, words[by], left=left_by(scene, version, state, by))


def _may_finish(scene: Scene, state: RolloutState, kind: str) -> bool:
    return state.promoted or (kind == "Pass" and _enough(scene, state))


def _enough(scene: Scene, state: RolloutState) -> bool:
    evidence, step = scene.memory.evidence, state.current
    return evidence is not None and step is not None and evidence.answers >= step.min_samples


def _hold_final(scene: Scene, version: VersionView, state: RolloutState, reason: str, message: str) -> Step:
    if not hold_is_over(scene, state) or state.policy.on_hold_limit != "Advance":
        return hold(scene, version, state, reason, message)
    if scene.paused:
        return _paused(scene, version)
    return finish_by(scene, version, state, "HoldLimit")


def _paused(scene: Scene, version: VersionView) -> Step:
    return wait(scene, version, scene.paused, "it becomes stable when that is over", 60.0)
