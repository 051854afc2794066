"""Evaluating: the exported artifact against the gates, and what `onUndecided` makes of doubt.

The key of an evaluation is a hash of the gates (and of the stable version, where a gate compares with it): changed gates
are another Job on the same version, never another training. A version that already serves is judged again without
losing its traffic; status says what its gates say now.
"""

from typing import Any

from recsys_api.model_version import Condition
from recsys_api.run_spec import EvaluateResult, GateResult
from recsys_api.spec.evaluation import Evaluation
from recsys_operator.core import clock, identity, reasons
from recsys_operator.core.attendance import later
from recsys_operator.core.decision import RecordVersion
from recsys_operator.core.lineage import find_condition
from recsys_operator.core.phases.stages import Result, StageRun, attempt_of, end_stage, run_stage
from recsys_operator.core.records import Step, announce, build_condition, move, record, with_condition
from recsys_operator.core.scene import Scene
from recsys_operator.core.world import VersionView

JUDGED_WAITING = frozenset({"Rejected", "Warming"})
"""Phases from which changed gates lead back to Evaluating."""


def decide_evaluating(scene: Scene, version: VersionView) -> Step:
    """Evaluating -> Warming | Rejected, or a wait for a person."""
    run = evaluation_run(scene, version)
    same = scene.model.spec is None or version.status.evaluation_key == run.key
    if version.status.reason == reasons.GATE_UNDECIDED and same:
        return _hold(scene, version)
    answer = run_stage(scene, version, run)
    if isinstance(answer, Step):
        return answer
    assert isinstance(answer, EvaluateResult)
    return _judge(scene, version, run, answer)


def decide_gates_changed(scene: Scene, version: VersionView) -> Step | None:
    """The gates are other ones now: judge this version again."""
    if scene.model.spec is None or not version.status.digest or version.spec.spec_hash != scene.spec_hash:
        return None
    run = evaluation_run(scene, version)
    state = scene.state(version)
    by_person = scene.is_pinned(version) or (version.status.phase == "Warming" and state is not None and state.promoted)
    if by_person:
        return None
    if not version.status.evaluation_key or identity.same_gates(version.status.evaluation_key, run.key):
        return None
    if version.status.phase in JUDGED_WAITING:
        message = "the gates changed: judged again, not trained again"
        done = move(scene, version, "Evaluating", reasons.EVALUATING, message)
        return Step((done,) if scene.suspended else (done, run.start()), 10.0)
    if version.status.phase != "Stable":
        return None
    answer = run_stage(scene, version, run)
    if isinstance(answer, Step):
        acts = (
            _while_serving(scene, version, run, act) if isinstance(act, RecordVersion) else act for act in answer.acts
        )
        return Step(tuple(acts), answer.after)
    return Step((_judged_again(scene, version, run, answer),), 0.0)


def evaluation_run(scene: Scene, version: VersionView) -> StageRun:
    """The evaluation that today's gates and today's stable version ask for."""
    stable = scene.stable.name if scene.stable is not None and scene.stable.name != version.name else ""
    key = identity.evaluation_key(_gates_of(scene, version), stable)
    return StageRun(version.name, "evaluate", attempt_of(version, "evaluate"), key, stable)


def pass_gates(scene: Scene, version: VersionView, message: str, **changes: Any) -> Step:
    """On to Warming."""
    condition = build_condition(scene, "GatePassed", True, reasons.GATES_PASSED, message)
    extra = changes.pop("extra", None)
    conditions = with_condition(version.status.conditions, condition)
    if isinstance(extra, Condition):
        conditions = with_condition(conditions, extra)
    begins = scene.before_another(version)
    done = move(
        scene, version, "Warming", reasons.GATES_PASSED, message, state=begins, conditions=conditions, **changes
    )
    return Step((done, announce(version, reasons.GATES_PASSED, message)), 0.0)


def _gates_of(scene: Scene, version: VersionView) -> Evaluation:
    return scene.spec.evaluation if scene.spec is not None else version.spec.source.evaluation


def _judge(scene: Scene, version: VersionView, run: StageRun, answer: EvaluateResult) -> Step:
    gates = _complete(scene, version, answer)
    found: dict[str, Any] = {
        "gates": gates, "evaluation_key": run.key, "offline": answer.metrics, "baseline": answer.baseline
    }  # fmt: skip
    outcome, message = _outcome(gates, first=not run.stable)
    policy = _gates_of(scene, version).on_undecided
    if outcome == "Pass" or (outcome == "Undecided" and policy == "Pass"):
        return pass_gates(scene, version, message, **found)
    if outcome == "Undecided" and policy == "Hold":
        text = f"{message}; create a Promote action, else it is rejected"
        done = move(
            scene, version, "Evaluating", reasons.GATE_UNDECIDED, text, phase_since=clock.to_text(scene.now), **found
        )
        return Step((done, announce(version, reasons.GATE_UNDECIDED, text, warning=True)), 5.0)
    reason = reasons.GATE_FAILED if outcome == "Fail" else reasons.GATE_UNDECIDED
    condition = build_condition(scene, "GatePassed", False, reason, message)
    done = move(scene, version, "Rejected", reason, message, condition=condition, **found)
    return Step((done, announce(version, reason, message, warning=True)), 0.0)


def _hold(scene: Scene, version: VersionView) -> Step:
    limit = scene.spec.rollout.hold_limit_seconds if scene.spec is not None else 3600
    known = clock.to_seconds(version.status.phase_since, scene.now)
    since = later(known, scene.gap)
    left = since + limit - scene.now
    if left > 0:
        moved = (record(version, phase_since=clock.to_text(since)),) if since != known else ()
        return Step(moved, left)
    return end_stage(
        scene, version, "Rejected", reasons.GATE_HOLD_LIMIT, f"{version.status.message}; nobody did within {limit} s"
    )


def _judged_again(scene: Scene, version: VersionView, run: StageRun, answer: Result) -> RecordVersion:
    assert isinstance(answer, EvaluateResult)
    gates = _complete(scene, version, answer)
    outcome, message = _outcome(gates, first=not run.stable)
    value = {"Pass": True, "Fail": False}.get(outcome)
    reason = (
        reasons.GATES_PASSED if outcome == "Pass" else reasons.GATE_FAILED if value is False else reasons.GATE_UNDECIDED
    )
    text = f"{message} (judged again while serving: its traffic stays)"
    condition = build_condition(scene, "GatePassed", value, reason, text)
    conditions = with_condition(version.status.conditions, condition)
    return record(
        version, gates=gates, evaluation_key=run.key, offline=answer.metrics, baseline=answer.baseline,
        conditions=conditions,
    )  # fmt: skip


def _while_serving(scene: Scene, version: VersionView, run: StageRun, said: RecordVersion) -> RecordVersion:
    """What a Job's troubles are for a version that serves: words in its condition. What it is, and what its last gates said, stays.

    Where the Job ended it is not asked again until the gates change: a run of another key.
    """
    known, told = find_condition(version.status.conditions, "GatePassed"), said.status
    value = {"True": True, "False": False}.get(known.status) if known is not None else None
    message = f"{told.message}; the changed gates are not judged, and its traffic stays"
    condition = build_condition(scene, "GatePassed", value, told.reason, message)
    ended = {"evaluation_key": run.key} if told.phase != version.status.phase else {}
    conditions = with_condition(version.status.conditions, condition)
    return record(version, attempts=told.attempts, conditions=conditions, **ended)


def _complete(scene: Scene, version: VersionView, answer: EvaluateResult) -> tuple[GateResult, ...]:
    """The results, with Undecided for every gate that the report does not speak of."""
    named = {gate.name for gate in answer.gates}
    missing = tuple(
        GateResult(name=gate.name, outcome="Undecided", message="the report does not speak of this gate")
        for gate in _gates_of(scene, version).gates
        if gate.name not in named
    )
    return answer.gates + missing


def _outcome(gates: tuple[GateResult, ...], *, first: bool) -> tuple[str, str]:
    """The worst outcome and its sentence. Without a stable version there is nothing to be compared with: that passes."""
    for gate in gates:
        if gate.outcome == "Fail":
            return "Fail", f"gate {gate.name}: {gate.message}"
    for gate in gates:
        if gate.outcome == "Undecided" or (gate.outcome == "NotComparable" and not first):
            return "Undecided", f"gate {gate.name}: {gate.message}"
    if not gates:
        return "Pass", "no gate is declared"
    return "Pass", f"{len(gates)} of {len(gates)} gates passed"
