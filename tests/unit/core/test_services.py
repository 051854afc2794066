"""Services that somebody deleted are made again, whatever else is going on."""

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
    build_serving,
    build_spec,
    build_version,
    build_world,
    two_versions,
    writes,
)

from recsys_operator.core.decision import Act, EnsureRoute, EnsureService, EnsureServing
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.world import RouteIntent, World

UNREADABLE = build_model(None, invalid="spec.rollout.steps: weights must rise")


def services(world: World) -> list[Act]:
    return [act for act in writes(decide(world, NOW, WATCHED)) if isinstance(act, EnsureService | EnsureServing)]


def serving_alone(**changes: Any) -> World:
    stable = build_version(1, "Stable")
    fields = {
        "pods": build_pods(stable, 4), "serving": {stable.name: build_serving(stable, 4)},
        "route": build_route(RouteIntent(stable.name)),
    }  # fmt: skip
    return build_world(changes.pop("model", None), stable, **{**fields, **changes})


@pytest.mark.parametrize("model", [None, UNREADABLE, build_model(build_spec(suspend=True))])
@pytest.mark.parametrize("selected", [None, "movies-older"])
def test_callers_inside_the_cluster_get_their_service_back(model: Any, selected: str | None) -> None:
    world = serving_alone(model=model)
    (stable,) = world.versions
    assert services(world) == []
    assert services(replace(world, stable_service=selected)) == [EnsureService(stable.name, of_model=True)]


def test_it_is_made_again_during_a_rollout_and_where_a_person_has_the_route() -> None:
    rollout = build_rollout()
    world = rollout.world(stable_service=None)
    assert services(world)[-1] == EnsureService(rollout.stable.name, of_model=True)
    taken = replace(world, route=replace(world.route, unmanaged=True))  # type: ignore[type-var]
    assert services(taken)[-1] == EnsureService(rollout.stable.name, of_model=True)


def test_it_comes_right_behind_a_route_that_has_another_stable_version_whatever_becomes_of_the_record() -> None:
    world = two_versions(actions=(build_action("Rollback"),))
    old, _ = world.versions
    acts = decide(world, NOW).acts
    assert isinstance(acts[0], EnsureRoute)
    assert acts[1] == EnsureService(old.name, of_model=True)


def test_a_rollback_that_leaves_stable_as_it_was_writes_no_service() -> None:
    rollout = build_rollout()
    world = rollout.world(actions=(build_action("Rollback"),))
    assert [act for act in decide(world, NOW, WATCHED).acts if isinstance(act, EnsureService)] == []


def test_it_does_not_run_ahead_of_the_route() -> None:
    """The version that is stable now has no users yet, and no ready pods."""
    spec = build_spec(model={"embeddingDim": 8})
    old, new = build_version(1, "Previous"), build_version(2, "Stable", spec)
    world = build_world(
        build_model(spec), old, new, route=build_route(RouteIntent(old.name)), pods=build_pods(old, 4),
        serving={v.name: build_serving(v, 4) for v in (old, new)}, stable_service=None,
    )  # fmt: skip
    assert services(world) == []


@pytest.mark.parametrize("autoscaled", [False, True])
def test_the_service_of_a_version_is_made_again_under_a_spec_that_cannot_be_read(autoscaled: bool) -> None:
    """Alone: size and autoscaler are those of the day on which the spec could be read."""
    world = serving_alone(model=UNREADABLE)
    (stable,) = world.versions
    view = replace(world.serving[stable.name], has_service=False)
    if autoscaled:
        view = replace(view, autoscaler=object())  # type: ignore[arg-type]
    assert services(replace(world, serving={stable.name: view})) == [EnsureService(stable.name)]
