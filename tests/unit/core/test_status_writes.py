"""How often a running rollout is written down: what matters at once, what only counts at most every 15 seconds."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    BAD,
    NOW,
    WATCHED,
    Rollout,
    build_pods,
    build_rollout,
    build_route,
    build_second,
    recorded,
    state_of,
    with_policy,
)

from recsys_operator.core.decision import RecordModel, RecordVersion
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.world import RouteIntent


def writes_of(rollout: Rollout, seconds: int, **answers: Any) -> list[tuple[int, str]]:
    """(second, kind) of each act while the operator decides every second and its records come back."""
    versions = {v.name: v for v in rollout.world().versions}
    model, memory, found = rollout.world().model, WATCHED, []
    for t in range(seconds):
        fresh = tuple(
            build_second(v, NOW + t - k, **answers.get("own" if v == rollout.candidate.name else "other", {}))
            for v in versions
            for k in range(10)
        )
        world = replace(rollout.world(), versions=tuple(versions.values()), model=model, seconds=fresh)
        decision = decide(world, NOW + t, memory)
        memory = decision.memory
        for act in decision.acts:
            found.append((t, type(act).__name__))
            if isinstance(act, RecordVersion):
                versions[act.name] = replace(versions[act.name], status=act.status)
            elif isinstance(act, RecordModel) and model is not None:
                model = replace(model, status=act.status)
    return found


def test_counters_that_move_are_written_every_fifteen_seconds() -> None:
    slow = with_policy(
        steps=[{"name": "first", "weight": 25, "maxSeconds": 3000}, {"name": "all", "weight": 100}],
        slos=[{"name": "available", "sli": {"type": "Availability"}, "objectivePercent": "99.999"}],
    )
    found = writes_of(build_rollout(slow), 60)
    assert [t for t, kind in found if kind == "RecordVersion"] == [15, 30, 45]
    assert [t for t, kind in found if kind == "RecordModel"] == [0, 15, 30, 45]


def test_a_failing_candidate_that_waits_for_a_person_is_not_written_every_second() -> None:
    found = writes_of(build_rollout(with_policy(rollback={"mode": "Manual"})), 40, own=BAD)
    assert found == [
        (0, "RecordVersion"), (0, "Announce"), (0, "RecordModel"),
        (15, "RecordVersion"), (15, "RecordModel"),
        (30, "RecordVersion"), (30, "RecordModel"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "own"),
    [
        ({"approval": "Required", "maxSeconds": 5}, {}),
        ({"minSamples": 10**6, "maxSeconds": 5}, {}),
        ({"maxSeconds": 3000}, {"pods_scraped": 3}),
    ],
    ids=["an approval", "samples", "metrics"],
)
def test_what_is_known_is_written_while_something_is_waited_for(first: dict[str, Any], own: dict[str, Any]) -> None:
    spec = with_policy(
        holdLimitSeconds=600, steps=[{"name": "first", "weight": 25, **first}, {"name": "all", "weight": 100}],
        slos=[{"name": "available", "sli": {"type": "Availability"}, "objectivePercent": "99.999"}],
    )  # fmt: skip
    found = writes_of(build_rollout(spec), 60, own=own)
    assert {15, 30, 45} <= {t for t, kind in found if kind == "RecordVersion"}


def test_a_pod_that_was_born_under_weight_is_watched_too() -> None:
    rollout = build_rollout()
    rollout = rollout.changed(pods={build_pods(rollout.candidate, 1)[0].uid: 0})
    decision = decide(rollout.world(), NOW, WATCHED)
    state = state_of(decision, rollout.candidate.name)
    pods = build_pods(rollout.candidate, 4)
    assert state.pods == {pod.uid: 0 for pod in pods}
    crashed = (*pods[:3], replace(pods[3], restarts=1))
    world = replace(rollout, state=state).world(pods=build_pods(rollout.stable, 4) + crashed)
    assert recorded(decide(world, NOW, WATCHED), rollout.candidate.name).reason == "CandidateNotReady"


def test_evidence_of_before_the_route_was_raised_is_dropped_by_the_process_that_saw_it() -> None:
    rollout = build_rollout(clock_start=None)
    stable, candidate = rollout.stable.name, rollout.candidate.name
    lower = build_route(RouteIntent(stable, candidate, 5, 7), version=candidate, segment=0)
    first = decide(rollout.world(route=lower), NOW, WATCHED)
    state = state_of(first, candidate)
    assert state.banked is not None
    after = decide(replace(rollout, state=state).world(), NOW, first.memory)
    assert after.memory.evidence.answers == 0  # type: ignore[attr-defined]
