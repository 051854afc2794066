"""Every hold says what is waited for, what a person can do, and how it ends without one."""

from typing import Any

import pytest
from tests.unit.core.factories import (
    NOW,
    SILENT,
    UNREAD,
    WATCHED,
    build_model,
    build_rollout,
    build_route,
    recorded,
    with_policy,
)

from recsys_operator.core.lifecycle import decide
from recsys_operator.core.phases.holding import ADVICE
from recsys_operator.core.phases.standstill import ABSENT, WAITS
from recsys_operator.core.world import RouteIntent

BACK, ON = "in all, it is rolled back", "in all, the rollout goes on"
OVER = {"clock_start": NOW - 70, "segment_at": NOW - 71}
APPROVAL = {
    "steps": [{"name": "first", "weight": 25, "minSamples": 5, "approval": "Required"}, {"name": "all", "weight": 100}]
}
CASES: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], str]] = [
    ("Undecided", {"onUndecided": "Hold"}, OVER, {}, "a Promote action decides for it, a Rollback action against it"),
    ("TooFewSamples", {}, OVER, {"own": {"answers": 1, "gateway_requests": 1}, "seconds": 3}, "with more requests, or by a Promote"),
    ("ApprovalRequired", APPROVAL, {}, {"seconds": 100}, "create an Approve action for the next one"),
    ("NoData", {}, OVER, {"own": SILENT, "seconds": 65}, "look at what callers send"),
    ("MetricsUnavailable", {}, OVER, {"own": UNREAD, "other": UNREAD}, "look at network policies"),
]  # fmt: skip


@pytest.mark.parametrize("end", ["Rollback", "Advance"])
@pytest.mark.parametrize(("reason", "policy", "state", "answers", "words"), CASES, ids=[case[0] for case in CASES])
def test_a_hold_says_what_to_do_and_how_it_ends(
    reason: str, policy: Any, state: Any, answers: Any, words: str, end: str
) -> None:
    spec = with_policy(**policy, onHoldLimit=end)
    fields = {"segment_at": NOW - 110, "clock_start": NOW - 109, **state}
    rollout = build_rollout(spec, **fields)
    status = recorded(decide(rollout.world(**answers, model=build_model(spec)), NOW, WATCHED), rollout.candidate.name)
    assert (status.phase, status.reason) == ("Canary", reason)
    assert words in status.message
    assert status.message.endswith(ON if reason in WAITS and end == "Advance" else BACK)


def test_a_route_that_is_not_accepted_says_where_to_look() -> None:
    rollout = build_rollout(clock_start=None, segment_at=NOW - 30)
    intent = RouteIntent(rollout.stable.name, rollout.candidate.name, 25, 7)
    route = build_route(intent, accepted=False, version=rollout.candidate.name, segment=1)
    status = recorded(decide(rollout.world(route=route), NOW, WATCHED), rollout.candidate.name)
    assert (status.reason, "look at its listeners" in status.message) == ("RouteNotAccepted", True)


def test_there_is_advice_for_every_reason_of_a_hold() -> None:
    assert set(ADVICE) == WAITS | ABSENT
