"""Before the first users: pods, stable's health, and what keeps a rollout from starting."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    NOW,
    WATCHED,
    build_model,
    build_pods,
    build_rollout,
    build_second,
    build_serving,
    build_spec,
    build_version,
    build_world,
    kinds,
    recorded,
    routes,
    state_of,
)

from recsys_operator.core.analysis.health import Health
from recsys_operator.core.decision import EnsureServing
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.memory import Memory
from recsys_operator.core.world import RouteIntent, World


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
    world = replace(world, triton_start_seconds=1800, image_pull_policy="Always")
    first = decide(world, NOW)
    status = recorded(first, version.name)
    template = status.template
    assert (template.image, template.triton_start_seconds, template.image_pull_policy) == ("serving:1", 1800, "Always")
    assert not [act for act in first.acts if isinstance(act, EnsureServing)]
    second = decide(replace(world, versions=(stable, replace(version, status=status))), NOW)
    assert [act.replicas for act in second.acts if isinstance(act, EnsureServing)] == [1]
    assert second.sample == (stable.name, version.name)


@pytest.mark.parametrize(
    ("artifacts", "secret"), [({"credentialsSecretRef": {"name": "rotated"}}, "rotated"), ({}, "")]
)
def test_the_secret_of_the_pods_is_todays(artifacts: dict[str, Any], secret: str) -> None:
    """Its name makes no new version, so that who corrects it would have no other way."""
    stable, version = build_version(1, "Stable"), build_version(2, "Warming")
    world = build_world(
        build_model(build_spec(artifacts=artifacts)), stable, version,
        serving={stable.name: build_serving(stable, 4)}, pods=build_pods(stable, 4),
    )  # fmt: skip
    assert recorded(decide(world, NOW), version.name).template.credentials_secret == secret


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
    seen = replace(world.versions[1], status=recorded(decide(late, NOW), name))
    status = recorded(decide(replace(late, versions=(world.versions[0], seen)), NOW + 601), name)
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


FREEZE = {"name": "freeze", "schedule": "* * * * *", "seconds": 3600}


@pytest.mark.parametrize(
    ("change", "reason"), [({"paused": True}, "Paused"), ({"windows": [FREEZE]}, "WindowClosed"), ({}, "Suspended")]
)
def test_paused_frozen_and_suspended_models_start_no_rollout(change: dict[str, Any], reason: str) -> None:
    spec = build_spec(rollout=change, suspend=None if change else True)
    world = warm()
    decision = decide(replace(world, model=build_model(spec)), NOW, WATCHED)
    assert routes(decision) == []
    assert recorded(decision, world.versions[1].name).reason == reason


def test_the_first_users_wait_for_the_pods_that_stable_has_needed_since_it_grew() -> None:
    """Its weight was recorded, its pods were too few under it, and that was taken for harm."""
    world = warm()
    grown = replace(world, model=build_model(build_spec(serving={"replicas": 8})))
    own = [replace(grown, pods=build_pods(world.versions[0], 8) + build_pods(world.versions[1], n)) for n in (1, 2)]
    few, enough = (decide(world, NOW, WATCHED) for world in own)
    assert routes(few) == []
    assert recorded(few, world.versions[1].name).reason == "NotReadyYet"
    assert (routes(enough)[0].intent.weight, routes(enough)[0].needs_ready) == (25, {world.versions[1].name: 2})


def test_after_the_clock_was_set_back_stable_is_watched_anew() -> None:
    world = warm(3)
    ahead = NOW + 3600
    health = Health(world.versions[0].name, ahead - 100, ahead, ahead, requests=100, seconds=100)
    assert routes(decide(world, NOW, Memory(since=NOW - 1000, health=health))) == []
