"""Killed between two writes, the bake and after it, specs and pins that were seen before, deleted models."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    BAD,
    NOW,
    SILENT,
    WATCHED,
    build_model,
    build_pods,
    build_rollout,
    build_route,
    build_serving,
    build_spec,
    build_version,
    build_world,
    kinds,
    recorded,
    routes,
    state_of,
    with_policy,
)

from recsys_api.model_status import PinnedState, RecommenderModelStatus
from recsys_api.model_version import Condition
from recsys_operator.core.decision import EnsureServing, RecordVersion
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.world import RouteIntent, VersionView, World

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


def test_a_deleted_stable_version_was_not_rolled_back() -> None:
    old = build_version(1, "Previous")
    world = build_world(None, old, pods=build_pods(old, 4), route=build_route(RouteIntent("m-gone")))
    status = recorded(decide(world, NOW), old.name)
    assert (status.phase, status.reason) == ("Stable", "Restored")
    assert status.message == "takes the place of the stable version, which was rolled back or deleted"


# -- bake and after


def test_a_bake_that_passed_makes_the_version_stable() -> None:
    rollout = build_rollout(phase="Baking", segment_at=NOW - 110, clock_start=NOW - 25)
    decision = decide(rollout.world(seconds=100, other=SILENT), NOW, WATCHED)
    assert kinds(decision)[:4] == ["RecordVersion", "EnsureRoute", "EnsureService", "RecordVersion"]
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
    assert kinds(decision)[:4] == ["RecordVersion", "EnsureRoute", "EnsureService", "RecordVersion"]
    assert routes(decision)[0].intent == RouteIntent(old.name)
    assert recorded(decision, old.name).phase == "Stable"
    assert recorded(decision, new.name).phase == "Previous"


def short_of_pods() -> tuple[VersionView, World]:
    """The spec is that of the previous version again, of which 3 of 4 pods are ready."""
    first, second = two_specs()
    old, new = build_version(1, "Previous", first), build_version(2, "Stable", second)
    pods, serving = build_pods(old, 3) + build_pods(new, 4), {v.name: build_serving(v, 4) for v in (old, new)}
    route = build_route(RouteIntent(new.name))
    return old, build_world(build_model(first), old, new, pods=pods, serving=serving, route=route)


def test_a_version_that_is_wanted_again_waits_as_long_for_its_pods_as_pods_may_take() -> None:
    old, world = short_of_pods()
    waiting = recorded(decide(world, NOW), old.name)
    assert (waiting.phase, waiting.reason, waiting.message) == ("Previous", "Scaling", "4 ready pods are needed")
    later = replace(world, versions=(replace(old, status=waiting), world.versions[1]))
    assert kinds(decide(later, NOW + 599))[:1] != ["RecordVersion"]
    status = recorded(decide(later, NOW + 601), old.name)
    assert (status.phase, status.reason) == ("Warming", "Reused")
    assert "were not there after 600 s: in steps" in status.message


def test_a_pinned_version_that_is_short_of_pods_stays_loaded() -> None:
    old, world = short_of_pods()
    pinned = PinnedState(version=old.name, phase="Pinning", source="Action")
    asked = replace(world, model=build_model(two_specs()[1], status=RecommenderModelStatus(pinned=pinned)))
    waiting = recorded(decide(asked, NOW), old.name)
    assert (waiting.phase, waiting.reason) == ("Previous", "Scaling")
    later = replace(asked, versions=(replace(old, status=waiting), asked.versions[1]))
    assert kinds(decide(later, NOW + 5000))[:1] != ["RecordVersion"]


def test_the_next_wait_for_its_pods_has_its_whole_time() -> None:
    old, world = short_of_pods()
    waiting = replace(old, status=recorded(decide(world, NOW), old.name))
    unwanted = replace(world, versions=(waiting, world.versions[1]), model=build_model(two_specs()[1]))
    calm = replace(old, status=recorded(decide(unwanted, NOW + 10), old.name))
    again = replace(world, versions=(calm, world.versions[1]))
    waiting = replace(old, status=recorded(decide(again, NOW + 900), old.name))
    assert waiting.status.phase == "Previous"
    assert kinds(decide(replace(again, versions=(waiting, world.versions[1])), NOW + 1400))[:1] != ["RecordVersion"]


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


def pinned_candidate(phase: str, **changes: Any) -> tuple[str, World]:
    """Pinned while it has 2 of the 4 pods that all users need."""
    own = build_pods(build_version(2, phase), 2)
    rollout = build_rollout(phase=phase, pods={pod.uid: 0 for pod in own}, clock_start=None, **changes)
    world = rollout.world(model=pinned(rollout.candidate.name), pods=build_pods(rollout.stable, 4) + own)
    return rollout.candidate.name, world


def test_a_pinned_canary_waits_for_its_pods_but_not_for_ever() -> None:
    name, world = pinned_candidate("Canary")
    assert recorded(decide(world, NOW, WATCHED), name).reason == "Scaling"
    name, world = pinned_candidate("Canary", hold_reason="Scaling", hold_since=NOW - 61, waiting_since=NOW - 61)
    assert recorded(decide(world, NOW, WATCHED), name).phase == "RolledBack"


def test_what_a_pinned_canary_shows_is_written_down_while_it_waits() -> None:
    name, world = pinned_candidate("Canary", banked_at=NOW - 16)
    assert state_of(decide(world, NOW, WATCHED), name).banked_at == NOW


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


def test_what_somebody_changed_around_the_weights_is_put_back_and_keeps_nothing_else_waiting() -> None:
    rollout = build_rollout(clock_start=None)
    world = rollout.world()
    assert world.route is not None
    decision = decide(replace(world, route=replace(world.route, drifted=True)), NOW, WATCHED)
    assert [(act.intent, act.raises, dict(act.decision)) for act in routes(decision)] == [
        (world.route.intent, False, dict(world.route.decision))
    ]
    assert state_of(decision, rollout.candidate.name).clock_start == NOW


def test_without_sticky_users_the_route_reads_back_as_it_was_meant() -> None:
    spec = build_spec(rollout={"stickiness": {"type": "None"}})
    rollout = build_rollout(spec)
    route = build_route(
        RouteIntent(rollout.stable.name, rollout.candidate.name, 25, 0), version=rollout.candidate.name, segment=1
    )
    assert routes(decide(rollout.world(model=build_model(spec), route=route), NOW, WATCHED)) == []


# -- without a comparison there is no promotion


def test_a_bake_that_began_beside_a_sick_stable_is_judged_by_its_own_objectives() -> None:
    """At 100 % there is no stable to compare with: a dead candidate passed, and could not fail."""
    rollout = build_rollout(phase="Baking", stable_was_unhealthy=True, segment_at=NOW - 110, clock_start=NOW - 25)
    decision = decide(rollout.world(seconds=100, own=BAD, other=SILENT), NOW, WATCHED)
    assert recorded(decision, rollout.candidate.name).phase == "RolledBack"
    assert routes(decision)[0].intent == RouteIntent(rollout.stable.name)


def test_a_version_that_warms_while_stable_is_being_replaced_by_its_previous_is_not_the_first_one() -> None:
    old, bad = build_version(1, "Previous"), build_version(2, "RolledBack", quarantined=True)
    rollout = build_rollout(phase="Warming", step=-1, weight=0, segment=0, clock_start=None, ledger=(), pods={})
    new = build_version(3, "Warming", rollout=rollout.state.dump(), template=old.status.template)
    pods = build_pods(old, 4) + build_pods(new, 4)
    world = build_world(None, old, bad, new, pods=pods, route=build_route(RouteIntent(old.name)))
    decision = decide(world, NOW, WATCHED)
    assert recorded(decision, old.name).phase == "Stable"
    assert recorded(decision, new.name).phase == "Warming"
    assert [route for route in routes(decision) if route.intent.of(new.name)] == []


def test_a_stable_version_that_fails_changed_gates_keeps_its_users() -> None:
    """An older version of the same spec, which passed the gates of before, takes nothing over."""
    failed = (Condition(type="GatePassed", status="False", reason="GateFailed"),)
    old, new = build_version(1, "Previous", age=60), build_version(2, "Stable", age=60, conditions=failed)
    world = build_world(
        None, old, new, pods=build_pods(old, 4) + build_pods(new, 4), route=build_route(RouteIntent(new.name)),
        serving={v.name: build_serving(v, 4) for v in (old, new)},
    )  # fmt: skip
    decision = decide(world, NOW, WATCHED)
    assert routes(decision) == []
    assert not [act for act in decision.acts if isinstance(act, RecordVersion)]
