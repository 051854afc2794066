"""Warming, canary, bake, promotion, rollback: a world in, acts out."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    NOW,
    Rollout,
    build_model,
    build_pods,
    build_rollout,
    build_route,
    build_second,
    build_serving,
    build_spec,
    build_version,
    build_world,
    kinds,
)

from recsys_operator.core.analysis.evidence import Memory
from recsys_operator.core.decision import Announce, Decision, EnsureRoute, EnsureServing, RecordVersion
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.rollout_state import RolloutState, read_state
from recsys_operator.core.world import RouteIntent, World

BAD: dict[str, Any] = {"gateway_bad": 18}
SILENT: dict[str, Any] = {"answers": 0, "model_latency": (), "gateway_requests": 0}
UNREAD: dict[str, Any] = {
    "pods_scraped": 0,
    "gateway_requests": None,
    "gateway_bad": None,
    "answers": 0,
    "model_latency": (),
}
WATCHED = Memory(since=NOW - 1000)


def recorded(decision: Decision, name: str) -> Any:
    found = [act for act in decision.acts if isinstance(act, RecordVersion) and act.name == name]
    assert len(found) == 1, kinds(decision)
    return found[0].status


def state_of(decision: Decision, name: str) -> RolloutState:
    state = read_state(recorded(decision, name))
    assert state is not None
    return state


def routes(decision: Decision) -> list[EnsureRoute]:
    return [act for act in decision.acts if isinstance(act, EnsureRoute)]


def with_policy(**changes: Any) -> Any:
    return build_spec(rollout=changes)


# -- warming


def warm(health_seconds: int = 10, **changes: Any) -> World:
    rollout = build_rollout(phase="Warming", step=-1, weight=0, segment=0, clock_start=None, ledger=(), pods={})
    template = build_version(1, "Stable").status.template
    candidate = replace(rollout.candidate, status=rollout.candidate.status.model_copy(update={"template": template}))
    seconds = tuple(build_second(rollout.stable.name, NOW - t) for t in range(health_seconds))
    return replace(replace(rollout, candidate=candidate).world(**changes), seconds=seconds)


def test_the_template_is_recorded_before_the_first_pod() -> None:
    stable, version = build_version(1, "Stable"), build_version(2, "Warming")
    world = build_world(
        None, stable, version, serving={stable.name: build_serving(stable, 4)}, pods=build_pods(stable, 4)
    )
    first = decide(world, NOW)
    status = recorded(first, version.name)
    assert status.template.image == "serving:1"
    assert not [act for act in first.acts if isinstance(act, EnsureServing)]
    second = decide(replace(world, versions=(stable, replace(version, status=status))), NOW)
    assert [act.replicas for act in second.acts if isinstance(act, EnsureServing)] == [1]
    assert second.sample == (stable.name, version.name)


def test_the_first_version_takes_all_users_when_it_is_ready() -> None:
    version = build_version(1, "Warming")
    rollout = build_rollout(phase="Warming", step=-1, weight=0)
    template = build_version(1, "Stable").status.template
    status = version.status.model_copy(
        update={"rollout": rollout.state.changed(stable="").dump(), "template": template}
    )
    world = build_world(
        None,
        replace(version, status=status),
        pods=build_pods(version, 4),
        serving={version.name: build_serving(version, 4)},
    )
    decision = decide(world, NOW)
    assert kinds(decision)[:2] == ["RecordVersion", "EnsureRoute"]
    assert recorded(decision, version.name).phase == "Stable"
    assert routes(decision)[0].intent == RouteIntent(version.name)
    assert routes(decision)[0].needs_ready == {version.name: 1}


def test_pods_that_are_not_ready_in_time_end_the_version_with_their_own_words() -> None:
    world = warm()
    name = world.versions[1].name
    crashing = build_pods(world.versions[1], 1, ready=False, last_terminated="triton: OOMKilled (137)")
    late = replace(world, pods=build_pods(world.versions[0], 4) + crashing)
    status = recorded(decide(late, NOW + 700), name)
    assert (status.phase, status.reason) == ("Failed", "NotReadyInTime")
    assert "OOMKilled (137)" in status.message


@pytest.mark.parametrize("health_seconds", [3, 10])
def test_the_first_users_move_when_stable_was_healthy_long_enough(health_seconds: int) -> None:
    world = warm(health_seconds)
    decision = decide(world, NOW, WATCHED)
    if health_seconds < 5:
        assert routes(decision) == []
        assert recorded(decision, world.versions[1].name).reason == "WatchingStable"
        return
    assert [type(act).__name__ for act in decision.acts if not isinstance(act, EnsureServing)][:3] == [
        "RecordVersion", "EnsureRoute", "Announce",
    ]  # fmt: skip
    route = routes(decision)[0]
    assert (route.intent.weight, route.raises, route.needs_ready) == (25, True, {world.versions[1].name: 1})
    state = state_of(decision, world.versions[1].name)
    assert (state.step, state.segment, state.ledger[-1].part) == (0, 1, "Canary")
    assert route.decision["segment"] == 1


def test_a_sick_stable_keeps_the_candidate_waiting_and_then_ends_its_wait() -> None:
    world = warm()
    name = world.versions[1].name
    sick = replace(
        world, seconds=tuple(build_second(world.versions[0].name, NOW - t, gateway_bad=15) for t in range(20))
    )
    assert recorded(decide(sick, NOW, WATCHED), name).reason == "StableUnhealthy"
    assert recorded(decide(sick, NOW + 100, WATCHED), name).phase == "Superseded"


@pytest.mark.parametrize(("change", "reason"), [({"paused": True}, "Paused"), ({}, "Suspended")])
def test_paused_and_suspended_models_start_no_rollout(change: dict[str, Any], reason: str) -> None:
    spec = build_spec(rollout=change, suspend=None if change else True)
    world = warm()
    decision = decide(replace(world, model=build_model(spec)), NOW, WATCHED)
    assert routes(decision) == []
    assert recorded(decision, world.versions[1].name).reason == reason


# -- canary


def test_an_unchanged_world_gives_no_acts() -> None:
    # the second pass has read back what the first one recorded
    world = build_rollout().world()
    decision = decide(world, NOW, WATCHED)
    assert [kind for kind in kinds(decision) if kind not in ("RecordModel",)] == []
    model = replace(world.model, status=decision.acts[-1].status)  # type: ignore[arg-type, union-attr]
    assert decide(replace(world, model=model), NOW, decision.memory).acts == ()


def test_a_failing_candidate_loses_its_users_before_anything_is_recorded() -> None:
    rollout = build_rollout()
    decision = decide(rollout.world(own=BAD), NOW, WATCHED)
    assert kinds(decision)[:2] == ["EnsureRoute", "RecordVersion"]
    route = routes(decision)[0]
    assert (route.intent, route.urgent, route.raises) == (RouteIntent(rollout.stable.name), True, False)
    assert (route.decision["verdict"], route.decision["version"]) == ("Fail", rollout.candidate.name)
    status = recorded(decision, rollout.candidate.name)
    assert (status.phase, status.quarantined, status.reason) == ("RolledBack", True, "SloFailed")
    assert not [act for act in decision.acts if type(act).__name__ == "DeleteObject"]
    events = [act.reason for act in decision.acts if isinstance(act, Announce)]
    assert events == ["SloFailed"]


@pytest.mark.parametrize(("mode", "events"), [("Manual", ["RollbackNeedsPerson"]), ("Disabled", [])])
def test_under_manual_and_disabled_a_person_decides_about_a_fail(mode: str, events: list[str]) -> None:
    rollout = build_rollout(with_policy(rollback={"mode": mode}))
    decision = decide(rollout.world(own=BAD, model=build_model(with_policy(rollback={"mode": mode}))), NOW, WATCHED)
    assert routes(decision) == []
    assert recorded(decision, rollout.candidate.name).reason == "RollbackNeedsPerson"
    assert [act.reason for act in decision.acts if isinstance(act, Announce)] == events


def test_both_arms_in_breach_take_the_users_away_for_now() -> None:
    rollout = build_rollout()
    decision = decide(rollout.world(own=BAD, other=BAD), NOW, WATCHED)
    assert routes(decision)[0].intent.weight == 0
    assert routes(decision)[0].decision["outcome"] == "Parked"
    status = recorded(decision, rollout.candidate.name)
    assert (status.phase, status.quarantined, status.reason) == ("Canary", False, "BothBreach")
    again = rollout.changed(breaches=1)
    assert recorded(decide(again.world(own=BAD, other=BAD), NOW, WATCHED), rollout.candidate.name).phase == "RolledBack"


def lost_pod(rollout: Rollout) -> dict[str, Any]:
    return {"pods": build_pods(rollout.stable, 4)}


def restarted(rollout: Rollout) -> dict[str, Any]:
    pods = tuple(replace(pod, restarts=1) for pod in build_pods(rollout.candidate, 4))
    return {"pods": build_pods(rollout.stable, 4) + pods}


@pytest.mark.parametrize("harm", [lost_pod, restarted])
@pytest.mark.parametrize("mode", ["Auto", "Manual"])
@pytest.mark.parametrize(("strikes", "phase", "quarantined"), [(0, "Canary", False), (1, "RolledBack", True)])
def test_pods_that_are_not_ready_lose_their_users_at_the_next_act(
    harm: Any, mode: str, strikes: int, phase: str, quarantined: bool
) -> None:
    rollout = build_rollout(with_policy(rollback={"mode": mode}), strikes=strikes)
    model = build_model(with_policy(rollback={"mode": mode}))
    decision = decide(rollout.world(model=model, **harm(rollout)), NOW, WATCHED)
    assert routes(decision)[0].intent == RouteIntent(rollout.stable.name)
    status = recorded(decision, rollout.candidate.name)
    assert (status.phase, status.quarantined, status.reason) == (phase, quarantined, "CandidateNotReady")


def parked(**changes: Any) -> Rollout:
    return build_rollout(
        **{"step": -1, "weight": 0, "clock_start": None, "strikes": 1, "parked_since": NOW - 10, "ready_at": NOW - 9,
           "pods": {}, "verdict_message": "a pod restarted", **changes}
    )  # fmt: skip


def test_a_parked_candidate_starts_once_more_when_all_is_well_again() -> None:
    decision = decide(parked().world(), NOW, WATCHED)
    assert (routes(decision)[0].intent.weight, routes(decision)[0].raises) == (25, True)
    assert state_of(decision, parked().candidate.name).segment == 2


def test_a_parked_candidate_that_is_not_well_again_in_time_is_rolled_back() -> None:
    rollout = parked(parked_since=NOW - 61)
    world = rollout.world(own={"gateway_bad": 15}, other={"gateway_bad": 15})
    assert recorded(decide(world, NOW, WATCHED), rollout.candidate.name).phase == "RolledBack"


@pytest.mark.parametrize("what", ["NoData", "MetricsUnavailable"])
@pytest.mark.parametrize("policy", ["Hold", "Rollback", "Continue"])
def test_missing_data_has_a_policy_and_never_leaves_a_step(what: str, policy: str) -> None:
    spec = with_policy(onNoData=policy, onMetricsUnavailable=policy)
    answers = SILENT if what == "NoData" else UNREAD
    rollout = build_rollout(spec, segment_at=NOW - 80, clock_start=NOW - 79)
    world = rollout.world(seconds=70, own=answers, other=answers, model=build_model(spec))
    decision = decide(world, NOW, WATCHED)
    status = recorded(decision, rollout.candidate.name)
    assert (status.phase, status.reason) == ("RolledBack" if policy == "Rollback" else "Canary", what)
    if policy != "Rollback":
        late = rollout.changed(hold_reason=what, hold_since=NOW - 61)
        world = late.world(seconds=70, own=answers, other=answers, model=build_model(spec))
        assert recorded(decide(world, NOW, WATCHED), rollout.candidate.name).phase == "RolledBack"


def test_data_that_returns_goes_on_and_its_absence_is_no_time_of_the_step() -> None:
    rollout = build_rollout(hold_reason="NoData", hold_since=NOW - 8)
    state = state_of(decide(rollout.world(), NOW, WATCHED), rollout.candidate.name)
    assert (state.hold_reason, state.held_seconds) == ("", 8.0)


def test_the_clock_starts_when_the_share_is_seen() -> None:
    rollout = build_rollout(clock_start=None)
    assert state_of(decide(rollout.world(), NOW, WATCHED), rollout.candidate.name).clock_start == NOW
    quiet = decide(rollout.world(own=SILENT), NOW, WATCHED)
    assert "RecordVersion" not in kinds(quiet)


@pytest.mark.parametrize(
    ("policy", "weight", "phase"), [("Advance", 100, "Baking"), ("Rollback", 0, "RolledBack"), ("Hold", None, "Canary")]
)
def test_an_undecided_step_does_what_was_declared(policy: str, weight: int | None, phase: str) -> None:
    spec = with_policy(onUndecided=policy)
    rollout = build_rollout(spec, clock_start=NOW - 31)
    decision = decide(rollout.world(model=build_model(spec)), NOW, WATCHED)
    assert recorded(decision, rollout.candidate.name).phase == phase
    assert [route.intent.weight for route in routes(decision)] == ([] if weight is None else [weight])
    if policy == "Advance":
        left = state_of(decision, rollout.candidate.name).left[-1]
        assert (left.step, left.by) == ("first", "Undecided")
        assert 0 < left.detectable < 1


def test_pass_advances_before_the_time_is_over() -> None:
    rollout = build_rollout(segment_at=NOW - 110, clock_start=NOW - 20)
    decision = decide(rollout.world(seconds=100), NOW, WATCHED)
    assert routes(decision)[0].intent.weight == 100
    assert state_of(decision, rollout.candidate.name).left[-1].by == "Pass"


def test_too_few_samples_hold_a_step_that_is_overdue() -> None:
    spec = with_policy(steps=[
        {"name": "first", "weight": 25, "minSamples": 5000, "maxSeconds": 30},
        {"name": "all", "weight": 100, "minSamples": 5, "maxSeconds": 30},
    ])  # fmt: skip
    rollout = build_rollout(spec, clock_start=NOW - 31)
    decision = decide(rollout.world(model=build_model(spec)), NOW, WATCHED)
    assert recorded(decision, rollout.candidate.name).reason == "TooFewSamples"


def test_an_approval_is_waited_for_but_not_for_ever() -> None:
    spec = with_policy(steps=[
        {"name": "first", "weight": 25, "minSamples": 5, "maxSeconds": 30, "approval": "Required"},
        {"name": "all", "weight": 100, "minSamples": 5, "maxSeconds": 30},
    ])  # fmt: skip
    model = build_model(spec)
    rollout = build_rollout(spec, clock_start=NOW - 31)
    assert (
        recorded(decide(rollout.world(model=model), NOW, WATCHED), rollout.candidate.name).reason == "ApprovalRequired"
    )
    approved = rollout.changed(approvals=("first",))
    assert routes(decide(approved.world(model=model), NOW, WATCHED))[0].intent.weight == 100
    late = rollout.changed(hold_reason="ApprovalRequired", hold_since=NOW - 61)
    assert recorded(decide(late.world(model=model), NOW, WATCHED), rollout.candidate.name).phase == "RolledBack"


def test_pause_stops_raises_but_not_rollbacks() -> None:
    model = build_model(with_policy(paused=True))
    rollout = build_rollout(clock_start=NOW - 31)
    assert routes(decide(rollout.world(model=model), NOW, WATCHED)) == []
    assert routes(decide(rollout.world(model=model, own=BAD), NOW, WATCHED))[0].intent.weight == 0


def test_weight_is_not_raised_before_the_pods_for_it_are_ready() -> None:
    rollout = build_rollout(clock_start=NOW - 31)
    pods = build_pods(rollout.stable, 4) + build_pods(rollout.candidate, 2)
    decision = decide(rollout.world(pods=pods), NOW, WATCHED)
    assert routes(decision) == []
    assert recorded(decision, rollout.candidate.name).reason == "Scaling"


def test_a_candidates_pods_follow_its_next_weight() -> None:
    rollout = build_rollout()
    serving = {v.name: build_serving(v, n) for v, n in ((rollout.stable, 4), (rollout.candidate, 1))}
    decision = decide(rollout.world(serving=serving), NOW, WATCHED)
    assert [(act.version, act.replicas) for act in decision.acts if isinstance(act, EnsureServing)] == [
        (rollout.candidate.name, 4)
    ]


def test_a_change_of_spec_ends_a_canary_after_its_weight_is_gone_but_no_bake() -> None:
    other = build_model(build_spec(model={"embeddingDim": 8}))
    rollout = build_rollout()
    decision = decide(rollout.world(model=other), NOW, WATCHED)
    assert kinds(decision)[:2] == ["EnsureRoute", "RecordVersion"]
    status = recorded(decision, rollout.candidate.name)
    assert (status.phase, status.quarantined) == ("Superseded", False)
    assert routes(decide(build_rollout(phase="Baking").world(model=other), NOW, WATCHED)) == []


def test_a_change_of_the_rollout_makes_no_new_version_and_changes_no_running_one() -> None:
    model = build_model(with_policy(bakeSeconds=99, onUndecided="Rollback"))
    assert [
        kind for kind in kinds(decide(build_rollout().world(model=model), NOW, WATCHED)) if kind != "RecordModel"
    ] == []


# -- killed between two writes


def test_an_intent_whose_route_was_not_written_is_recorded_anew_and_written() -> None:
    rollout = build_rollout(segment=2)
    route = build_route(RouteIntent(rollout.stable.name), version=rollout.candidate.name, segment=1)
    decision = decide(rollout.world(route=route), NOW, WATCHED)
    assert kinds(decision)[:2] == ["RecordVersion", "EnsureRoute"]
    assert routes(decision)[0].raises


@pytest.mark.parametrize(
    ("outcome", "reason", "phase", "quarantined"),
    [
        ("RolledBack", "SloFailed", "RolledBack", True),
        ("Parked", "CandidateNotReady", "Canary", False),
        ("Superseded", "SpecChanged", "Superseded", False),
        (None, "StepStarted", "RolledBack", True),
    ],
)
def test_a_route_below_its_intent_is_never_raised_but_recorded(
    outcome: str | None, reason: str, phase: str, quarantined: bool
) -> None:
    rollout = build_rollout()
    note = {"outcome": outcome} if outcome else {}
    route = build_route(
        RouteIntent(rollout.stable.name), version=rollout.candidate.name, segment=1, reason=reason, verdict="", **note
    )
    decision = decide(rollout.world(route=route), NOW, WATCHED)
    assert all(not act.raises for act in routes(decision))
    status = recorded(decision, rollout.candidate.name)
    assert (status.phase, status.quarantined) == (phase, quarantined)
    if phase == "RolledBack":
        assert status.reason == "RecoveredFromRoute"


def test_a_route_that_knows_a_later_segment_shows_that_the_record_is_old() -> None:
    rollout = build_rollout()
    route = build_route(
        RouteIntent(rollout.stable.name, rollout.candidate.name, 100), version=rollout.candidate.name, segment=2,
        at="2027-01-15T07:59:59Z",
    )  # fmt: skip
    decision = decide(rollout.world(route=route, own=BAD), NOW, WATCHED)
    assert [kind for kind in kinds(decision) if kind in ("EnsureRoute", "RecordVersion")] == []


def test_two_stable_versions_are_the_newer_one_and_its_previous() -> None:
    old, new = build_version(1, "Stable"), build_version(2, "Stable", age=5)
    world = build_world(
        None, old, new, pods=build_pods(old, 4) + build_pods(new, 4), route=build_route(RouteIntent(new.name))
    )
    assert recorded(decide(world, NOW), old.name).phase == "Previous"


def test_after_a_rollback_that_was_recorded_by_half_the_previous_version_is_stable() -> None:
    old, bad = build_version(1, "Previous"), build_version(2, "RolledBack", quarantined=True)
    world = build_world(None, old, bad, pods=build_pods(old, 4), route=build_route(RouteIntent(old.name)))
    assert recorded(decide(world, NOW), old.name).phase == "Stable"


# -- bake and after


def test_a_bake_that_passed_makes_the_version_stable() -> None:
    rollout = build_rollout(phase="Baking", segment_at=NOW - 110, clock_start=NOW - 25)
    decision = decide(rollout.world(seconds=100, other=SILENT), NOW, WATCHED)
    assert kinds(decision)[:3] == ["RecordVersion", "EnsureRoute", "RecordVersion"]
    assert recorded(decision, rollout.candidate.name).phase == "Stable"
    assert recorded(decision, rollout.stable.name).phase == "Previous"
    assert routes(decision)[0].intent == RouteIntent(rollout.candidate.name)


@pytest.mark.parametrize(("policy", "phase"), [("Advance", "Stable"), ("Rollback", "RolledBack"), ("Hold", "Baking")])
def test_an_undecided_bake_does_what_was_declared(policy: str, phase: str) -> None:
    spec = with_policy(onUndecidedFinal=policy)
    rollout = build_rollout(spec, "Baking", clock_start=NOW - 25)
    decision = decide(rollout.world(model=build_model(spec), other=SILENT), NOW, WATCHED)
    assert recorded(decision, rollout.candidate.name).phase == phase


@pytest.mark.parametrize(("policy", "phase"), [("Advance", "Stable"), ("Rollback", "RolledBack")])
def test_an_undecided_bake_ends_at_its_limit(policy: str, phase: str) -> None:
    spec = with_policy(onHoldLimit=policy)
    rollout = build_rollout(spec, "Baking", clock_start=NOW - 90, hold_reason="Undecided", hold_since=NOW - 61)
    decision = decide(rollout.world(model=build_model(spec), other=SILENT), NOW, WATCHED)
    assert recorded(decision, rollout.candidate.name).phase == phase


def test_a_fail_in_the_bake_returns_all_users() -> None:
    rollout = build_rollout(phase="Baking")
    decision = decide(rollout.world(own=BAD, other=SILENT), NOW, WATCHED)
    assert routes(decision)[0].intent == RouteIntent(rollout.stable.name)
    assert recorded(decision, rollout.candidate.name).quarantined


@pytest.mark.parametrize(("age", "phase"), [(599.0, None), (601.0, "Retired")])
def test_the_previous_version_stays_loaded_for_its_time(age: float, phase: str | None) -> None:
    old, new = build_version(1, "Previous", age=age), build_version(2, "Stable")
    serving = {v.name: build_serving(v, 4) for v in (old, new)}
    pods = build_pods(old, 4) + build_pods(new, 4)
    world = build_world(None, old, new, pods=pods, serving=serving, route=build_route(RouteIntent(new.name)))
    decision = decide(world, NOW)
    if phase is None:
        assert kinds(decision) == ["RecordModel"]
    else:
        assert recorded(decision, old.name).phase == phase
        assert "DeleteObject" not in kinds(decision)


def test_pods_are_deleted_by_a_pass_that_has_read_the_record_back() -> None:
    stable, ended = build_version(1, "Stable"), build_version(2, "RolledBack", quarantined=True)
    serving = {v.name: build_serving(v, 4) for v in (stable, ended)}
    world = build_world(
        None, stable, ended, pods=build_pods(stable, 4), serving=serving, route=build_route(RouteIntent(stable.name))
    )
    assert "DeleteObject" in kinds(decide(world, NOW))
    weighted = replace(world, route=build_route(RouteIntent(stable.name, ended.name, 5)))
    decision = decide(weighted, NOW)
    assert "DeleteObject" not in kinds(decision)
    assert routes(decision)[0].intent == RouteIntent(stable.name)


# -- specs that were seen before


def two_specs() -> tuple[Any, Any]:
    return build_spec(), build_spec(model={"embeddingDim": 8})


def test_a_spec_that_is_still_loaded_is_one_route_change_without_training() -> None:
    first, second = two_specs()
    old, new = build_version(1, "Previous", first), build_version(2, "Stable", second)
    pods, serving = build_pods(old, 4) + build_pods(new, 4), {v.name: build_serving(v, 4) for v in (old, new)}
    world = build_world(
        build_model(first), old, new, pods=pods, serving=serving, route=build_route(RouteIntent(new.name))
    )
    decision = decide(world, NOW)
    assert kinds(decision)[:3] == ["RecordVersion", "EnsureRoute", "RecordVersion"]
    assert routes(decision)[0].intent == RouteIntent(old.name)
    assert recorded(decision, old.name).phase == "Stable"
    assert recorded(decision, new.name).phase == "Previous"


def test_a_spec_that_was_retired_is_warmed_again_and_never_trained() -> None:
    first, second = two_specs()
    old, new = build_version(1, "Retired", first), build_version(2, "Stable", second)
    world = build_world(
        build_model(first),
        old,
        new,
        pods=build_pods(new, 4),
        serving={new.name: build_serving(new, 4)},
        route=build_route(RouteIntent(new.name)),
    )
    decision = decide(world, NOW)
    assert recorded(decision, old.name).phase == "Warming"
    assert "StartJob" not in kinds(decision)
    assert "CreateVersion" not in kinds(decision)


def test_a_version_that_was_rolled_back_is_never_wanted_again_whatever_is_applied() -> None:
    first, second = two_specs()
    bad, stable = build_version(1, "RolledBack", first, quarantined=True), build_version(2, "Stable", second)
    world = build_world(
        build_model(first),
        bad,
        stable,
        pods=build_pods(stable, 4),
        serving={stable.name: build_serving(stable, 4)},
        route=build_route(RouteIntent(stable.name)),
    )
    assert kinds(decide(world, NOW)) == ["RecordModel"]


def test_two_rollbacks_in_a_row_block_further_rollouts_of_a_spec() -> None:
    stable = build_version(1, "Stable", two_specs()[1])
    bad = [build_version(n, "RolledBack", trigger=f"action/{n}", quarantined=True) for n in (2, 3)]
    waiting = build_version(4, "Warming", trigger="action/4")
    world = build_world(
        None, stable, *bad, waiting, pods=build_pods(stable, 4), route=build_route(RouteIntent(stable.name))
    )
    status = recorded(decide(world, NOW), waiting.name)
    assert (status.phase, status.reason) == ("Superseded", "RolloutBlocked")


# -- pins


def pinned(name: str) -> Any:
    return build_model(build_spec(rollout={"pinnedVersion": name}))


def test_a_pin_to_a_loaded_version_is_one_route_change() -> None:
    old, new = build_version(1, "Previous"), build_version(2, "Stable")
    pods, serving = build_pods(old, 4) + build_pods(new, 4), {v.name: build_serving(v, 4) for v in (old, new)}
    world = build_world(
        pinned(old.name), old, new, pods=pods, serving=serving, route=build_route(RouteIntent(new.name))
    )
    assert routes(decide(world, NOW))[0].intent == RouteIntent(old.name)


def test_a_pin_elsewhere_ends_a_canary_without_quarantine() -> None:
    rollout = build_rollout()
    status = recorded(decide(rollout.world(model=pinned(rollout.stable.name)), NOW, WATCHED), rollout.candidate.name)
    assert (status.phase, status.reason, status.quarantined) == ("Superseded", "Pinned", False)


def test_a_pin_to_a_version_that_is_not_loaded_leaves_traffic_until_it_is_warm() -> None:
    old, new = build_version(1, "Retired"), build_version(2, "Stable")
    world = build_world(
        pinned(old.name),
        old,
        new,
        pods=build_pods(new, 4),
        serving={new.name: build_serving(new, 4)},
        route=build_route(RouteIntent(new.name)),
    )
    decision = decide(world, NOW)
    assert routes(decision) == []
    assert recorded(decision, old.name).phase == "Warming"
    model_status = decision.acts[-1].status  # type: ignore[union-attr]
    assert (model_status.pinned.version, model_status.pinned.phase) == (old.name, "Pinning")  # type: ignore[union-attr]


# -- deleted models


def test_a_deleted_model_leaves_records_and_nothing_that_runs() -> None:
    rollout = build_rollout()
    world = replace(rollout.world(route=None), model=None)
    decision = decide(world, NOW)
    assert kinds(decision) == ["RecordVersion", "DeleteObject", "DeleteObject"]
    assert recorded(decision, rollout.candidate.name).reason == "ModelDeleted"


def test_a_model_of_the_same_name_serves_its_stable_version_without_training() -> None:
    stable = build_version(1, "Stable")
    decision = decide(build_world(build_model(uid="another"), stable), NOW)
    assert [act.replicas for act in decision.acts if isinstance(act, EnsureServing)] == [4]
    assert "CreateVersion" not in kinds(decision)


def test_an_unmanaged_route_is_observed_and_not_written() -> None:
    rollout = build_rollout()
    route = replace(rollout.world().route, unmanaged=True)  # type: ignore[type-var]
    decision = decide(rollout.world(route=route, own=BAD), NOW, WATCHED)
    assert routes(decision) == []
    assert decision.acts[-1].status.reason == "Unmanaged"  # type: ignore[union-attr]
