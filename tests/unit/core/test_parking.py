"""The second chance of a version that lost its users: when it comes, and what is compared then."""

from typing import Any

import pytest
from tests.unit.core.factories import NOW, WATCHED, Rollout, build_model, build_rollout, recorded, state_of, with_policy

from recsys_operator.core.lifecycle import decide

SICK = {"gateway_bad": 15}


def parked(policy: str, **changes: Any) -> tuple[Rollout, Any]:
    """At weight 0 since 10 s, its pods ready for longer than stableHealthSeconds; and the model."""
    spec = with_policy(whenStableUnhealthy=policy)
    state = {"parked_since": NOW - 10, "ready_at": NOW - 9, "verdict_message": "both breach", "pods": {}, **changes}
    return build_rollout(spec, step=-1, weight=0, clock_start=None, **state), build_model(spec)


@pytest.mark.parametrize("harm", [{"breaches": 1, "verdict": "BothBreach"}, {"strikes": 1}], ids=["both", "pods"])
@pytest.mark.parametrize(("policy", "weight"), [("Wait", 0), ("Proceed", 25)])
def test_under_proceed_a_sick_stable_keeps_no_version_parked(harm: dict[str, Any], policy: str, weight: int) -> None:
    """Stable is as sick without the candidate's users: it was not the candidate, and only the comparison decides now."""
    rollout, model = parked(policy, **harm)
    state = state_of(decide(rollout.world(other=SICK, model=model), NOW, WATCHED), rollout.candidate.name)
    assert (state.weight, state.stable_was_unhealthy) == (weight, bool(weight))


@pytest.mark.parametrize(
    ("state", "answers"),
    [({"ready_at": NOW - 4}, SICK), ({}, {"pods_scraped": 0, "gateway_requests": None})],
    ids=["too early", "stable cannot be read"],
)
def test_under_proceed_a_parked_version_waits_until_its_pods_were_well_and_stable_is_known(
    state: dict[str, Any], answers: dict[str, Any]
) -> None:
    rollout, model = parked("Proceed", breaches=1, verdict="BothBreach", **state)
    decision = decide(rollout.world(other=answers, model=model), NOW, WATCHED)
    assert recorded(decision, rollout.candidate.name).rollout["weight"] == 0


def test_stable_that_is_well_again_is_compared_and_the_objectives_count_again() -> None:
    rollout, model = parked("Proceed", strikes=1, stable_was_unhealthy=True)
    state = state_of(decide(rollout.world(model=model), NOW, WATCHED), rollout.candidate.name)
    assert (state.weight, state.stable_was_unhealthy) == (25, False)


@pytest.mark.parametrize(("policy", "words"), [("Wait", "it and stable"), ("Proceed", "its pods")])
def test_a_parked_version_says_what_it_waits_for_and_what_a_person_can_do(policy: str, words: str) -> None:
    rollout, model = parked(policy, ready_at=NOW - 1, strikes=1)
    message = recorded(decide(rollout.world(model=model), NOW, WATCHED), rollout.candidate.name).message
    assert message == (
        f"both breach; it has no users and is tried once more when {words} were well for 5 s, or rolled back 65 s after it "
        "lost them; a Promote does not wait, a Rollback ends it"
    )
