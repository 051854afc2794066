"""What `kubectl get recm` and its conditions say."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    NOW,
    build_model,
    build_pods,
    build_rollout,
    build_route,
    build_serving,
    build_spec,
    build_version,
    build_world,
    model_status,
)

from recsys_api.model_status import CONDITION_TYPES, RecommenderModelStatus
from recsys_api.model_version import Condition
from recsys_operator.core.decision import DeleteObject, RecordModel
from recsys_operator.core.lifecycle import decide, tell_trouble
from recsys_operator.core.memory import Memory
from recsys_operator.core.world import RouteIntent, Trouble, World

WATCHED = Memory(since=NOW - 1000)


def status_of(world: World) -> RecommenderModelStatus:
    found = [act.status for act in decide(world, NOW, WATCHED).acts if isinstance(act, RecordModel)]
    return found[0] if found else world.model.status  # type: ignore[union-attr]


def condition(status: RecommenderModelStatus, kind: str) -> Condition:
    return next(found for found in status.conditions if found.type == kind)


def serving(**changes: Any) -> World:
    stable = build_version(1, "Stable")
    fields: dict[str, Any] = {
        "pods": build_pods(stable, 4), "serving": {stable.name: build_serving(stable, 4)},
        "route": build_route(RouteIntent(stable.name)),
    }  # fmt: skip
    return build_world(changes.pop("model", None), stable, **{**fields, **changes})


def test_every_condition_is_there_in_the_order_of_the_table() -> None:
    assert tuple(found.type for found in status_of(serving()).conditions) == CONDITION_TYPES


@pytest.mark.parametrize(
    ("world", "value"),
    [
        (build_world(), "False"),
        (serving(), "True"),
        (serving(pods=()), "False"),
        (serving(route=None), "False"),
        (serving(route=build_route(RouteIntent(build_version(1).name), accepted=False)), "False"),
        (build_rollout().world(), "True"),
    ],
)
def test_ready_means_that_a_good_model_serves(world: World, value: str) -> None:
    assert condition(status_of(world), "Ready").status == value


def test_ready_stays_true_while_a_route_change_is_being_accepted() -> None:
    before = status_of(serving())
    route = build_route(RouteIntent(build_version(1).name), accepted=False)
    after = status_of(serving(model=build_model(status=before), route=route))
    assert condition(after, "Ready").status == "True"
    assert condition(after, "TrafficVerified").status == "False"


def test_a_version_that_still_has_the_users_answers_though_the_one_that_is_to_have_them_cannot() -> None:
    """Between the record and the route the pods of the new stable version went."""
    old, new = build_version(1, "Previous"), build_version(2, "Stable")
    world = build_world(None, old, new, pods=build_pods(old, 4), route=build_route(RouteIntent(old.name)))
    told = condition(status_of(world), "Ready")
    assert (told.status, told.message) == ("True", f"{old.name} answers")


def test_a_transition_time_moves_with_the_status_only() -> None:
    before = status_of(serving())
    world = serving(model=build_model(status=before, generation=7), pods=build_pods(build_version(1), 3))
    later = decide(world, NOW + 100)
    after = model_status(later)
    assert after.observed_generation == 7
    assert condition(after, "Ready").last_transition_time == condition(before, "Ready").last_transition_time
    assert condition(after, "Ready").observed_generation == 7
    assert condition(after, "RollbackReady").status == "False"


def test_during_a_rollout_status_names_both_versions_the_weight_and_the_evidence() -> None:
    rollout = build_rollout()
    status = status_of(rollout.world())
    assert (status.stable, status.candidate, status.weight) == (rollout.stable.name, rollout.candidate.name, 25)
    assert status.rollout is not None
    assert status.rollout.step == "first"
    assert condition(status, "RollbackReady").status == "True"
    assert condition(status, "AnalysisPassing").status == "Unknown"


def test_the_weight_is_what_the_route_really_says() -> None:
    rollout = build_rollout(segment=3)
    old = build_route(
        RouteIntent(rollout.stable.name, rollout.candidate.name, 5, 7), version=rollout.candidate.name, segment=2
    )
    assert status_of(replace(rollout.world(route=old), rollouts_paused=True)).weight == 25
    unmanaged = replace(old, unmanaged=True)
    assert status_of(rollout.world(route=unmanaged)).weight == 5


def test_an_invalid_spec_is_said_and_the_model_goes_on_serving() -> None:
    status = status_of(serving(model=build_model(None, invalid="spec.rollout.steps: weights must rise")))
    assert (status.reason, status.message) == ("InvalidSpec", "spec.rollout.steps: weights must rise")
    assert condition(status, "Stalled").status == "True"
    assert condition(status, "Ready").status == "True"


@pytest.mark.parametrize("phase", ["Invalid", "Failed", "Rejected"])
def test_a_version_that_ended_badly_stalls_the_model_with_its_own_words(phase: str) -> None:
    version = build_version(1, phase, reason="Why", message="because of the data")
    status = status_of(build_world(None, version))
    assert (condition(status, "Stalled").status, condition(status, "Stalled").message) == (
        "True",
        "because of the data",
    )
    assert "because of the data" in status.message


def test_the_scheduler_s_words_are_the_models_headline() -> None:
    version = build_version(1, "Training", reason="Unschedulable", message="0/1 nodes: insufficient nvidia.com/gpu")
    status = status_of(build_world(None, version))
    assert status.reason == "Unschedulable"
    assert "insufficient nvidia.com/gpu" in status.message


def test_the_oldest_ended_versions_are_forgotten_but_never_a_rollback() -> None:
    spec = build_spec(historyLimit=2)
    other = build_spec(model={"embeddingDim": 8})
    ended = [build_version(n, "Retired", other, trigger=f"action/{n}") for n in (1, 2)]
    bad = build_version(3, "RolledBack", other, trigger="action/3", quarantined=True)
    stable = build_version(4, "Stable", spec)
    world = build_world(
        build_model(spec), *ended, bad, stable, pods=build_pods(stable, 4), route=build_route(RouteIntent(stable.name))
    )
    deleted = [act.name for act in decide(world, NOW).acts if isinstance(act, DeleteObject)]
    assert deleted == [version.name for version in ended]


def test_a_refused_act_stands_in_status_until_a_pass_ends_well() -> None:
    world = build_rollout().world()
    (told,) = tell_trouble(world, NOW, Trouble("Forbidden", "create services: exceeded quota"))
    assert isinstance(told, RecordModel)
    assert (told.status.reason, told.status.weight) == ("Forbidden", 25)
    assert world.model is not None
    after = replace(world, model=replace(world.model, status=told.status))
    (cleared,) = [act for act in decide(after, NOW, WATCHED).acts if isinstance(act, RecordModel)]
    (stalled,) = [condition for condition in cleared.status.conditions if condition.type == "Stalled"]
    assert (stalled.status, cleared.status.reason) == ("False", "Canary")
