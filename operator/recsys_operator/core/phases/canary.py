"""A candidate below 100 percent: when may a step be left, and towards what.

    Pass and minSamples      -> next step
    maxSeconds, Undecided    -> onUndecided: Advance | Hold | Rollback
    Promote                  -> 100 percent
    approval, pause, scaling -> wait before the raise

Weight is raised by `promotion.start_step` alone; the rules of watch.py come first.
"""

from recsys_operator.core import reasons
from recsys_operator.core.phases import watch
from recsys_operator.core.phases.holding import hold, nothing_to_wait_for
from recsys_operator.core.phases.promotion import start_step
from recsys_operator.core.phases.rollback import end_rollout
from recsys_operator.core.phases.standstill import WAITS, held_for
from recsys_operator.core.phases.subject import state_of, verdict_of
from recsys_operator.core.records import Step, first, wait
from recsys_operator.core.rollout_state import Leave, RolloutState
from recsys_operator.core.scene import Scene
from recsys_operator.core.world import VersionView


def decide_canary(scene: Scene, version: VersionView) -> Step:
    """One canary pass."""
    return first((*watch.SAFETY, promoted, *watch.EVIDENCE, passed, overdue, waiting), scene, version)


def promoted(scene: Scene, version: VersionView) -> Step | None:
    """A Promote action skips what is left of the steps, with or without evidence; the bake still watches."""
    state = state_of(scene, version)
    if not state.promoted:
        return None
    return advance(scene, version, state, len(state.steps) - 1, "Promote")


def passed(scene: Scene, version: VersionView) -> Step | None:
    """Pass, with enough samples."""
    state = state_of(scene, version)
    evidence = scene.memory.evidence
    if verdict_of(scene, version).kind != "Pass" or evidence is None or state.current is None:
        return None
    if evidence.answers < state.current.min_samples:
        return None
    return leave(scene, version, state, "Pass")


def overdue(scene: Scene, version: VersionView) -> Step | None:
    """maxSeconds without Pass or Fail, or without the samples that the step asks for."""
    state, step, evidence = state_of(scene, version), state_of(scene, version).current, scene.memory.evidence
    if step is None or evidence is None or elapsed(scene, state) < step.max_seconds:
        return None
    if evidence.answers < step.min_samples:
        message = f"step {step.name} asks for {step.min_samples} samples within {step.max_seconds} s"
        return hold_or_end(scene, version, state, reasons.TOO_FEW_SAMPLES, message)
    policy = state.policy.on_undecided
    verdict = verdict_of(scene, version)
    if policy == "Rollback":
        return end_rollout(scene, version, "RolledBack", reasons.UNDECIDED, verdict.message, verdict="Undecided")
    if policy == "Advance":
        return leave(scene, version, state, "Undecided")
    message = f"step {step.name} is undecided after {step.max_seconds} s"
    return hold_or_end(scene, version, state, reasons.UNDECIDED, message)


def waiting(scene: Scene, version: VersionView) -> Step | None:
    """Until something changes or maxSeconds are over."""
    state = state_of(scene, version)
    if (over := nothing_to_wait_for(scene, version, state)) is not None:
        return over
    step = state.current
    left = step.max_seconds - elapsed(scene, state) if step is not None else 5.0
    return Step((), max(1.0, left))


def elapsed(scene: Scene, state: RolloutState) -> float:
    """Seconds of the step's clock, missing data apart."""
    if state.clock_start is None:
        return 0.0
    return scene.now - state.clock_start - state.held_seconds


def leave(scene: Scene, version: VersionView, state: RolloutState, by: str) -> Step:
    """The step may be left: approval and pause can still keep it."""
    step = state.current
    if step is not None and step.approval == "Required" and step.name not in state.approvals:
        message = f"step {step.name} is done; create an Approve action for the next one"
        return hold_or_end(scene, version, state, reasons.APPROVAL, message)
    return advance(scene, version, state, state.next_step, by)


def advance(scene: Scene, version: VersionView, state: RolloutState, index: int, by: str) -> Step:
    """Raise to a later step, if weight may be raised and the pods for it are ready."""
    if (stop := scene.stop(by_person=by == "Promote")) is not None:
        message = f"{stop.words}no weight is raised; rollbacks still happen"
        return wait(scene, version, stop.reason, message, 60.0)
    weight = state.steps[index].weight
    if not scene.is_ready(version.name, scene.needed(state, weight)):
        message = f"{scene.needed(state, weight)} ready pods are needed for {weight} %"
        if by == "HoldLimit":
            return _last_wait(scene, version, state, message)
        return hold(scene, version, state, reasons.SCALING, message)
    return start_step(scene, version, state, index, left=left_by(scene, version, state, by))


def left_by(scene: Scene, version: VersionView, state: RolloutState, by: str) -> Leave:
    """What allowed the step to be left."""
    evidence = scene.memory.evidence
    detectable = verdict_of(scene, version).detectable if by != "Pass" and evidence is not None else 1.0
    return Leave(
        step=state.current.name if state.current else "", by=by,
        n=evidence.answers if evidence else 0, detectable=round(detectable, 6),
    )  # fmt: skip


def hold_or_end(scene: Scene, version: VersionView, state: RolloutState, reason: str, message: str) -> Step:
    """A hold that ends at holdLimitSeconds in onHoldLimit."""
    if hold_is_over(scene, state) and state.policy.on_hold_limit == "Advance":
        return advance(scene, version, state, state.next_step, "HoldLimit")
    return hold(scene, version, state, reason, message)


def hold_is_over(scene: Scene, state: RolloutState) -> bool:
    """Whether a wait for people or pods has lasted holdLimitSeconds."""
    return state.hold_reason in WAITS and held_for(scene, state) >= state.policy.hold_limit_seconds


def _last_wait(scene: Scene, version: VersionView, state: RolloutState, message: str) -> Step:
    """The hold is over and onHoldLimit is Advance, but there are no pods: as long again, then it is rolled back."""
    left = 2 * state.policy.hold_limit_seconds - held_for(scene, state)
    if left <= 0:
        limit = 2 * state.policy.hold_limit_seconds
        text = f"{message}; not over after {limit} s. A Retry action starts it again"
        return end_rollout(scene, version, "RolledBack", reasons.SCALING, text)
    return Step((), min(left, 5.0))
