"""Canary, bake, promotion, rollback: a world in, acts out."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    BAD,
    NOW,
    SILENT,
    UNREAD,
    WATCHED,
    build_model,
    build_pods,
    build_rollout,
    build_second,
    build_serving,
    build_spec,
    kinds,
    recorded,
    routes,
    state_of,
    with_policy,
)

from recsys_operator.core.analysis.evidence import Evidence
from recsys_operator.core.decision import Announce, EnsureServing
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.memory import Memory
from recsys_operator.core.world import RouteIntent


def test_an_unchanged_world_gives_no_acts() -> None:
    # the second pass has read back what the first one recorded
    world = build_rollout().world()
    decision = decide(world, NOW, WATCHED)
    assert [kind for kind in kinds(decision) if kind not in ("RecordModel",)] == []
    model = replace(world.model, status=decision.acts[-1].status)  # type: ignore[arg-type, union-attr]
    assert decide(replace(world, model=model), NOW, decision.memory).acts == ()


def test_a_failing_candidate_loses_its_users_before_anything_is_recorded() -> None:
    rollout = build_rollout()
    decision = decide(rollout.world(own=BAD), NOW, WATCHED)
    assert kinds(decision)[:2] == ["EnsureRoute", "RecordVersion"]
    route = routes(decision)[0]
    assert (route.intent, route.urgent, route.raises) == (RouteIntent(rollout.stable.name), True, False)
    assert (route.decision["verdict"], route.decision["version"]) == ("Fail", rollout.candidate.name)
    status = recorded(decision, rollout.candidate.name)
    assert (status.phase, status.quarantined, status.reason) == ("RolledBack", True, "SloFailed")
    assert not [act for act in decision.acts if type(act).__name__ == "DeleteObject"]
    events = [act.reason for act in decision.acts if isinstance(act, Announce)]
    assert events == ["SloFailed"]


@pytest.mark.parametrize(("mode", "events"), [("Manual", ["RollbackNeedsPerson"]), ("Disabled", [])])
def test_under_manual_and_disabled_a_person_decides_about_a_fail(mode: str, events: list[str]) -> None:
    rollout = build_rollout(with_policy(rollback={"mode": mode}))
    decision = decide(rollout.world(own=BAD, model=build_model(with_policy(rollback={"mode": mode}))), NOW, WATCHED)
    assert routes(decision) == []
    assert recorded(decision, rollout.candidate.name).reason == "RollbackNeedsPerson"
    assert [act.reason for act in decision.acts if isinstance(act, Announce)] == events


@pytest.mark.parametrize(("bake_seconds", "underpowered"), [(5, True), (604800, False)])
def test_the_time_of_the_last_step_is_the_bake(bake_seconds: int, underpowered: bool) -> None:
    """Its maxSeconds, 30 here, end nothing."""
    spec = with_policy(bakeSeconds=bake_seconds)
    rollout = build_rollout(spec, promoted=True, segment_at=NOW - 80, clock_start=NOW - 79)
    decision = decide(rollout.world(seconds=70, model=build_model(spec)), NOW, WATCHED)
    state = state_of(decision, rollout.candidate.name)
    assert (state.weight, state.underpowered) == (100, underpowered)


@pytest.mark.parametrize("answers", [SILENT, UNREAD], ids=["no data", "metrics unavailable"])
def test_a_promote_does_not_wait_for_evidence(answers: dict[str, Any]) -> None:
    """A person has decided; an outage alone never promotes."""
    rollout = build_rollout(promoted=True, segment_at=NOW - 80, clock_start=NOW - 79)
    (raised,) = routes(decide(rollout.world(seconds=70, own=answers, other=answers), NOW, WATCHED))
    assert raised.intent.weight == 100


@pytest.mark.parametrize("what", ["NoData", "MetricsUnavailable"])
@pytest.mark.parametrize("policy", ["Hold", "Rollback", "Continue"])
def test_missing_data_has_a_policy_and_never_leaves_a_step(what: str, policy: str) -> None:
    spec = with_policy(onNoData=policy, onMetricsUnavailable=policy)
    answers = SILENT if what == "NoData" else UNREAD
    rollout = build_rollout(spec, segment_at=NOW - 80, clock_start=NOW - 79)
    world = rollout.world(seconds=70, own=answers, other=answers, model=build_model(spec))
    decision = decide(world, NOW, WATCHED)
    status = recorded(decision, rollout.candidate.name)
    assert (status.phase, status.reason) == ("RolledBack" if policy == "Rollback" else "Canary", what)
    if policy != "Rollback":
        late = rollout.changed(hold_reason=what, hold_since=NOW - 61)
        world = late.world(seconds=70, own=answers, other=answers, model=build_model(spec))
        assert recorded(decide(world, NOW, WATCHED), rollout.candidate.name).phase == "RolledBack"


def test_data_that_returns_goes_on_and_its_absence_is_no_time_of_the_step() -> None:
    rollout = build_rollout(hold_reason="NoData", hold_since=NOW - 8)
    state = state_of(decide(rollout.world(), NOW, WATCHED), rollout.candidate.name)
    assert (state.hold_reason, state.held_seconds) == ("", 8.0)


def test_the_clock_starts_when_the_share_is_seen() -> None:
    rollout = build_rollout(clock_start=None)
    assert state_of(decide(rollout.world(), NOW, WATCHED), rollout.candidate.name).clock_start == NOW
    quiet = decide(rollout.world(own=SILENT), NOW, WATCHED)
    assert "RecordVersion" not in kinds(quiet)


@pytest.mark.parametrize(
    ("policy", "weight", "phase"), [("Advance", 100, "Baking"), ("Rollback", 0, "RolledBack"), ("Hold", None, "Canary")]
)
def test_an_undecided_step_does_what_was_declared(policy: str, weight: int | None, phase: str) -> None:
    spec = with_policy(onUndecided=policy)
    rollout = build_rollout(spec, clock_start=NOW - 31)
    decision = decide(rollout.world(model=build_model(spec)), NOW, WATCHED)
    assert recorded(decision, rollout.candidate.name).phase == phase
    assert [route.intent.weight for route in routes(decision)] == ([] if weight is None else [weight])
    if policy == "Advance":
        left = state_of(decision, rollout.candidate.name).left[-1]
        assert (left.step, left.by) == ("first", "Undecided")
        assert 0 < left.detectable < 1


def test_pass_advances_before_the_time_is_over() -> None:
    rollout = build_rollout(segment_at=NOW - 110, clock_start=NOW - 20)
    decision = decide(rollout.world(seconds=100), NOW, WATCHED)
    assert routes(decision)[0].intent.weight == 100
    assert state_of(decision, rollout.candidate.name).left[-1].by == "Pass"


def test_too_few_samples_hold_a_step_that_is_overdue() -> None:
    spec = with_policy(steps=[
        {"name": "first", "weight": 25, "minSamples": 5000, "maxSeconds": 30},
        {"name": "all", "weight": 100, "minSamples": 5, "maxSeconds": 30},
    ])  # fmt: skip
    rollout = build_rollout(spec, clock_start=NOW - 31)
    decision = decide(rollout.world(model=build_model(spec)), NOW, WATCHED)
    assert recorded(decision, rollout.candidate.name).reason == "TooFewSamples"


def test_an_approval_is_waited_for_but_not_for_ever() -> None:
    spec = with_policy(steps=[
        {"name": "first", "weight": 25, "minSamples": 5, "maxSeconds": 30, "approval": "Required"},
        {"name": "all", "weight": 100, "minSamples": 5, "maxSeconds": 30},
    ])  # fmt: skip
    model = build_model(spec)
    rollout = build_rollout(spec, clock_start=NOW - 31)
    assert (
        recorded(decide(rollout.world(model=model), NOW, WATCHED), rollout.candidate.name).reason == "ApprovalRequired"
    )
    approved = rollout.changed(approvals=("first",))
    assert routes(decide(approved.world(model=model), NOW, WATCHED))[0].intent.weight == 100
    late = rollout.changed(hold_reason="ApprovalRequired", hold_since=NOW - 61)
    assert recorded(decide(late.world(model=model), NOW, WATCHED), rollout.candidate.name).phase == "RolledBack"


def test_pause_stops_raises_but_not_rollbacks() -> None:
    model = build_model(with_policy(paused=True))
    rollout = build_rollout(clock_start=NOW - 31)
    assert routes(decide(rollout.world(model=model), NOW, WATCHED)) == []
    assert routes(decide(rollout.world(model=model, own=BAD), NOW, WATCHED))[0].intent.weight == 0


def test_weight_is_not_raised_before_the_pods_for_it_are_ready() -> None:
    rollout = build_rollout(clock_start=NOW - 31)
    own = build_pods(rollout.candidate, 2)
    world = rollout.changed(pods={pod.uid: 0 for pod in own}).world(pods=build_pods(rollout.stable, 4) + own)
    decision = decide(world, NOW, WATCHED)
    assert routes(decision) == []
    assert recorded(decision, rollout.candidate.name).reason == "Scaling"


def test_a_candidates_pods_follow_its_next_weight() -> None:
    rollout = build_rollout()
    serving = {v.name: build_serving(v, n) for v, n in ((rollout.stable, 4), (rollout.candidate, 1))}
    decision = decide(rollout.world(serving=serving), NOW, WATCHED)
    assert [(act.version, act.replicas) for act in decision.acts if isinstance(act, EnsureServing)] == [
        (rollout.candidate.name, 4)
    ]


def test_a_change_of_spec_ends_a_canary_after_its_weight_is_gone_but_no_bake() -> None:
    other = build_model(build_spec(model={"embeddingDim": 8}))
    rollout = build_rollout()
    decision = decide(rollout.world(model=other), NOW, WATCHED)
    assert kinds(decision)[:2] == ["EnsureRoute", "RecordVersion"]
    status = recorded(decision, rollout.candidate.name)
    assert (status.phase, status.quarantined) == ("Superseded", False)
    assert routes(decide(build_rollout(phase="Baking").world(model=other), NOW, WATCHED)) == []


def test_a_change_of_the_rollout_makes_no_new_version_and_changes_no_running_one() -> None:
    model = build_model(with_policy(bakeSeconds=99, onUndecided="Rollback"))
    assert [
        kind for kind in kinds(decide(build_rollout().world(model=model), NOW, WATCHED)) if kind != "RecordModel"
    ] == []


def test_the_route_says_to_the_millisecond_when_it_was_decided() -> None:
    rollout = build_rollout()
    (route,) = routes(decide(rollout.world(own=BAD), NOW + 0.25, WATCHED))
    assert route.decision["at"] == "2027-01-15T08:00:00.250Z"


@pytest.mark.parametrize("since", [-200.0, 3590.0], ids=["began before", "began after"])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_clock_that_is_set_back_hides_no_fail(since: float, restarted: bool) -> None:
    """Until it had caught up, every second counted as seen already."""
    ahead = NOW + 3600
    rollout = build_rollout(segment_at=NOW + since - 1, clock_start=NOW + since, banked_at=ahead)
    known = Evidence(
        version=rollout.candidate.name, segment=1, since=NOW + since, folded_until=ahead, read_at=ahead, seen_at=ahead
    )
    memory: object = None if restarted else Memory(since=NOW - 1000, evidence=known)
    rollout = rollout.changed(banked=known)
    for second in range(1, 11):
        now = tuple(
            build_second(v.name, NOW + second, **(BAD if v is rollout.candidate else {}))
            for v in (rollout.stable, rollout.candidate)
        )
        old = tuple(build_second(v.name, ahead - t) for t in range(5) for v in (rollout.stable, rollout.candidate))
        decision = decide(replace(rollout.world(), seconds=now + old), NOW + second, memory)
        memory = decision.memory
    assert routes(decision)[0].intent == RouteIntent(rollout.stable.name)


def test_what_is_seen_after_the_clock_was_set_back_is_written_down() -> None:
    rollout = build_rollout(banked_at=NOW + 3600)
    state = state_of(decide(rollout.world(), NOW, WATCHED), rollout.candidate.name)
    assert state.banked_at == NOW
