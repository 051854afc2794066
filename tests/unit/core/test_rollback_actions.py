"""Rollbacks and aborts that people ask for: once, of what they meant, whatever else is going on."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    NOW,
    WATCHED,
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
    recorded,
    two_versions,
)

from recsys_operator.core.decision import (
    EnsureRoute,
    RecordAction,
    RecordVersion,
)
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.world import RouteIntent


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
    assert kinds(decision)[:5] == ["EnsureRoute", "EnsureService", "RecordVersion", "RecordVersion", "RecordAction"]
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


def test_a_rollback_that_somebody_labelled_later_is_as_old_as_it_was() -> None:
    """kubectl label, and what GitOps tools write, move the resourceVersion of what was asked for long before."""
    world = two_versions()
    ended = replace(build_version(3, "RolledBack", trigger="x", quarantined=True), resource_version="20")
    versions = (*world.versions, ended)
    action = build_action("Rollback", resource_version="21", asked_version="19")
    assert finished(decide(replace(world, versions=versions, actions=(action,)), NOW)) == "Refused"
    model = build_model(annotations={"recsys.dev/action": "Rollback"}, resource_version="21", asked_version="19")
    decision = decide(replace(world, versions=versions, model=model), NOW)
    assert [act for act in decision.acts if isinstance(act, EnsureRoute)] == []
    later = decide(replace(world, versions=versions, model=replace(model, asked_version="21")), NOW)
    assert [act for act in later.acts if isinstance(act, EnsureRoute)] != []


def test_a_rollback_means_stable_where_what_was_superseded_never_had_users() -> None:
    world = two_versions()
    other = replace(build_version(3, "Superseded", trigger="x"), resource_version="20")
    action = build_action("Rollback", resource_version="19")
    assert finished(decide(replace(world, versions=(*world.versions, other), actions=(action,)), NOW)) == "Done"


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
