"""A spec that does not parse: nobody knows whether it pauses, so nothing rises; what serves stays, rollbacks go on."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    BAD,
    NOW,
    WATCHED,
    build_action,
    build_job,
    build_model,
    build_rollout,
    build_serving,
    build_spec,
    build_version,
    build_world,
    kinds,
    recorded,
    routes,
)

from recsys_operator.core.decision import EnsureServing, StartJob
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.world import AutoscalerView, World

UNREADABLE = build_model(None, invalid="spec.rollout.steps: weights must rise")


def sized(world: World) -> list[tuple[str, int]]:
    """What is made as large as that."""
    return [(a.version, a.replicas) for a in decide(world, NOW, WATCHED).acts if isinstance(a, EnsureServing)]


@pytest.mark.parametrize("promoted", [False, True], ids=["its time is over", "promoted"])
def test_no_weight_is_raised(promoted: bool) -> None:
    rollout = build_rollout(clock_start=NOW - 31, promoted=promoted)
    decision = decide(rollout.world(model=UNREADABLE), NOW, WATCHED)
    assert routes(decision) == []
    assert recorded(decision, rollout.candidate.name).reason == "InvalidSpec"


def test_a_parked_candidate_stays_parked() -> None:
    rollout = build_rollout(
        step=-1, weight=0, clock_start=None, strikes=1, parked_since=NOW - 10, ready_at=NOW - 9, pods={}
    )
    assert routes(decide(rollout.world(model=UNREADABLE), NOW, WATCHED)) == []


def test_nothing_becomes_stable() -> None:
    rollout = build_rollout(phase="Baking", segment_at=NOW - 110, clock_start=NOW - 100)
    decision = decide(rollout.world(seconds=100, model=UNREADABLE), NOW, WATCHED)
    assert recorded(decision, rollout.candidate.name).phase == "Baking"


@pytest.mark.parametrize("phase", ["Canary", "Baking"])
def test_a_candidate_that_fails_loses_its_users(phase: str) -> None:
    rollout = build_rollout(phase=phase, clock_start=NOW - 11)
    decision = decide(rollout.world(own=BAD, model=UNREADABLE), NOW, WATCHED)
    assert [route.intent.weight for route in routes(decision)] == [0]
    assert recorded(decision, rollout.candidate.name).phase == "RolledBack"


def test_no_job_is_started() -> None:
    version = build_version(1, "Preparing")
    decision = decide(build_world(UNREADABLE, version), NOW)
    assert [act for act in decision.acts if isinstance(act, StartJob)] == []
    assert recorded(decision, version.name).reason == "InvalidSpec"


def test_a_gate_in_doubt_goes_on_waiting_and_no_evaluation_is_stopped() -> None:
    """The gates of the newest version's own spec are of another day."""
    doubt = build_version(1, "Evaluating", digest="sha256:x", reason="GateUndecided", evaluation_key="today", age=10)
    running = build_job(doubt, "evaluate", f"{doubt.name}-eval-today", key="today")
    decision = decide(build_world(UNREADABLE, doubt, jobs=(running,)), NOW)
    assert [kind for kind in kinds(decision) if kind in ("RecordVersion", "DeleteObject", "StartJob")] == []


@pytest.mark.parametrize("scaler", [None, AutoscalerView(6, 30, 50)], ids=["replicas", "autoscaling"])
def test_what_serves_keeps_its_size(scaler: AutoscalerView | None) -> None:
    """The newest version's own spec is of another day: its 4 replicas are no reason to take 6 of 10 pods away."""
    rollout = build_rollout()
    serving = {v.name: build_serving(v, 10, autoscaler=scaler) for v in (rollout.stable, rollout.candidate)}
    assert sized(rollout.world(model=UNREADABLE, serving=serving)) == []


def test_the_version_that_a_rollback_goes_back_to_grows_as_large_as_the_one_before() -> None:
    old, bad = build_version(1, "Previous"), build_version(2, "Stable", age=60)
    world = build_rollout().world(model=UNREADABLE, actions=(build_action("Rollback"),))
    serving = {old.name: build_serving(old, 1), bad.name: build_serving(bad, 10)}
    asked = replace(world, versions=(old, bad), serving=serving, route=None)
    assert recorded(decide(asked, NOW), old.name).phase == "Stable"
    ended = bad.status.model_copy(update={"phase": "RolledBack", "quarantined": True})
    back = old.status.model_copy(update={"phase": "Stable"})
    after = replace(asked, versions=(replace(old, status=back), replace(bad, status=ended)), actions=())
    assert sized(after) == [(old.name, 10)]


def test_the_previous_version_stays_loaded() -> None:
    stable, previous = build_version(2, "Stable"), build_version(1, "Previous", age=10_000)
    world = build_rollout().world(model=UNREADABLE)
    kept: dict[str, Any] = {"serving": {v.name: build_serving(v, 4) for v in (stable, previous)}}
    decision = decide(replace(world, versions=(previous, stable), **kept), NOW)
    assert "RecordVersion" not in kinds(decision)


def test_the_rollout_goes_on_when_the_spec_is_readable_again() -> None:
    rollout = build_rollout(clock_start=NOW - 31)
    decision = decide(rollout.world(model=build_model(build_spec())), NOW, WATCHED)
    assert [route.intent.weight for route in routes(decision)] == [100]
