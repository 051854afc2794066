"""Pods of a candidate that go, restart or are too few, and its one second chance."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    BAD,
    NOW,
    WATCHED,
    Rollout,
    build_model,
    build_pods,
    build_rollout,
    build_version,
    recorded,
    routes,
    state_of,
    with_policy,
)

from recsys_operator.core.lifecycle import decide
from recsys_operator.core.world import RouteIntent, World


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


def lost_server(rollout: Rollout) -> dict[str, Any]:
    return {"own": {"server_restarts": 1}}


@pytest.mark.parametrize("harm", [lost_pod, restarted, lost_server])
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
    rollout = parked(parked_since=NOW - 66)
    world = rollout.world(own={"gateway_bad": 15}, other={"gateway_bad": 15})
    assert recorded(decide(world, NOW, WATCHED), rollout.candidate.name).phase == "RolledBack"


def fewer(left: int) -> World:
    """A candidate in its first step, for which one pod is enough, that had 3 pods."""
    rollout = build_rollout(pods={pod.uid: 0 for pod in build_pods(build_version(2, "Canary"), 3)})
    return rollout.world(pods=build_pods(rollout.stable, 4) + build_pods(rollout.candidate, left))


@pytest.mark.parametrize(("left", "reason"), [(2, ""), (1, ""), (0, "CandidateNotReady")])
def test_a_pod_may_go_while_enough_others_are_ready(left: int, reason: str) -> None:
    """Two drained nodes in one rollout had a healthy version rolled back for good."""
    world = fewer(left)
    assert recorded(decide(world, NOW, WATCHED), world.versions[1].name).reason == reason


def test_pods_that_went_are_watched_no_longer() -> None:
    world = fewer(2)
    state = state_of(decide(world, NOW, WATCHED), world.versions[1].name)
    assert set(state.pods) == {pod.uid for pod in world.pods if pod.version == world.versions[1].name}
