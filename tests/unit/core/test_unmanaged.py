"""A person has the route: harm is recorded and told, and nothing ends because time has passed."""

from collections.abc import Callable
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
    build_action,
    build_model,
    build_pods,
    build_rollout,
    build_route,
    build_serving,
    build_version,
    build_world,
    recorded,
    routes,
    state_of,
    two_versions,
    with_policy,
)

from recsys_api.model_status import RecommenderModelStatus
from recsys_api.model_version import Condition, ModelVersionStatus
from recsys_operator.core.decision import (
    Announce,
    CreateVersion,
    DeleteObject,
    EnsureServing,
    RecordModel,
    RecordVersion,
)
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.phases.promotion import new_state
from recsys_operator.core.rollout_state import read_state
from recsys_operator.core.scene import Scene
from recsys_operator.core.world import RouteIntent, World

LONG = {"segment_at": NOW - 900, "clock_start": NOW - 899, "banked_at": NOW}


BY_ANNOTATION = "the HTTPRoute carries recsys.dev/unmanaged"
BY_SPEC = "spec.rollout.traffic.management is Manual"


def taken(world: World) -> World:
    """Somebody set the annotation."""
    assert world.route is not None
    return replace(world, route=replace(world.route, unmanaged=True))


def managed_by_hand(world: World) -> World:
    """Somebody wrote traffic.management: Manual."""
    assert world.model is not None
    return replace(world, model=replace(world.model, manual=True))


WAYS = pytest.mark.parametrize(
    ("take", "said"), [(taken, BY_ANNOTATION), (managed_by_hand, BY_SPEC)], ids=["annotation", "spec"]
)


def settle(world: World, name: str, now: float) -> World:
    """The world after the candidate's records of some passes."""
    for _ in range(4):
        found = {a.name: a.status for a in decide(world, now, WATCHED).acts if isinstance(a, RecordVersion)}
        world = replace(world, versions=tuple(replace(v, status=found.get(v.name, v.status)) for v in world.versions))
    return world


def status_of(world: World, rollout: Rollout) -> ModelVersionStatus:
    return next(v.status for v in world.versions if v.name == rollout.candidate.name)


@pytest.mark.parametrize("phase", ["Canary", "Baking"])
@pytest.mark.parametrize(
    ("policy", "answers"),
    [
        ({}, SILENT), ({"onNoData": "Rollback"}, SILENT), ({"onMetricsUnavailable": "Rollback"}, UNREAD),
        ({"onUndecided": "Rollback", "onUndecidedFinal": "Rollback"}, {}), ({"onUndecided": "Hold"}, {}),
    ],
    ids=["hold", "no data", "metrics", "undecided", "hold undecided"],
)  # fmt: skip
def test_no_deadline_ends_a_version_while_a_person_has_the_route(
    policy: dict[str, Any], answers: dict[str, Any], phase: str
) -> None:
    """The weight may be 0 by that person's own hand: then there is no data, and it was quarantined for that."""
    spec = with_policy(**policy)
    rollout = build_rollout(spec, phase, **LONG, hold_reason="NoData", hold_since=NOW - 70, missing_since=NOW - 70)
    world = taken(rollout.world(seconds=70, own=answers, other=answers, model=build_model(spec)))
    status = status_of(settle(world, rollout.candidate.name, NOW), rollout)
    assert (status.phase, status.quarantined, status.reason) == (phase, False, "Unmanaged")
    assert "remove the annotation recsys.dev/unmanaged" in status.message


@pytest.mark.parametrize(("after", "phase"), [(19, "Canary"), (21, "RolledBack")])
def test_a_hold_on_data_has_the_rest_of_its_time_after_it(after: float, phase: str) -> None:
    rollout = build_rollout(**LONG, hold_reason="NoData", hold_since=NOW - 40, missing_since=NOW - 40)
    world = rollout.world(seconds=70, own=SILENT)
    world = settle(taken(world), rollout.candidate.name, NOW)
    for moment in (NOW + 5000, NOW + 5000 + after):
        shift = moment - NOW
        seconds = tuple(replace(s, at=s.at + shift) for s in rollout.world(seconds=70, own=SILENT).seconds)
        world = settle(replace(world, route=rollout.world().route, seconds=seconds), rollout.candidate.name, moment)
    assert status_of(world, rollout).phase == phase


def test_the_step_begins_anew_after_it() -> None:
    """What was seen meanwhile was under the person's weights."""
    rollout = build_rollout()
    world = settle(taken(rollout.world()), rollout.candidate.name, NOW)
    seconds = tuple(replace(second, at=second.at + 5000) for second in rollout.world().seconds)
    world = settle(replace(world, route=rollout.world().route, seconds=seconds), rollout.candidate.name, NOW + 5000)
    state = read_state(status_of(world, rollout))
    assert state is not None
    assert state.banked is not None
    assert (state.clock_start, state.banked.answers, state.unmanaged_since) == (None, 0, None)
    assert status_of(world, rollout).reason == "StepStarted"


@pytest.mark.parametrize("phase", ["Canary", "Baking"])
def test_each_new_beginning_of_a_step_has_less_of_the_error_budget(phase: str) -> None:
    """What was seen before had its own chance of a false Fail."""
    rollout, alphas = build_rollout(phase=phase), list[float]()
    world = rollout.world()
    for hour in range(3):
        moment = NOW + 3600 * hour
        seconds = tuple(replace(second, at=second.at + 3600 * hour) for second in rollout.world().seconds)
        world = settle(taken(replace(world, seconds=seconds)), rollout.candidate.name, moment)
        world = settle(replace(world, route=rollout.world().route), rollout.candidate.name, moment + 1)
        state = read_state(status_of(world, rollout))
        assert state is not None
        alphas.append(state.alpha())
    assert alphas == pytest.approx([0.0152 / 4, 0.0152 / 9, 0.0152 / 16], rel=0.01)


def test_a_beginning_anew_after_which_nothing_was_seen_costs_nothing() -> None:
    rollout = build_rollout(banked=None)
    world = replace(rollout.world(own=SILENT), seconds=())
    world = settle(taken(world), rollout.candidate.name, NOW)
    world = settle(replace(world, route=rollout.world().route), rollout.candidate.name, NOW + 1)
    state = read_state(status_of(world, rollout))
    assert state is not None
    assert len(state.ledger) == 1


@WAYS
@pytest.mark.parametrize("phase", ["Canary", "Baking"])
def test_harm_is_recorded_and_says_that_the_users_are_still_there(
    phase: str, take: Callable[[World], World], said: str
) -> None:
    rollout = build_rollout(phase=phase)
    decision = decide(take(rollout.world(own=BAD)), NOW, WATCHED)
    status = recorded(decision, rollout.candidate.name)
    assert (status.phase, routes(decision)) == ("RolledBack", [])
    asked = (
        f"set the weight of {rollout.candidate.name} in the HTTPRoute to 0 in favour of {rollout.stable.name} yourself"
    )
    assert f"{said}: {asked}" in status.message


@WAYS
def test_status_says_how_the_route_was_taken_and_how_to_give_it_back(take: Callable[[World], World], said: str) -> None:
    rollout = build_rollout()
    world = take(rollout.world())
    status = status_of(settle(world, rollout.candidate.name, NOW), rollout)
    written = next(act.status for act in decide(world, NOW, WATCHED).acts if isinstance(act, RecordModel))
    stalled = next(each for each in written.conditions if each.type == "Stalled")
    undo = "remove the annotation recsys.dev/unmanaged" if take is taken else "remove spec.rollout.traffic"
    assert (status.reason, written.reason, stalled.reason) == ("Unmanaged",) * 3
    for message in (status.message, written.message, stalled.message):
        assert message.startswith(said)
    assert undo in status.message
    assert undo in stalled.message


def test_both_ways_together_are_both_named() -> None:
    rollout = build_rollout()
    status = status_of(settle(managed_by_hand(taken(rollout.world())), rollout.candidate.name, NOW), rollout)
    assert f"{BY_SPEC} and {BY_ANNOTATION}" in status.message
    assert "remove spec.rollout.traffic and remove the annotation recsys.dev/unmanaged" in status.message


def test_a_missing_route_is_not_made_where_a_person_writes_it() -> None:
    """The annotation goes with the route, the spec stays."""
    rollout = build_rollout()
    world = managed_by_hand(replace(rollout.world(), route=None))
    for _ in range(3):
        decision = decide(world, NOW, WATCHED)
        assert routes(decision) == []
        world = settle(world, rollout.candidate.name, NOW)
    assert status_of(world, rollout).reason == "Unmanaged"


def test_a_route_that_gives_it_nothing_is_not_to_be_changed() -> None:
    rollout = build_rollout()
    route = build_route(RouteIntent(rollout.stable.name))
    decision = decide(taken(rollout.world(own=BAD, route=route)), NOW, WATCHED)
    assert "yourself" not in recorded(decision, rollout.candidate.name).message


@pytest.mark.parametrize("phase", ["Warming", "Previous"])
def test_a_pin_waits_for_the_route(phase: str) -> None:
    """It was recorded as stable though no user was sent there."""
    rollout = build_rollout(phase=phase, step=-1, weight=0, segment=0, clock_start=None, ledger=(), pods={})
    status = rollout.candidate.status.model_copy(update={"template": rollout.stable.status.template})
    rollout = replace(rollout, candidate=replace(rollout.candidate, status=status))
    model = build_model(with_policy(pinnedVersion=rollout.candidate.name))
    world = taken(rollout.world(model=model))
    status = status_of(settle(world, rollout.candidate.name, NOW), rollout)
    assert (status.phase, status.reason) == (phase, "Unmanaged")


def test_what_a_person_gave_by_hand_is_told_once() -> None:
    rollout = build_rollout()
    world = settle(taken(rollout.world()), rollout.candidate.name, NOW)
    decision = decide(world, NOW + 1, WATCHED)
    assert rollout.candidate.name not in [a.name for a in decision.acts if isinstance(a, RecordVersion)]
    assert state_of(decide(taken(rollout.world()), NOW, WATCHED), rollout.candidate.name).unmanaged_since == NOW


@pytest.mark.parametrize(("weight", "phase"), [(25, "Baking"), (5, "RolledBack")])
def test_a_raise_that_was_recorded_does_not_undo_what_a_person_took_away_before_it_was_written(
    weight: int, phase: str
) -> None:
    """The operator was down between the record and the route."""
    rollout = build_rollout(phase="Baking")
    name = rollout.candidate.name
    last = {"version": name, "candidate": name, "weight": 25, "segment": 1}
    route = build_route(RouteIntent(rollout.stable.name, name, weight, 7), **last)
    decision = decide(rollout.world(route=route), NOW, WATCHED)
    assert recorded(decision, name).phase == phase
    assert [act.intent.of(name) for act in routes(decision)] == [100 if phase == "Baking" else 0]


def test_the_weight_that_status_shows_is_the_persons() -> None:
    """More than was recorded too: the record says what the operator wanted."""
    rollout = build_rollout()
    for weight in (5, 60):
        route = build_route(RouteIntent(rollout.stable.name, rollout.candidate.name, weight, 7))
        world = settle(taken(rollout.world(route=route)), rollout.candidate.name, NOW)
        assert told(world).weight == weight


def told(world: World) -> RecommenderModelStatus:
    """The model's status in the pass that writes nothing else."""
    return next(act.status for act in decide(world, NOW, WATCHED).acts if isinstance(act, RecordModel))


def ready_of(world: World) -> Condition:
    return next(each for each in told(world).conditions if each.type == "Ready")


@WAYS
def test_a_model_is_not_ready_where_a_person_sends_its_users_to_nobody(
    take: Callable[[World], World], said: str
) -> None:
    """Versions that answer are no comfort to users who are sent to another one."""
    world = two_versions(route=build_route(RouteIntent("movies-gone")))
    condition = ready_of(take(world))
    assert (condition.status, condition.reason) == ("False", "NoReadyPod")
    assert condition.message.startswith(said)
    old, _ = world.versions
    condition = ready_of(take(replace(world, route=build_route(RouteIntent(old.name)))))
    assert (condition.status, condition.message) == ("True", f"{old.name} answers")


def test_no_route_is_awaited_that_nobody_makes() -> None:
    condition = ready_of(managed_by_hand(replace(two_versions(), route=None)))
    assert condition.status == "False"
    assert condition.message == f"there is no HTTPRoute of the operator's, and it makes none: {BY_SPEC}"


@WAYS
def test_the_previous_version_stays_and_grows_to_full_size_while_a_person_may_send_users_there(
    take: Callable[[World], World], said: str
) -> None:
    """Its seconds went by, and its one pod answered for everybody."""
    spec = with_policy(previous={"replicas": "Minimum", "seconds": 60})
    world = two_versions(model=build_model(spec))
    old, _ = world.versions
    world = replace(world, serving={**world.serving, old.name: build_serving(old, 1)})
    assert next(act for act in decide(world, NOW).acts if isinstance(act, RecordVersion)).status.phase == "Retired"
    acts = decide(take(world), NOW).acts
    assert not [act for act in acts if isinstance(act, RecordVersion)], said
    assert [act for act in acts if isinstance(act, EnsureServing)] == [EnsureServing(old.name, 4)]


@WAYS
def test_the_pods_of_an_ended_version_stay_while_a_person_may_send_users_there(
    take: Callable[[World], World], said: str
) -> None:
    """A route of that person's own says nothing of it to the operator."""
    stable, ended = build_version(1, "Stable"), build_version(2, "RolledBack", quarantined=True)
    world = build_world(
        None, stable, ended, pods=build_pods(stable, 4) + build_pods(ended, 4), route=build_route(RouteIntent(stable.name)),
        serving={v.name: build_serving(v, 4) for v in (stable, ended)},
    )  # fmt: skip
    assert [act.name for act in decide(world, NOW).acts if isinstance(act, DeleteObject)] == [ended.name]
    assert not [act for act in decide(take(world), NOW).acts if isinstance(act, DeleteObject)], said


def test_the_candidates_pods_are_as_many_as_the_users_that_a_person_gave_it_need() -> None:
    steps = [{"name": "few", "weight": 25}, {"name": "half", "weight": 50}, {"name": "all", "weight": 100}]
    rollout = build_rollout(with_policy(steps=steps))
    for weight, pods in ((60, 3), (100, 4), (10, 2)):
        route = build_route(RouteIntent(rollout.stable.name, rollout.candidate.name, weight, 7))
        serving = {rollout.stable.name: build_serving(rollout.stable, 4)}
        acts = decide(taken(rollout.world(route=route, serving=serving)), NOW, WATCHED).acts
        assert [act for act in acts if isinstance(act, EnsureServing)] == [EnsureServing(rollout.candidate.name, pods)]


@WAYS
def test_nobody_is_told_that_users_moved_who_did_not(take: Callable[[World], World], said: str) -> None:
    world = take(two_versions(actions=(build_action("Rollback"),)))
    _, new = world.versions
    decision = decide(world, NOW)
    event = next(act for act in decision.acts if isinstance(act, Announce) and act.version == new.name)
    for message in (event.message, recorded(decision, new.name).message):
        assert f"{said}: change the HTTPRoute's weights yourself" in message


@pytest.mark.parametrize("quarantined", [False, True])
def test_users_of_a_stable_version_that_went_are_that_persons_to_move(quarantined: bool) -> None:
    rollout = build_rollout()
    old = build_version(3, "Previous", trigger="x")
    world = rollout.world(pods=build_pods(old, 4) + build_pods(rollout.candidate, 4))
    gone = replace(
        rollout.stable, status=rollout.stable.status.model_copy(update={"phase": "RolledBack", "quarantined": True})
    )
    candidate = next(v for v in world.versions if v.name == rollout.candidate.name)
    left = (old, candidate, gone) if quarantined else (old, candidate)
    status = recorded(decide(taken(replace(world, versions=left)), NOW, WATCHED), candidate.name)
    assert status.phase == "Superseded"
    assert f"{BY_ANNOTATION}: send its users to {old.name} yourself" in status.message
    assert "all users are with" not in status.message


def test_that_a_person_has_the_route_can_be_alarmed_on() -> None:
    rollout = build_rollout()
    seen = [
        decide(world, NOW, WATCHED).observations["unmanaged"] for world in (rollout.world(), taken(rollout.world()))
    ]
    assert seen == [0.0, 1.0]


def test_a_version_that_is_made_meanwhile_does_not_keep_that_for_ever() -> None:
    """Operational fields are of a day; a version and its rollout's policy are records."""
    spec = with_policy(traffic={"management": "Manual"}, paused=True, pinnedVersion="movies-x")
    act = next(a for a in decide(build_world(build_model(spec)), NOW).acts if isinstance(a, CreateVersion))
    assert act.spec.source == with_policy()
    version = build_version(1, "Warming", spec)
    state = new_state(Scene(build_world(build_model(spec), version), NOW), version)
    assert state.policy == with_policy().rollout


@pytest.mark.parametrize(("weight", "phase"), [(25, "Canary"), (40, "Canary"), (10, "RolledBack"), (0, "RolledBack")])
def test_what_a_person_took_away_is_not_given_again_when_the_route_comes_back(weight: int, phase: str) -> None:
    rollout = build_rollout()
    world = rollout.world()
    assert world.route is not None
    intent = RouteIntent(rollout.stable.name, rollout.candidate.name if weight else "", weight, 7)
    world = settle(taken(replace(world, route=replace(world.route, intent=intent))), rollout.candidate.name, NOW)
    assert world.route is not None
    given_back = settle(replace(world, route=replace(world.route, unmanaged=False)), rollout.candidate.name, NOW + 5)
    assert status_of(given_back, rollout).phase == phase
