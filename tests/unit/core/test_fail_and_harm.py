"""A version that has failed gets no second try because a pod of it went as well."""

from typing import Any

import pytest
from tests.unit.core.factories import (
    BAD,
    NOW,
    WATCHED,
    build_pods,
    build_rollout,
    recorded,
    routes,
    state_of,
    with_policy,
)

from recsys_operator.core.lifecycle import decide
from recsys_operator.core.world import RouteIntent, World


def failing(mode: str, **changes: Any) -> tuple[str, World]:
    """Shown Fail, and fewer ready pods than the weight needs."""
    rollout = build_rollout(with_policy(rollback={"mode": mode}), **changes)
    return rollout.candidate.name, rollout.world(own=BAD, pods=build_pods(rollout.stable, 4))


@pytest.mark.parametrize(
    ("mode", "reason"), [("Auto", "SloFailed"), ("Manual", "CandidateNotReady"), ("Disabled", "CandidateNotReady")]
)
def test_a_fail_is_not_forgotten_for_a_pod(mode: str, reason: str) -> None:
    """It was parked for the pod, its evidence went, and it got users again by itself."""
    name, world = failing(mode)
    decision = decide(world, NOW, WATCHED)
    status, state = recorded(decision, name), state_of(decision, name)
    assert [act.intent for act in routes(decision)] == [RouteIntent(state.stable)]
    assert (status.phase, status.reason, status.quarantined, state.verdict) == ("RolledBack", reason, True, "Fail")
    assert "bad of" in status.message


def test_a_fail_that_a_person_overruled_is_none() -> None:
    name, world = failing("Manual", overruled=1)
    assert state_of(decide(world, NOW, WATCHED), name).parked_since == NOW
