"""What people ask for, once each."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    BAD,
    NOW,
    WATCHED,
    build_action,
    build_model,
    build_rollout,
    build_spec,
    build_version,
    build_world,
    finished,
    kinds,
    model_status,
    recorded,
    two_versions,
)

from recsys_api.model_action import ModelActionStatus
from recsys_api.model_status import PinnedState, RecommenderModelStatus
from recsys_operator.core import clock
from recsys_operator.core.actions import pending_requests
from recsys_operator.core.decision import (
    CreateVersion,
    DeleteObject,
    EnsureRoute,
    RecordAction,
    may_wait,
)
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.rollout_state import read_state
from recsys_operator.core.scene import Scene


def test_actions_are_carried_out_in_the_order_in_which_they_were_created() -> None:
    """Within one second too, and where a clock was set back between them."""
    made = [
        build_action(verb, name=name, created_at=at, resource_version=order)
        for verb, name, at, order in (
            ("Resume", "a", NOW, "10"),
            ("Unpin", "b", NOW, "9"),
            ("Retrain", "c", NOW + 5, "8"),
        )
    ]
    scene = Scene(two_versions(actions=tuple(made)), NOW)
    assert [request.verb for request in pending_requests(scene)] == ["Retrain", "Unpin", "Resume"]


def test_an_action_that_somebody_labelled_later_keeps_its_place() -> None:
    first = build_action("Resume", name="a", resource_version="12", asked_version="9")
    second = build_action("Unpin", name="b", resource_version="11", asked_version="11")
    scene = Scene(two_versions(actions=(second, first)), NOW)
    assert [request.verb for request in pending_requests(scene)] == ["Resume", "Unpin"]


def test_promote_in_the_canary_goes_to_all_users_and_bakes() -> None:
    rollout = build_rollout()
    world = rollout.world(actions=(build_action("Promote", rollout.candidate.name),))
    first = decide(world, NOW, WATCHED)
    status = recorded(first, rollout.candidate.name)
    state = read_state(status)
    assert state is not None
    assert state.promoted
    after = replace(world, versions=(rollout.stable, replace(rollout.candidate, status=status)), actions=())
    second = decide(after, NOW, WATCHED)
    assert recorded(second, rollout.candidate.name).phase == "Baking"


def test_promote_in_the_bake_makes_it_stable() -> None:
    rollout = build_rollout(phase="Baking")
    decision = decide(rollout.world(actions=(build_action("Promote", rollout.candidate.name),)), NOW, WATCHED)
    assert recorded(decision, rollout.candidate.name).phase == "Stable"
    assert recorded(decision, rollout.stable.name).phase == "Previous"


def test_promote_lets_a_gate_in_doubt_pass() -> None:
    version = build_version(1, "Evaluating", digest="sha256:x", reason="GateUndecided", evaluation_key="k")
    decision = decide(build_world(None, version, actions=(build_action("Promote", version.name),)), NOW)
    assert recorded(decision, version.name).phase == "Warming"
    assert finished(decision) == "Done"


def test_promote_of_a_version_that_failed_its_gates_is_refused() -> None:
    version = build_version(
        1, "Rejected", digest="sha256:x", evaluation_key=build_version(1, "Stable").status.evaluation_key
    )
    assert (
        finished(decide(build_world(None, version, actions=(build_action("Promote", version.name),)), NOW)) == "Refused"
    )


@pytest.mark.parametrize(
    ("before", "after"), [((), ("first",)), (("first",), ("first",)), (("zeroth",), ("zeroth", "first"))]
)
def test_approve_names_the_running_step_once(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    steps = [{"name": "first", "weight": 25, "approval": "Required"}, {"name": "all", "weight": 100}]
    rollout = build_rollout(build_spec(rollout={"steps": steps}), approvals=before)
    decision = decide(rollout.world(actions=(build_action("Approve"),)), NOW, WATCHED)
    state = read_state(recorded(decision, rollout.candidate.name))
    assert state is not None
    assert state.approvals == after


@pytest.mark.parametrize(
    ("phase", "fields", "after"),
    [
        ("RolledBack", {"quarantined": True}, "Superseded"),
        ("Failed", {}, "Pending"),
        ("Invalid", {}, "Pending"),
        ("Rejected", {"digest": "sha256:x"}, "Evaluating"),
    ],
)
def test_retry_takes_back_how_a_version_ended(phase: str, fields: dict[str, Any], after: str) -> None:
    version = build_version(1, phase, **fields)
    decision = decide(build_world(None, version, actions=(build_action("Retry", version.name),)), NOW)
    status = recorded(decision, version.name)
    assert (status.phase, status.quarantined) == (after, False)
    if after == "Pending":
        assert status.attempts == {"prepare": 2, "train": 2}


def test_pause_and_resume_are_kept_in_the_models_status() -> None:
    paused = decide(two_versions(actions=(build_action("Pause"),)), NOW)
    assert model_status(paused).paused_by == "ann"
    model = build_model(status=RecommenderModelStatus(paused_by="ann"))
    assert model_status(decide(two_versions(model=model, actions=(build_action("Resume"),)), NOW)).paused_by == ""
    rollout = build_rollout(clock_start=NOW - 31)
    assert not [act for act in decide(rollout.world(model=model), NOW, WATCHED).acts if isinstance(act, EnsureRoute)]


@pytest.mark.parametrize("verb", ["Pause", "Pin", "Resume", "Unpin"])
def test_what_only_the_models_status_remembers_is_there_before_the_action_is_called_done(verb: str) -> None:
    version = build_version(1).name
    pinned = PinnedState(version=version, phase="Pinned", source="Action")
    before = {"paused_by": "ann", "pinned": pinned} if verb in ("Resume", "Unpin") else {}
    model = build_model(status=RecommenderModelStatus(**before))
    action = build_action(verb, version if verb == "Pin" else None)
    decision = decide(two_versions(model=model, actions=(action,)), NOW)
    assert kinds(decision)[-2:] == ["RecordModel", "RecordAction"]
    assert not any(may_wait(act) for act in decision.acts)


def test_an_answer_that_the_models_status_remembers_waits_for_nothing_that_may_be_refused() -> None:
    world = two_versions(serving={}, actions=(build_action("Pause"),))
    assert "EnsureServing" in kinds(decide(two_versions(serving={}), NOW))
    assert kinds(decide(world, NOW)) == ["RecordModel", "RecordAction"]
    passed = build_rollout(approvals=("first",), clock_start=NOW - 3000)
    assert "EnsureRoute" in kinds(decide(passed.world(), NOW, WATCHED))
    decision = decide(passed.world(actions=(build_action("Pause"),)), NOW, WATCHED)
    assert kinds(decision) == ["RecordModel", "RecordAction"], "no weight is raised beside a Pause"


def test_a_pause_keeps_no_verdict_from_taking_the_users_away() -> None:
    rollout = build_rollout()
    decision = decide(rollout.world(own=BAD, actions=(build_action("Pause"),)), NOW, WATCHED)
    assert kinds(decision) == ["EnsureRoute", "RecordVersion", "RecordModel", "RecordAction"]
    assert recorded(decision, rollout.candidate.name).phase == "RolledBack"


def test_an_approve_of_a_step_that_asks_for_none_is_refused() -> None:
    """It was called done, and did nothing."""
    rollout = build_rollout()
    decision = decide(rollout.world(actions=(build_action("Approve"),)), NOW, WATCHED)
    (said,) = [act.status for act in decision.acts if isinstance(act, RecordAction)]
    assert (said.phase, "step first" in said.message, "no approval" in said.message) == ("Refused", True, True)


def test_retrain_makes_another_version_once() -> None:
    world = two_versions(actions=(build_action("Retrain"),))
    created = [act for act in decide(world, NOW).acts if isinstance(act, CreateVersion)]
    assert [act.spec.trigger for act in created] == ["action/uid-a1"]
    assert created[0].spec.number == 3


@pytest.mark.parametrize(("age", "deleted"), [(86399.0, False), (86401.0, True)])
def test_a_finished_action_goes_after_its_time(age: float, deleted: bool) -> None:
    done = build_action("Pause", status=ModelActionStatus(phase="Done", finished_at=clock.to_text(NOW - age)))
    decision = decide(two_versions(actions=(done,)), NOW)
    assert [act.kind for act in decision.acts if isinstance(act, DeleteObject)] == (["ModelAction"] if deleted else [])


NOTHING_RUNS = [
    ("Rollback", None, "no version has traffic that could be rolled back"),
    ("Rollback", "m-9", "m-9 has no traffic that could be rolled back"),
    ("Promote", None, "no version is being rolled out"),
    ("Promote", "m-9", "m-9 is not being rolled out"),
    ("Abort", None, "no version is being rolled out"),
    ("Abort", "m-9", "m-9 is not being rolled out"),
    ("Retry", None, "there is no version to retry"),
]


@pytest.mark.parametrize(("verb", "version", "message"), NOTHING_RUNS)
def test_a_refusal_names_the_version_or_says_that_there_is_none(verb: str, version: str | None, message: str) -> None:
    decision = decide(build_world(None, actions=(build_action(verb, version),)), NOW)
    (status,) = [act.status for act in decision.acts if isinstance(act, RecordAction)]
    assert (status.phase, status.message) == ("Refused", message)
