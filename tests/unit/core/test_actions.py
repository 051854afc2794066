"""What people ask for, once each."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    BAD,
    NOW,
    build_action,
    build_model,
    build_pods,
    build_rollout,
    build_route,
    build_spec,
    build_state,
    build_version,
    build_world,
    finished,
    kinds,
    model_status,
    two_versions,
)

from recsys_api.model_action import WITHOUT_VERSION, ModelActionStatus
from recsys_api.model_status import PinnedState, RecommenderModelStatus
from recsys_operator.core import clock
from recsys_operator.core.actions import pending_requests
from recsys_operator.core.decision import (
    Announce,
    CreateVersion,
    Decision,
    DeleteObject,
    EnsureRoute,
    RecordAction,
    RecordModel,
    RecordVersion,
    may_wait,
)
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.memory import Memory
from recsys_operator.core.rollout_state import read_state
from recsys_operator.core.scene import Scene
from recsys_operator.core.world import RouteIntent, World

WATCHED = Memory(since=NOW - 1000)


def recorded(decision: Decision, name: str) -> Any:
    found = [act for act in decision.acts if isinstance(act, RecordVersion) and act.name == name]
    assert len(found) == 1, kinds(decision)
    return found[0].status


def test_a_rollback_takes_the_canarys_users_first_and_then_records() -> None:
    rollout = build_rollout()
    decision = decide(rollout.world(actions=(build_action("Rollback"),)), NOW, WATCHED)
    assert kinds(decision)[:3] == ["EnsureRoute", "RecordVersion", "RecordAction"]
    status = recorded(decision, rollout.candidate.name)
    assert (status.phase, status.reason, status.quarantined) == ("RolledBack", "Requested", True)
    assert "ann" in status.message
    assert finished(decision) == "Done"


@pytest.mark.parametrize(
    "obstacle",
    [
        {"pods": ()},
        {"model": build_model(build_spec(rollout={"paused": True}))},
        {"model": build_model(build_spec(suspend=True))},
        {"model": build_model(None, invalid="spec.rollout.steps: …")},
        {"rollouts_paused": True},
        {"seconds": 0},
    ],
)
def test_nothing_keeps_a_rollback_from_happening(obstacle: dict[str, Any]) -> None:
    rollout = build_rollout()
    decision = decide(rollout.world(actions=(build_action("Rollback"),), **obstacle), NOW, WATCHED)
    assert isinstance(decision.acts[0], EnsureRoute)
    assert decision.acts[0].urgent
    assert recorded(decision, rollout.candidate.name).phase == "RolledBack"


def test_without_a_canary_stable_goes_back_to_the_previous_version() -> None:
    world = two_versions(actions=(build_action("Rollback"),))
    old, new = world.versions
    decision = decide(world, NOW)
    assert kinds(decision)[:4] == ["EnsureRoute", "RecordVersion", "RecordVersion", "RecordAction"]
    assert decision.acts[0].intent == RouteIntent(old.name)  # type: ignore[union-attr]
    assert recorded(decision, new.name).quarantined
    assert recorded(decision, old.name).phase == "Stable"


def test_a_rollback_that_was_killed_after_its_records_is_not_done_twice() -> None:
    world = two_versions(actions=(build_action("Rollback"),))
    old, new = world.versions
    first = decide(world, NOW)
    after = tuple(replace(v, status=recorded(first, v.name)) for v in world.versions)
    older = replace(build_version(3, "Previous", trigger="x"), name="movies-older")
    again = decide(replace(world, versions=(*after, older), route=build_route(RouteIntent(old.name))), NOW)
    assert finished(again) == "Done"
    assert not [act for act in again.acts if isinstance(act, EnsureRoute)]
    assert new.name not in [act.name for act in again.acts if isinstance(act, RecordVersion)]


def test_a_rollback_that_was_killed_after_its_route_is_recorded_even_without_its_action() -> None:
    world = two_versions(actions=(build_action("Rollback"),))
    old, new = world.versions
    route = next(act for act in decide(world, NOW).acts if isinstance(act, EnsureRoute))
    killed = replace(world, actions=(), route=build_route(RouteIntent(old.name), **dict(route.decision)))
    decision = decide(killed, NOW)
    assert not [act for act in decision.acts if isinstance(act, EnsureRoute)]
    assert (recorded(decision, new.name).phase, recorded(decision, new.name).reason) == (
        "RolledBack",
        "RecoveredFromRoute",
    )


@pytest.mark.parametrize("ahead", [-3600.0, 0.0, 3600.0])
@pytest.mark.parametrize("phase", ["RolledBack", "Superseded"])
@pytest.mark.parametrize(
    ("asked", "version", "answer"), [("19", None, "Refused"), ("21", None, "Done"), ("19", "stable", "Done")]
)
def test_a_rollback_that_was_asked_of_a_canary_does_not_take_stable_instead(
    asked: str, version: str | None, answer: str, phase: str, ahead: float
) -> None:
    """Who asked had not seen that the canary had ended; and who has seen it means stable, whatever the operator's clock said."""
    world = two_versions()
    state = build_state(world.versions[1], world.versions[0])
    ended = build_version(3, phase, trigger="x", age=5 - ahead, quarantined=phase == "RolledBack", rollout=state.dump())
    named = world.versions[1].name if version else None
    action = build_action("Rollback", named, created_at=NOW - 5 + (1 if asked == "21" else -1), resource_version=asked)
    versions = (*world.versions, replace(ended, resource_version="20"))
    decision = decide(replace(world, versions=versions, actions=(action,)), NOW)
    assert finished(decision) == answer
    assert bool([act for act in decision.acts if isinstance(act, EnsureRoute)]) == (answer == "Done")


def test_a_rollback_means_stable_where_what_was_superseded_never_had_users() -> None:
    world = two_versions()
    other = replace(build_version(3, "Superseded", trigger="x"), resource_version="20")
    action = build_action("Rollback", resource_version="19")
    assert finished(decide(replace(world, versions=(*world.versions, other), actions=(action,)), NOW)) == "Done"


@pytest.mark.parametrize(("asked", "reason"), [("19", "RollbackRefused"), ("21", "RollbackDone")])
def test_an_annotation_that_was_set_before_the_canary_ended_does_not_take_stable_instead(
    asked: str, reason: str
) -> None:
    world = annotated("Rollback#1")
    ended = replace(build_version(3, "RolledBack", trigger="x", quarantined=True), resource_version="20")
    assert world.model is not None
    world = replace(world, model=replace(world.model, resource_version=asked), versions=(*world.versions, ended))
    assert reason in [act.reason for act in decide(world, NOW).acts if isinstance(act, Announce)]


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


def test_a_rollback_with_nothing_to_go_back_to_is_refused() -> None:
    stable = build_version(1, "Stable")
    world = build_world(
        None,
        stable,
        pods=build_pods(stable, 4),
        route=build_route(RouteIntent(stable.name)),
        actions=(build_action("Rollback"),),
    )
    assert finished(decide(world, NOW)) == "Refused"


@pytest.mark.parametrize("verb", ["Rollback", "Abort"])
def test_a_canary_without_a_version_to_fall_back_to_is_not_said_to_have_ended(verb: str) -> None:
    rollout = build_rollout()
    world = rollout.world(actions=(build_action(verb),))
    alone = replace(world, versions=world.versions[1:])
    decision = decide(alone, NOW, WATCHED)
    (said,) = [act.status for act in decision.acts if isinstance(act, RecordAction)]
    assert (said.phase, "fall back" in said.message) == ("Refused", True)


def test_a_rollback_says_that_an_unmanaged_route_still_has_the_users() -> None:
    rollout = build_rollout()
    route = replace(rollout.world().route, unmanaged=True)  # type: ignore[type-var]
    stable = two_versions(route=build_route(RouteIntent(build_version(2).name)))
    unmanaged = replace(stable, route=replace(stable.route, unmanaged=True))  # type: ignore[type-var]
    for world in (rollout.world(route=route), unmanaged):
        decision = decide(replace(world, actions=(build_action("Rollback"),)), NOW, WATCHED)
        (said,) = [act.status for act in decision.acts if isinstance(act, RecordAction)]
        assert (said.phase, "recsys.dev/unmanaged" in said.message) == ("Done", True)


def test_a_rollback_goes_before_every_other_wish() -> None:
    rollout = build_rollout()
    wishes = (build_action("Promote", rollout.candidate.name, "a0", created_at=NOW - 9), build_action("Rollback"))
    decision = decide(rollout.world(actions=wishes), NOW, WATCHED)
    assert [act.name for act in decision.acts if isinstance(act, RecordAction)] == ["a1"]
    assert decision.requeue_after == 0


@pytest.mark.parametrize(("phase", "after", "weight"), [("Canary", "Superseded", 0), ("Warming", "Superseded", None)])
def test_an_abort_ends_a_rollout_without_quarantine_and_it_does_not_start_again(
    phase: str, after: str, weight: int | None
) -> None:
    rollout = build_rollout(phase=phase, **({} if phase == "Canary" else {"step": -1, "weight": 0}))
    world = rollout.world(actions=(build_action("Abort"),))
    decision = decide(world, NOW, WATCHED)
    status = recorded(decision, rollout.candidate.name)
    assert (status.phase, status.reason, status.quarantined) == (after, "Aborted", False)
    if weight is not None:
        assert decision.acts[0].intent.weight == weight  # type: ignore[union-attr]
    ended = replace(
        world,
        versions=(rollout.stable, replace(rollout.candidate, status=status)),
        actions=(),
        route=build_route(RouteIntent(rollout.stable.name)),
    )
    assert not [
        act for act in decide(ended, NOW).acts if isinstance(act, RecordVersion) and act.status.phase == "Warming"
    ]


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


def test_a_status_that_answers_nobody_may_wait() -> None:
    assert [may_wait(act) for act in decide(two_versions(), NOW).acts][-1:] == [True]
    assert not any(may_wait(act) for act in decide(annotated("Rollback#1"), NOW).acts)


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


def annotated(value: str, last: str = "") -> World:
    return two_versions(
        model=build_model(annotations={"recsys.dev/action": value}, status=RecommenderModelStatus(last_action=last))
    )


def test_an_annotation_is_carried_out_once_for_each_distinct_value() -> None:
    decision = decide(annotated("Rollback#1"), NOW)
    assert recorded(decision, build_version(2).name).phase == "RolledBack"
    assert model_status(decision).last_action == "Rollback#1"
    assert not [act for act in decide(annotated("Rollback#1", "Rollback#1"), NOW).acts if isinstance(act, EnsureRoute)]
    assert [act for act in decide(annotated("Rollback#2", "Rollback#1"), NOW).acts if isinstance(act, EnsureRoute)]


def annotate(world: World, value: str) -> tuple[World, list[EnsureRoute]]:
    """The world after somebody annotated it and two passes, and what was written of the route."""
    assert world.model is not None
    annotations = {"recsys.dev/action": value} if value else {}
    world, written = replace(world, model=replace(world.model, annotations=annotations)), []
    for _ in range(2):
        decision = decide(world, NOW)
        found = {act.name: act.status for act in decision.acts if isinstance(act, RecordVersion)}
        versions = tuple(replace(v, status=found.get(v.name, v.status)) for v in world.versions)
        told = [act.status for act in decision.acts if isinstance(act, RecordModel)] or [world.model.status]  # type: ignore[union-attr]
        routes = [act for act in decision.acts if isinstance(act, EnsureRoute)]
        route = build_route(routes[-1].intent, **dict(routes[-1].decision)) if routes else world.route
        world = replace(world, versions=versions, model=replace(world.model, status=told[-1]), route=route)  # type: ignore[type-var]
        written += routes
    return world, written


def with_canary(world: World, number: int) -> World:
    """Another version in its first step, unless one is."""
    stable, *others = world.versions
    if any(v.status.phase == "Canary" for v in others):
        return world
    candidate = build_version(number, "Canary")
    status = candidate.status.model_copy(update={"rollout": build_state(candidate, stable).dump()})
    route = build_route(RouteIntent(stable.name, candidate.name, 25, 7), version=candidate.name, segment=1, weight=25)
    return replace(
        world, versions=(*world.versions, replace(candidate, status=status)), route=route,
        pods=world.pods + build_pods(candidate, 4),
    )  # fmt: skip


@pytest.mark.parametrize(
    "values", [["Resume"], ["Resume", "Rollback", "Pause"], ["Rollback#2", "Resume"], [""]], ids="-".join
)
def test_a_rollback_that_is_annotated_again_after_something_else_happens_again(values: list[str]) -> None:
    stable = build_version(1, "Stable")
    world = build_world(None, stable, pods=build_pods(stable, 4))
    for number, value in enumerate(["Rollback", *values, "Rollback"], 2):
        world, written = annotate(with_canary(world, number), value)
        verb = value.partition("#")[0]
        assert [route.intent for route in written] == ([RouteIntent(stable.name)] if verb == "Rollback" else [])
    assert world.model is not None
    assert world.model.status.last_action == "Rollback"


def test_a_rollback_by_annotation_that_was_killed_after_its_records_is_not_done_twice() -> None:
    world = annotated("Rollback")
    first = decide(world, NOW)
    after = tuple(replace(v, status=recorded(first, v.name)) for v in world.versions)
    older = replace(build_version(3, "Previous", trigger="x"), name="movies-older")
    again = decide(
        replace(world, versions=(*after, older), route=build_route(RouteIntent(world.versions[0].name))), NOW
    )
    assert not [act for act in again.acts if isinstance(act, EnsureRoute)]
    assert model_status(again).last_action == "Rollback"


def test_a_new_model_of_the_same_name_has_requests_of_its_own() -> None:
    """The versions may have stayed (Retain), with marks of what the model before had asked for."""
    world = annotated("Rollback")
    assert world.model is not None
    models = [replace(world.model, uid=uid) for uid in ("first", "second")]
    found = [pending_requests(Scene(replace(world, model=model), NOW)) for model in models]
    assert len({request.key for requests in found for request in requests}) == 2


def test_an_annotation_with_an_unknown_verb_is_refused_and_remembered() -> None:
    decision = decide(annotated("rollbak"), NOW)
    assert model_status(decision).last_action == "rollbak"
    assert not [act for act in decision.acts if isinstance(act, EnsureRoute)]


@pytest.mark.parametrize("verb", WITHOUT_VERSION)
def test_a_version_that_a_verb_would_ignore_is_refused(verb: str) -> None:
    """Who names one takes it that only this version is meant."""
    world = two_versions(actions=(build_action(verb, build_version(1).name),))
    for decision in (decide(world, NOW), decide(annotated(f"{verb}/v1"), NOW)):
        told = [act.message for act in decision.acts if isinstance(act, Announce)]
        assert [message for message in told if f"would be ignored by {verb}; remove it" in message]
        assert not {"CreateVersion", "EnsureRoute"} & {*kinds(decision)}
    assert finished(decide(world, NOW)) == "Refused"


def test_an_annotation_can_name_a_version() -> None:
    old = build_version(1).name
    status = model_status(decide(annotated(f"Pin/{old}#x"), NOW))
    assert status.pinned == PinnedState(version=old, phase="Pinning", source="Action")


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
