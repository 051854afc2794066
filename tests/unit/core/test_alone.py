"""The only version left: its stable version was deleted and nothing else is loaded. Its users are never sent nowhere."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    BAD,
    NOW,
    WATCHED,
    build_action,
    build_model,
    build_pods,
    build_rollout,
    build_route,
    build_serving,
    build_spec,
    build_version,
    model_status,
    recorded,
    routes,
    state_of,
    with_policy,
)

from recsys_operator.core.decision import Announce, EnsureServing, RecordAction, RecordVersion
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.world import RouteIntent, World

PARKED = {"step": -1, "weight": 0, "clock_start": None, "strikes": 1, "parked_since": NOW - 10, "pods": {}}
PROMOTE, PIN = "create a Promote action", "Pin action that names"


def alone(phase: str = "Canary", spec: Any = None, ready: int = 4, **changes: Any) -> tuple[str, World]:
    """The candidate's name, and a world in which stable and its pods are gone."""
    own = changes.pop("own", None)
    rollout = build_rollout(spec or build_spec(), phase, **changes)
    world = rollout.world(own=own, model=build_model(spec) if spec else None)
    name = rollout.candidate.name
    left = {"pods": build_pods(rollout.candidate, ready), "serving": {name: build_serving(rollout.candidate, 1)}}
    versions = tuple(v for v in world.versions if v.name == name)
    seconds = tuple(s for s in world.seconds if s.version == name)
    return name, replace(world, versions=versions, seconds=seconds, **left)


def after_passes(world: World, passes: int) -> World:
    """With what so many passes recorded of versions."""
    for _ in range(passes):
        found = {a.name: a.status for a in decide(world, NOW, WATCHED).acts if isinstance(a, RecordVersion)}
        world = replace(world, versions=tuple(replace(v, status=found.get(v.name, v.status)) for v in world.versions))
    return world


@pytest.mark.parametrize("state", [{}, PARKED], ids=["a quarter of the users", "parked"])
@pytest.mark.parametrize("policy", [{}, {"paused": True}], ids=["", "paused"])
def test_the_users_of_a_deleted_stable_version_come_to_the_candidate(state: Any, policy: Any) -> None:
    """Three quarters of them got no answer until the canary was over; a parked one's never did again."""
    name, world = alone(spec=with_policy(**policy), ready=1, **state)
    decision = decide(world, NOW, WATCHED)
    act = routes(decision)[0]
    assert (act.intent, dict(act.needs_ready)) == (RouteIntent(name), {name: 1})
    status = recorded(decision, name)
    assert (status.phase, status.reason, state_of(decision, name).weight) == ("Baking", "StableGone", 100)
    assert "nothing to roll back to" in status.message
    assert PIN in status.message
    assert [a.reason for a in decision.acts if isinstance(a, Announce) and a.warning] == ["StableGone"]


def test_pods_for_all_users_are_started_then() -> None:
    name, world = alone("Baking", ready=1)
    decision = decide(world, NOW, WATCHED)
    assert [(a.version, a.replicas) for a in decision.acts if isinstance(a, EnsureServing)] == [(name, 4)]
    status = recorded(decision, name)
    assert (status.phase, status.reason) == ("Baking", "CandidateNotReady")
    assert status.message.startswith("1 of 4 pods are ready; no other version is loaded")


def test_what_was_said_of_missing_pods_goes_when_they_are_ready() -> None:
    name, world = alone("Baking")
    said = world.versions[0].status.model_copy(update={"reason": "CandidateNotReady"})
    world = replace(world, versions=(replace(world.versions[0], status=said),), route=build_route(RouteIntent(name)))
    assert recorded(decide(world, NOW, WATCHED), name).reason == "StepStarted"


@pytest.mark.parametrize("phase", ["Canary", "Baking"])
def test_a_fail_takes_no_users_where_nobody_could_take_them_and_says_what_to_do(phase: str) -> None:
    name, world = alone(phase, own=BAD)
    decision = decide(world, NOW, WATCHED)
    status = recorded(decision, name)
    assert (status.phase, status.reason, status.quarantined) == (phase, "NothingToFallBackTo", False)
    assert "bad of" in status.message
    assert PROMOTE in status.message
    assert PIN in status.message
    assert [route for route in routes(decision) if route.raises] == []
    told = replace(world, versions=(replace(world.versions[0], status=status),), route=build_route(world.route.intent))  # type: ignore[union-attr]
    assert name not in [getattr(act, "name", "") for act in decide(told, NOW + 1, WATCHED).acts]


@pytest.mark.parametrize("phase", ["Canary", "Baking"])
def test_a_promote_decides_for_it(phase: str) -> None:
    name, world = alone(phase, own=BAD)
    decision = decide(replace(world, actions=(build_action("Promote"),)), NOW, WATCHED)
    assert [a.status.phase for a in decision.acts if isinstance(a, RecordAction)] == ["Done"]
    status = recorded(decision, name)
    if phase == "Baking":
        assert status.phase == "Stable"
        return
    world = replace(world, versions=(replace(world.versions[0], status=status),))
    assert state_of(decide(world, NOW + 1, WATCHED), name).weight == 100


@pytest.mark.parametrize(
    ("policy", "changes", "reason"),
    [
        ({"onUndecidedFinal": "Rollback"}, {}, "Undecided"),
        ({}, {"hold_reason": "Undecided", "hold_since": NOW - 70, "waiting_since": NOW - 70}, "Undecided"),
    ],
    ids=["undecided", "hold limit"],
)
def test_an_end_that_would_send_users_nowhere_is_told_once(policy: Any, changes: Any, reason: str) -> None:
    name, world = alone("Baking", spec=with_policy(**policy), clock_start=NOW - 60, **changes)
    world = replace(world, route=build_route(RouteIntent(name)))
    status = recorded(decide(world, NOW, WATCHED), name)
    assert (status.phase, status.reason) == ("Baking", "NothingToFallBackTo")
    assert status.message.startswith(f"{reason}: no other version is loaded")
    world = replace(world, versions=(replace(world.versions[0], status=status),))
    assert name not in [getattr(act, "name", "") for act in decide(world, NOW, WATCHED).acts]


@pytest.mark.parametrize("route", [None, build_route(RouteIntent("gone"))], ids=["deleted", "lowered"])
def test_its_route_is_written_again(route: Any) -> None:
    name, world = alone("Baking")
    decision = decide(replace(world, route=route), NOW, WATCHED)
    assert [act.intent for act in routes(decision)] == [RouteIntent(name)]
    assert recorded(decision, name).phase == "Baking"


def test_a_pinned_version_is_warmed_beside_it_and_gets_its_users() -> None:
    """It waited for the candidate's end, and the candidate for somebody to take its users."""
    old = build_version(1, "Retired", build_spec(model={"embeddingDim": 8}), age=5000)
    name, world = alone("Baking")
    model = build_model(with_policy(pinnedVersion=old.name))
    world = replace(world, model=model, versions=(*world.versions, old), route=build_route(RouteIntent(name)))
    world = after_passes(world, 6)
    assert {v.name: (v.status.phase, v.status.reason) for v in world.versions}[old.name] == ("Warming", "NotReadyYet")
    world = after_passes(replace(world, pods=(*world.pods, *build_pods(old, 4))), 3)
    assert {v.name: v.status.phase for v in world.versions} == {old.name: "Stable", name: "Superseded"}


def test_the_model_is_ready_while_it_serves() -> None:
    name, world = alone("Baking")
    decision = decide(replace(world, route=build_route(RouteIntent(name))), NOW, WATCHED)
    written = model_status(decision)
    assert {c.type: c.status for c in written.conditions}["Ready"] == "True"


def test_a_list_of_versions_without_stable_moves_nobody_while_its_pods_answer() -> None:
    """A cache that lags shows it gone, and all users would be with a version that nothing is known of."""
    rollout = build_rollout()
    world = rollout.world()
    seen = replace(world, versions=tuple(v for v in world.versions if v.name == rollout.candidate.name))
    assert routes(decide(seen, NOW, WATCHED)) == []


@pytest.mark.parametrize("mode", ["Auto", "Manual"])
def test_a_version_that_had_failed_gets_no_more_users_and_says_who_gets_no_answer(mode: str) -> None:
    """Three quarters of the users got none, and the message told of the others alone."""
    name, world = alone(spec=with_policy(rollback={"mode": mode}), own=BAD)
    decision = decide(world, NOW, WATCHED)
    assert routes(decision) == []
    status = recorded(decision, name)
    assert status.reason == "NothingToFallBackTo"
    assert "75 % of the users are those of" in status.message
    assert "they get no answer" in status.message


def test_a_promote_is_the_way_out_though_the_spec_asks_for_another_model() -> None:
    """It was told to be created, and then refused: the next version waited for this one for ever."""
    name, world = alone(spec=with_policy(), own=BAD)
    world = replace(world, model=build_model(build_spec(model={"embeddingDim": 8})))
    assert "create a Promote" in recorded(decide(world, NOW, WATCHED), name).message
    asked = replace(world, actions=(build_action("Promote", name),))
    promoted = replace(after_passes(asked, 1), actions=())
    assert recorded(decide(promoted, NOW, WATCHED), name).phase == "Baking"
