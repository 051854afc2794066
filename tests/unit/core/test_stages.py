"""Preparing, training, evaluating: what a Job says, what follows."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    NOW,
    SPEC,
    build_job,
    build_model,
    build_spec,
    build_version,
    build_world,
    kinds,
    model_status,
    writes,
)

from recsys_api.run_spec import EvaluateResult, GateResult, PrepareResult, TrainResult
from recsys_operator.core import identity
from recsys_operator.core.decision import Announce, CreateVersion, DeleteObject, RecordVersion, StartJob
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.world import World

KEY = build_version(1, "Stable").status.evaluation_key
GATED = build_spec(evaluation={"gates": [{"name": "absolute", "metric": {"name": "NDCG"}, "atLeast": "0.1"}]})


def recorded(decision: Any, name: str = "") -> Any:
    found = [act for act in decision.acts if isinstance(act, RecordVersion) and name in ("", act.name)]
    assert len(found) == 1, kinds(decision)
    return found[0].status


def started(decision: Any) -> list[StartJob]:
    return [act for act in decision.acts if isinstance(act, StartJob)]


def test_a_spec_without_version_gets_one() -> None:
    decision = decide(build_world(), NOW)
    created = next(act for act in decision.acts if isinstance(act, CreateVersion))
    assert (created.spec.number, created.spec.trigger, created.owned) == (1, "spec", False)
    assert created.spec.artifacts_uri == "s3://models/shop/movies"


def test_a_suspended_model_starts_nothing() -> None:
    model = build_model(build_spec(suspend=True))
    assert kinds(decide(build_world(model), NOW)) == ["RecordModel"]
    assert started(decide(build_world(model, build_version()), NOW)) == []


def test_a_pending_version_is_recorded_before_its_job_starts() -> None:
    decision = decide(build_world(None, build_version()), NOW)
    assert kinds(decision)[:2] == ["RecordVersion", "StartJob"]
    assert started(decision)[0].stage == "prepare"


def test_preparing_is_told_whose_snapshot_may_be_the_same() -> None:
    older, version = build_version(1, "Stable"), build_version(2)
    assert started(decide(build_world(None, older, version), NOW))[0].stable == older.name
    assert started(decide(build_world(None, build_version(1)), NOW))[0].stable == ""


def test_a_prepared_version_trains() -> None:
    version = build_version(1, "Preparing")
    job = build_job(
        version, "prepare", f"{version.name}-prepare", active=0, complete=True, result=PrepareResult(digest="d", rows=9)
    )
    decision = decide(build_world(None, version, jobs=(job,)), NOW)
    status = recorded(decision)
    assert (status.phase, status.snapshot_digest) == ("Training", "d")
    assert started(decision)[0].stage == "train"


@pytest.mark.parametrize(
    ("trigger", "phase"), [("schedule/x", "NoNewData"), ("action/x", "NoNewData"), ("spec", "Training")]
)
def test_the_same_data_again_is_no_new_version_unless_the_spec_changed(trigger: str, phase: str) -> None:
    older = build_version(1, "Stable", trigger="action/0", snapshot_digest="d")
    version = build_version(2, "Preparing", trigger=trigger)
    job = build_job(
        version, "prepare", f"{version.name}-prepare", active=0, complete=True, result=PrepareResult(digest="d")
    )
    status = recorded(decide(build_world(None, older, version, jobs=(job,)), NOW), version.name)
    assert status.phase == phase


FAILURES: list[tuple[str, dict[str, Any], str, str]] = [
    ("Preparing", {"exit_code": 65, "result": PrepareResult(error="no column user_id")}, "Invalid", "InvalidData"),
    ("Preparing", {"exit_code": 66}, "Invalid", "InvalidData"),
    ("Training", {"exit_code": 64, "result": TrainResult(error="bad manifest")}, "Failed", "JobFailed"),
    ("Training", {"exit_code": 70}, "Failed", "Diverged"),
    ("Training", {"exit_code": 71}, "Failed", "OutOfMemory"),
    ("Training", {"exit_code": 137, "terminated_reason": "OOMKilled"}, "Training", "Retrying"),
    ("Training", {"exit_code": 137, "terminated_reason": "Error"}, "Training", "Retrying"),
    ("Training", {"failed_reason": "DeadlineExceeded"}, "Failed", "DeadlineExceeded"),
    ("Training", {"failed_reason": "BackoffLimitExceeded", "exit_code": 1}, "Failed", "BackoffLimitExceeded"),
]


FULL: list[tuple[dict[str, Any], str]] = [
    (
        {"exit_code": 71, "result": TrainResult(error="/tmp: no space left; set TMPDIR")},
        "/tmp: no space left; set TMPDIR",
    ),
    ({"exit_code": 71}, "it does not fit memory; raise training.resources.limits.memory, then create a Retry action"),
]


@pytest.mark.parametrize(("job", "message"), FULL)
def test_a_full_disk_is_not_called_a_lack_of_memory(job: dict[str, Any], message: str) -> None:
    version = build_version(1, "Training")
    failed = build_job(version, "train", f"{version.name}-train", active=0, failed=True, **job)
    assert recorded(decide(build_world(None, version, jobs=(failed,)), NOW)).message == message


def test_a_job_past_its_deadline_says_what_to_do() -> None:
    version = build_version(1, "Training")
    failed = build_job(
        version, "train", f"{version.name}-train", active=0, failed=True, failed_reason="DeadlineExceeded"
    )
    message = recorded(decide(build_world(None, version, jobs=(failed,)), NOW)).message
    assert message.endswith("ran past training.deadlineSeconds; raise it, then create a Retry action")


@pytest.mark.parametrize(("phase", "job", "after", "reason"), FAILURES)
def test_how_a_job_failed_decides_what_follows(phase: str, job: dict[str, Any], after: str, reason: str) -> None:
    version = build_version(1, phase)
    stage = "prepare" if phase == "Preparing" else "train"
    failed = build_job(version, stage, f"{version.name}-{stage}", active=0, failed=True, **job)
    decision = decide(build_world(None, version, jobs=(failed,)), NOW)
    status = recorded(decision)
    assert (status.phase, status.reason) == (after, reason)
    if after == "Training":
        assert started(decision)[0].attempt == 2
    elif "result" in job:
        assert job["result"].error in status.message


def test_killed_for_memory_twice_is_out_of_memory() -> None:
    version = build_version(1, "Training", attempts={"train": 2, "train-oom": 1})
    job = build_job(
        version, "train", f"{version.name}-train-2", active=0, failed=True, exit_code=137, terminated_reason="OOMKilled"
    )
    assert recorded(decide(build_world(None, version, jobs=(job,)), NOW)).reason == "OutOfMemory"


def test_killed_too_often_is_the_end() -> None:
    version = build_version(1, "Training", attempts={"train": 4})
    job = build_job(version, "train", f"{version.name}-train-4", active=0, failed=True, exit_code=137)
    assert recorded(decide(build_world(None, version, jobs=(job,)), NOW)).reason == "BackoffLimitExceeded"


@pytest.mark.parametrize(("field", "reason"), [("unschedulable", "Unschedulable"), ("waiting", "Waiting")])
def test_why_a_job_does_not_start_is_in_status_once(field: str, reason: str) -> None:
    version = build_version(1, "Training")
    job = build_job(version, "train", f"{version.name}-train", **{field: "0/3 nodes have nvidia.com/gpu"})
    status = recorded(decide(build_world(None, version, jobs=(job,)), NOW))
    assert (status.phase, status.reason, status.message) == ("Training", reason, "0/3 nodes have nvidia.com/gpu")
    again = decide(build_world(None, replace(version, status=status), jobs=(job,)), NOW)
    assert "RecordVersion" not in kinds(again)
    running = decide(build_world(None, replace(version, status=status), jobs=(replace(job, **{field: ""}),)), NOW)
    assert recorded(running).reason == "Training"


@pytest.mark.parametrize(("queue", "words"), [("team-a", "queue team-a"), (None, "somebody suspended it")])
def test_a_job_that_is_not_admitted_says_so_and_whom_it_waits_for(queue: str | None, words: str) -> None:
    """Kueue suspends it, and then its own deadline does not run: it waited without a word."""
    spec = build_spec(training={"queueName": queue} if queue else {})
    version = build_version(1, "Training", spec)
    job = build_job(version, "train", f"{version.name}-train", active=0, suspended=True)
    decision = decide(build_world(build_model(spec), version, jobs=(job,)), NOW)
    status = recorded(decision)
    assert (status.phase, status.reason) == ("Training", "Queued")
    assert words in status.message
    world = build_world(build_model(spec), replace(version, status=status), jobs=(job,))
    assert model_status(decide(world, NOW)).reason == "Queued"
    admitted = decide(replace(world, jobs=(replace(job, suspended=False, active=1),)), NOW)
    assert recorded(admitted).reason == "Training"


@pytest.mark.parametrize("field", ["unschedulable", "waiting"])
def test_why_a_report_job_does_not_start_is_in_status_too(field: str) -> None:
    version = build_version(1, "Training")
    job = build_job(version, "train", f"{version.name}-train", active=0, complete=True)
    report = build_job(version, "report", f"{version.name}-report-train", **{field: "no node"})
    assert recorded(decide(build_world(None, version, jobs=(job, report)), NOW)).message == "no node"


def test_a_job_without_readable_report_gets_a_report_job() -> None:
    version = build_version(1, "Training")
    job = build_job(version, "train", f"{version.name}-train", active=0, complete=True)
    decision = decide(build_world(None, version, jobs=(job,)), NOW)
    assert [(act.stage, act.reports_stage) for act in started(decision)] == [("report", "train")]
    report = build_job(
        version,
        "report",
        f"{version.name}-report-train",
        active=0,
        complete=True,
        result=TrainResult(digest="sha256:x"),
    )
    assert recorded(decide(build_world(None, version, jobs=(job, report)), NOW)).digest == "sha256:x"
    lost = replace(report, complete=False, failed=True, result=None)
    assert recorded(decide(build_world(None, version, jobs=(job, lost)), NOW)).reason == "ReportUnreadable"


def gate(outcome: str) -> EvaluateResult:
    return EvaluateResult(gates=(GateResult(name="absolute", outcome=outcome, message="ndcg@10"),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outcome", "policy", "with_stable", "phase"),
    [
        ("Pass", "Hold", False, "Warming"),
        ("Fail", "Pass", False, "Rejected"),
        ("Undecided", "Pass", False, "Warming"),
        ("Undecided", "Reject", False, "Rejected"),
        ("Undecided", "Hold", False, "Evaluating"),
        ("NotComparable", "Reject", True, "Rejected"),
        ("NotComparable", "Reject", False, "Warming"),
    ],
)
def test_gates_and_doubt_decide_whether_a_version_is_rolled_out(
    outcome: str, policy: str, with_stable: bool, phase: str
) -> None:
    spec = build_spec(evaluation={"gates": GATED.to_dict()["evaluation"]["gates"], "onUndecided": policy})  # type: ignore[index]
    version = build_version(2, "Evaluating", spec, digest="sha256:x")
    key = identity.evaluation_key(spec.evaluation)
    job = build_job(
        version, "evaluate", f"{version.name}-eval-{key}", key=key, active=0, complete=True, result=gate(outcome)
    )
    others = (build_version(1, "Stable", spec),) if with_stable else ()
    status = recorded(decide(build_world(build_model(spec), *others, version, jobs=(job,)), NOW), version.name)
    assert status.phase == phase
    assert status.evaluation_key == key


def test_a_gate_that_the_report_does_not_speak_of_is_undecided() -> None:
    version = build_version(1, "Evaluating", GATED, digest="sha256:x")
    key = identity.evaluation_key(GATED.evaluation)
    job = build_job(
        version, "evaluate", f"{version.name}-eval-{key}", key=key, active=0, complete=True, result=EvaluateResult()
    )
    assert recorded(decide(build_world(build_model(GATED), version, jobs=(job,)), NOW)).reason == "GateUndecided"


@pytest.mark.parametrize(("age", "phase"), [(10.0, None), (100.0, "Rejected")])
def test_a_gate_in_doubt_waits_for_a_person_but_not_for_ever(age: float, phase: str | None) -> None:
    version = build_version(
        1, "Evaluating", GATED, age=age, digest="sha256:x", reason="GateUndecided",
        evaluation_key=identity.evaluation_key(GATED.evaluation),
    )  # fmt: skip
    decision = decide(build_world(build_model(GATED), version), NOW)
    if phase is None:
        assert "RecordVersion" not in kinds(decision)
        assert decision.requeue_after == pytest.approx(50.0)
    else:
        assert recorded(decision).phase == phase


@pytest.mark.parametrize(("phase", "after"), [("Rejected", "Evaluating"), ("Stable", None)])
def test_changed_gates_evaluate_again_and_never_train(phase: str, after: str | None) -> None:
    version = build_version(1, phase, SPEC, digest="sha256:x", evaluation_key=KEY)
    version = replace(version, spec=version.spec.model_copy(update={"source": GATED}))
    decision = decide(build_world(build_model(GATED), version), NOW)
    assert [act.stage for act in started(decision)] == ["evaluate"]
    if after is not None:
        assert recorded(decision).phase == after


@pytest.mark.parametrize(
    "job",
    [
        {"failed": True, "exit_code": 65}, {"failed": True, "failed_reason": "DeadlineExceeded"},
        {"failed": True, "exit_code": 70}, {"failed": True, "failed_reason": "BackoffLimitExceeded"},
    ],
)  # fmt: skip
def test_a_stable_version_whose_changed_gates_cannot_be_judged_stays_stable(job: dict[str, Any]) -> None:
    """It was Failed: the previous version took its users, or the next one all of them without a canary."""
    world = judged_while_serving(active=0, **job)
    decision = decide(world, NOW)
    status = recorded(decision)
    (condition,) = [each for each in status.conditions if each.type == "GatePassed"]
    assert (status.phase, status.reason, condition.status) == ("Stable", world.versions[0].status.reason, "True")
    assert "the changed gates are not judged" in condition.message
    assert [act.reason for act in decision.acts if isinstance(act, Announce)] == [condition.reason]
    after = replace(world, versions=(replace(world.versions[0], status=status),))
    assert [act for act in writes(decide(after, NOW)) if isinstance(act, RecordVersion | StartJob)] == []


def test_a_job_that_judges_a_stable_version_again_has_its_attempts_and_its_words() -> None:
    killed = judged_while_serving(active=0, failed=True, exit_code=137)
    decision = decide(killed, NOW)
    assert [act.attempt for act in started(decision)] == [2]
    assert (recorded(decision).attempts["evaluate"], recorded(decision).phase) == (2, "Stable")
    waiting = judged_while_serving(unschedulable="0/3 nodes are available")
    status = recorded(decide(waiting, NOW))
    assert status.reason == waiting.versions[0].status.reason
    assert "0/3 nodes are available" in status.conditions[0].message
    after = replace(waiting, versions=(replace(waiting.versions[0], status=status),))
    assert [act for act in writes(decide(after, NOW)) if isinstance(act, RecordVersion)] == []


def judged_while_serving(**job: Any) -> World:
    """A stable version that is judged again by changed gates."""
    version = build_version(1, "Stable", GATED, evaluation_key=KEY, reason="Promoted")
    key = identity.evaluation_key(GATED.evaluation)
    judging = build_job(version, "evaluate", f"{version.name}-eval-{key}", key=key, **job)
    return build_world(build_model(GATED), version, jobs=(judging,))


def test_a_change_of_spec_ends_what_is_still_being_made() -> None:
    other = build_spec(model={"embeddingDim": 8})
    version = build_version(1, "Training")
    job = build_job(version, "train", f"{version.name}-train")
    decision = decide(build_world(build_model(other), version, jobs=(job,)), NOW)
    assert recorded(decision, version.name).phase == "Superseded"
    ended = replace(version, status=recorded(decision, version.name))
    deleted = [
        act
        for act in writes(decide(build_world(build_model(other), ended, jobs=(job,)), NOW))
        if isinstance(act, DeleteObject)
    ]
    assert [(act.kind, act.name) for act in deleted] == [("Job", job.name)]


def test_a_version_that_was_overtaken_before_it_was_trained_goes_on_when_its_spec_returns() -> None:
    version = build_version(1, "Superseded", digest="", conditions=(), reason="SpecChanged")
    assert recorded(decide(build_world(None, version), NOW)).phase == "Pending"


def test_the_schedule_makes_one_version_for_the_newest_time() -> None:
    spec = build_spec(training={"schedule": "0 * * * *"})
    stable = build_version(1, "Stable", spec, age=3 * 3600.0)
    decision = decide(build_world(build_model(spec), stable), NOW)
    created = [act.spec.trigger for act in decision.acts if isinstance(act, CreateVersion)]
    assert len(created) == 1
    assert created[0].startswith("schedule/2027-")
    young = replace(stable, created_at=NOW)
    assert not [
        act for act in decide(build_world(build_model(spec), young), NOW).acts if isinstance(act, CreateVersion)
    ]
