"""Warming, canary, bake, promotion, rollback: a world in, acts out."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    BAD,
    NOW,
    SILENT,
    UNREAD,
    WATCHED,
    Rollout,
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
    with_policy,
)

from recsys_operator.core.analysis.evidence import Evidence
from recsys_operator.core.analysis.health import Health
from recsys_operator.core.decision import Announce, EnsureServing
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.memory import Memory
from recsys_operator.core.world import RouteIntent, World

# -- warming


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


# -- canary


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


# -- pods that the operator itself adds and removes


def test_the_first_users_wait_for_the_pods_that_stable_has_needed_since_it_grew() -> None:
    """Its weight was recorded, its pods were too few under it, and that was taken for harm."""
    world = warm()
    grown = replace(world, model=build_model(build_spec(serving={"replicas": 8})))
    own = [replace(grown, pods=build_pods(world.versions[0], 8) + build_pods(world.versions[1], n)) for n in (1, 2)]
    few, enough = (decide(world, NOW, WATCHED) for world in own)
    assert routes(few) == []
    assert recorded(few, world.versions[1].name).reason == "NotReadyYet"
    assert (routes(enough)[0].intent.weight, routes(enough)[0].needs_ready) == (25, {world.versions[1].name: 2})


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


# -- the clock


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


def test_after_the_clock_was_set_back_stable_is_watched_anew() -> None:
    world = warm(3)
    ahead = NOW + 3600
    health = Health(world.versions[0].name, ahead - 100, ahead, ahead, requests=100, seconds=100)
    assert routes(decide(world, NOW, Memory(since=NOW - 1000, health=health))) == []
