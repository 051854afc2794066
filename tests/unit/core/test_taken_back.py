"""A stable version that a person takes back while another one is on its way: nobody is sent back to it."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    NOW,
    WATCHED,
    build_action,
    build_pods,
    build_rollout,
    build_route,
    build_serving,
    build_spec,
    build_version,
    recorded,
    routes,
)

from recsys_operator.core import clock
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.world import RouteIntent, World


def warming_beside(phase: str) -> tuple[Any, World]:
    """A version that may have its first users now, beside a stable version whose rollback was asked for."""
    rollout = build_rollout(phase=phase, clock_start=None)
    bad = replace(rollout.stable, status=rollout.stable.status.model_copy(update={"phase_since": clock.to_text(NOW)}))
    old = build_version(1, "Previous", build_spec(model={"embeddingDim": 8}), age=5000)
    warm = {"step": -1, "weight": 0, "segment": 0, "ledger": (), "pods": {}}
    state = rollout.state.changed(**(warm if phase == "Warming" else {}))
    world = replace(rollout, state=state).world()
    template = old.status.template
    candidate = replace(
        world.versions[1], status=world.versions[1].status.model_copy(update={"template": template})
    )  # fmt: skip
    pods = build_pods(bad, 4) + build_pods(old, 4) + build_pods(candidate, 4)
    serving = {v.name: build_serving(v, 4) for v in (bad, old, candidate)}
    return old, replace(world, versions=(bad, candidate, old), pods=pods, serving=serving)


def test_no_rollout_starts_beside_the_stable_version_that_a_person_takes_back() -> None:
    old, world = warming_beside("Warming")
    asked = replace(world, actions=(build_action("Rollback"),), route=build_route(RouteIntent(world.versions[0].name)))
    assert routes(decide(replace(asked, actions=()), NOW, WATCHED))[0].intent.weight == 25
    decision = decide(asked, NOW, WATCHED)
    assert [route.intent for route in routes(decision)] == [RouteIntent(old.name)]
    assert world.versions[1].name not in [getattr(act, "name", "") for act in decision.acts]


@pytest.mark.parametrize("written", [True, False], ids=["its route was written", "its route was not written"])
def test_a_rollout_that_began_beside_a_version_that_was_taken_back_sends_nobody_there(written: bool) -> None:
    """The record of its start was decided on a stale cache, or just before the rollback."""
    old, world = warming_beside("Canary")
    bad, candidate, _ = world.versions
    ended = replace(bad, status=bad.status.model_copy(update={"phase": "RolledBack", "quarantined": True}))
    back = replace(old, status=old.status.model_copy(update={"phase": "Stable"}))
    route = world.route if written else build_route(RouteIntent(old.name), version=bad.name, outcome="RolledBack")
    decision = decide(replace(world, versions=(ended, candidate, back), route=route), NOW, WATCHED)
    assert [route.intent for route in routes(decision)] == [RouteIntent(old.name)]
    status = recorded(decision, candidate.name)
    assert (status.phase, status.quarantined) == ("Superseded", False)


@pytest.mark.parametrize("parked", [False, True])
def test_a_canary_whose_stable_version_was_deleted_gives_its_users_to_the_previous_one(parked: bool) -> None:
    """The rest of the users went to a version that is not there, until the canary was over."""
    old, world = warming_beside("Canary")
    _, candidate, _ = world.versions
    if parked:
        state = build_rollout(step=-1, weight=0, clock_start=None, pods={}, parked_since=NOW - 5).state
        status = candidate.status.model_copy(update={"rollout": state.dump()})
        candidate = replace(candidate, status=status)
    route = build_route(RouteIntent(world.versions[0].name)) if parked else world.route
    decision = decide(replace(world, versions=(candidate, old), route=route), NOW, WATCHED)
    assert [route.intent for route in routes(decision)] == [RouteIntent(old.name)]
    status = recorded(decision, candidate.name)
    assert (status.phase, status.quarantined) == ("Superseded", False)


@pytest.mark.parametrize("phase", ["Canary", "Baking"])
def test_a_version_whose_stable_version_was_deleted_is_still_watched(phase: str) -> None:
    _, world = warming_beside(phase)
    candidate = world.versions[1]
    alone = replace(world, versions=(candidate,))
    assert decide(alone, NOW, WATCHED).sample == (candidate.name,)


def test_a_bake_goes_on_when_the_version_that_it_replaced_was_deleted() -> None:
    old, world = warming_beside("Baking")
    decision = decide(replace(world, versions=(world.versions[1], old)), NOW, WATCHED)
    assert not [route for route in routes(decision) if route.intent != world.route.intent]  # type: ignore[union-attr]
