"""Pauses, suspend and windows wait without limit: no other limit runs meanwhile, and each counts what it names."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    NOW,
    WATCHED,
    Rollout,
    build_job,
    build_model,
    build_pods,
    build_rollout,
    build_route,
    build_second,
    build_serving,
    build_spec,
    build_version,
    build_world,
)

from recsys_api.model_version import Condition, ModelVersionStatus
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.run_spec import EvaluateResult
from recsys_operator.core import clock, identity
from recsys_operator.core.decision import RecordVersion
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.memory import Memory
from recsys_operator.core.rollout_state import RolloutState, read_state
from recsys_operator.core.world import RouteIntent, World

FREEZE = {"name": "freeze", "schedule": "* * * * *", "seconds": 3600}
STEPS = [
    {"name": "first", "weight": 25, "minSamples": 5, "maxSeconds": 30, "approval": "Required"},
    {"name": "all", "weight": 100, "minSamples": 5, "maxSeconds": 30},
]
ROLLOUT = {"steps": STEPS, "onUndecided": "Hold", "onUndecidedFinal": "Hold"}
OPEN = build_spec(rollout=ROLLOUT)
STOPS = [
    pytest.param(build_spec(rollout={**ROLLOUT, "windows": [FREEZE]}), id="window"),
    pytest.param(build_spec(rollout={**ROLLOUT, "paused": True}), id="paused"),
    pytest.param(build_spec(rollout=ROLLOUT, suspend=True), id="suspend"),
]
WEEKEND = 64 * 3600.0
SICK = {"gateway_bad": 15}


def warming(**state: Any) -> Rollout:
    """Its pods are wanted since a minute; the limits are 600 s for pods, 65 s for stable."""
    before = {"step": -1, "weight": 0, "segment": 0, "clock_start": None, "ledger": (), "pods": {}}
    rollout = build_rollout(OPEN, "Warming", **before, **state)
    template = build_version(1, "Stable").status.template
    status = rollout.candidate.status.model_copy(update={"template": template})
    return replace(rollout, candidate=replace(rollout.candidate, status=status))


def parked(spec: RecommenderModelSpec = OPEN, **state: Any) -> Rollout:
    """At weight 0 since 10 s, its pods ready."""
    fields = {"parked_since": NOW - 10, "ready_at": NOW - 9, "verdict_message": "stable breaches too", **state}
    return build_rollout(spec, step=-1, weight=0, clock_start=None, pods={}, breaches=1, verdict="BothBreach", **fields)


def held(reason: str, phase: str) -> Rollout:
    """In a hold since 40 of 60 s."""
    return build_rollout(OPEN, phase, clock_start=NOW - 60, hold_reason=reason, hold_since=NOW - 40)


def answers(rollout: Rollout, at: float, seconds: int = 20, **stable: Any) -> tuple[Any, ...]:
    """What both versions answered until then."""
    return tuple(
        build_second(version.name, at - t, **(stable if version is rollout.stable else {}))
        for t in range(seconds)
        for version in (rollout.stable, rollout.candidate)
    )


def play(
    rollout: Rollout, moments: Sequence[tuple[float, RecommenderModelSpec, tuple[Any, ...]]], **changes: Any
) -> Any:
    """The candidate's status after passes at these times (from NOW on), under these specs and answers."""
    world, name = rollout.world(**changes), rollout.candidate.name
    for after, spec, seconds in moments:
        world = replace(world, model=build_model(spec), seconds=seconds)
        for _ in range(4):
            acts = decide(world, NOW + after, WATCHED).acts
            if not (found := {act.name: act.status for act in acts if isinstance(act, RecordVersion)}):
                break
            world = replace(
                world, versions=tuple(replace(v, status=found.get(v.name, v.status)) for v in world.versions)
            )
    return next(v.status for v in world.versions if v.name == name)


def state_of(status: ModelVersionStatus) -> RolloutState:
    state = read_state(status)
    assert state is not None
    return state


def unready(rollout: Rollout) -> dict[str, Any]:
    return {"pods": build_pods(rollout.stable, 4) + build_pods(rollout.candidate, 4, ready=False)}


@pytest.mark.parametrize(("after", "phase"), [(599, "Warming"), (601, "Failed")])
def test_a_pod_that_blinks_after_a_long_wait_has_its_time_to_be_ready_again(after: float, phase: str) -> None:
    rollout = warming(started_at=NOW - 5000, ready_at=NOW - 4000)
    status = play(rollout, [(0, OPEN, ()), (after, OPEN, ())], **unready(rollout))
    assert (status.phase, status.reason) == (phase, "NotReadyYet" if phase == "Warming" else "NotReadyInTime")


def test_pods_that_blink_do_not_keep_a_version_waiting_for_a_sick_stable_for_ever() -> None:
    rollout, phases = warming(), []
    for second in range(0, 200, 10):
        pods = {} if second % 20 else unready(rollout)
        status = play(rollout, [(second, OPEN, answers(rollout, NOW + second, **SICK))], **pods)
        rollout = replace(rollout, state=state_of(status))
        phases.append(status.phase)
        if status.phase != "Warming":
            break
    assert (phases[-1], len(phases)) == ("Superseded", 8), phases


def test_a_version_that_is_judged_again_has_all_its_time_to_be_ready_after_it() -> None:
    rollout = warming(started_at=NOW - 5000, ready_at=None)
    key = identity.evaluation_key(OPEN.evaluation, rollout.stable.name)
    judged = rollout.candidate.status.model_copy(update={"phase": "Evaluating", "evaluation_key": "older"})
    rollout = replace(rollout, candidate=replace(rollout.candidate, status=judged))
    job = build_job(
        rollout.candidate, "evaluate", f"{rollout.candidate.name}-eval-{key}", key=key, active=0, complete=True,
        result=EvaluateResult(),
    )  # fmt: skip
    status = play(rollout, [(0, OPEN, ())], jobs=(job,), **unready(rollout))
    assert (status.phase, status.reason) == ("Warming", "NotReadyYet")


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize(("after", "phase"), [(0, "Warming"), (539, "Warming"), (541, "Failed")])
def test_pods_that_were_not_ready_before_a_stop_have_the_rest_of_their_time_after_it(
    stop: RecommenderModelSpec, after: float, phase: str
) -> None:
    rollout = warming(ready_at=None)
    moments = [(0.0, stop, ()), (WEEKEND, OPEN, ()), (WEEKEND + after, OPEN, ())]
    assert play(rollout, moments, **unready(rollout)).phase == phase


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize(("after", "phase"), [(0, "Warming"), (24, "Warming"), (26, "Superseded")])
def test_stable_has_the_rest_of_its_time_to_be_well_after_a_stop(
    stop: RecommenderModelSpec, after: float, phase: str
) -> None:
    rollout = warming()
    sick = answers(rollout, NOW + WEEKEND + after, **SICK)
    assert play(rollout, [(0, stop, ()), (WEEKEND, OPEN, ()), (WEEKEND + after, OPEN, sick)]).phase == phase


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize(
    ("after", "stable", "phase", "weight"),
    [(0, SICK, "Canary", 0), (10, {}, "Canary", 25), (54, SICK, "Canary", 0), (56, SICK, "RolledBack", 0)],
)
def test_a_parked_version_has_the_rest_of_its_time_after_a_stop(
    stop: RecommenderModelSpec, after: float, stable: dict[str, Any], phase: str, weight: int
) -> None:
    rollout = parked()
    then = answers(rollout, NOW + WEEKEND + after, **stable)
    status = play(rollout, [(0, stop, ()), (WEEKEND, OPEN, ()), (WEEKEND + after, OPEN, then)])
    assert (status.phase, state_of(status).weight) == (phase, weight)
    assert status.reason == ("StepStarted" if weight else "BothBreach")


@pytest.mark.parametrize(("stop", "reason"), [(0, "WindowClosed"), (1, "Paused"), (2, "Suspended")])
def test_a_parked_version_says_what_stops_it(stop: int, reason: str) -> None:
    spec = STOPS[stop].values[0]
    status = play(parked(), [(0, spec, ()), (WEEKEND, spec, ())])
    assert (status.phase, status.reason) == ("Canary", reason)
    assert "stable breaches too" in status.message


def test_a_parked_version_can_wait_for_stable_longer_than_for_people() -> None:
    spec = build_spec(rollout={"stableHealthSeconds": 100, "holdLimitSeconds": 60})
    rollout = parked(spec, parked_since=NOW - 101, ready_at=NOW - 101)
    assert state_of(play(rollout, [(0, spec, answers(rollout, NOW, 101))])).weight == 25


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("reason", ["ApprovalRequired", "Scaling"])
@pytest.mark.parametrize(("after", "phase"), [(19, "Canary"), (21, "RolledBack")])
def test_a_hold_in_the_canary_has_the_rest_of_its_time_after_a_stop(
    stop: RecommenderModelSpec, reason: str, after: float, phase: str
) -> None:
    rollout = held(reason, "Canary")
    moments = [(at, spec, answers(rollout, NOW + at)) for at, spec in ((0, stop), (50, OPEN), (50 + after, OPEN))]
    assert play(rollout, moments).phase == phase


@pytest.mark.parametrize(
    ("stop", "after", "phase"),
    [(0, 19, "RolledBack"), (1, 19, "Baking"), (1, 21, "RolledBack"), (2, 19, "Baking"), (2, 21, "RolledBack")],
)
def test_a_hold_at_the_end_of_the_bake_stands_still_in_a_pause_but_in_no_window(
    stop: int, after: float, phase: str
) -> None:
    rollout = held("Undecided", "Baking")
    specs = ((0, STOPS[stop].values[0]), (50, OPEN), (50 + after, OPEN))
    few = [(at, spec, answers(rollout, NOW + at, 3)) for at, spec in specs]
    assert play(rollout, few).phase == phase


@pytest.mark.parametrize("spec", [OPEN, STOPS[0].values[0], STOPS[1].values[0]], ids=["approval", "window", "paused"])
@pytest.mark.parametrize("approvals", [(), ("first",)])
def test_what_a_version_shows_while_it_waits_is_written_for_who_has_to_decide(
    spec: RecommenderModelSpec, approvals: tuple[str, ...]
) -> None:
    pods = {"pods": build_pods(build_version(1, "Stable"), 4) + build_pods(build_version(2, "Canary"), 1)}
    times = {"clock_start": NOW - 60, "segment_at": NOW - 60, "banked_at": NOW - 14}
    rollout = build_rollout(OPEN, **times, approvals=approvals, pods={pod.uid: 0 for pod in pods["pods"][4:]})
    moments = [(at, spec, answers(rollout, NOW + at, 50)) for at in (0.0, 1.0, 16.0, 31.0)]
    state = state_of(play(rollout, moments, **pods))
    assert state.banked is not None
    assert (state.banked_at, state.banked.folded_until) == (NOW + 31, NOW + 31)


@pytest.mark.parametrize(("after", "phase"), [(19, "Canary"), (21, "RolledBack")])
def test_a_hold_for_data_does_not_stand_still(after: float, phase: str) -> None:
    """Users are with a version that cannot be judged."""
    rollout = build_rollout(OPEN, hold_reason="MetricsUnavailable", hold_since=NOW - 40, clock_start=NOW - 60)
    paused = STOPS[1].values[0]
    world = [(0.0, paused, ()), (after, paused, ())]
    assert play(rollout, world, seconds=0).phase == phase


def test_the_wait_for_an_approval_stands_still_in_a_pause_also_while_data_is_missing() -> None:
    waits = {"hold_reason": "MetricsUnavailable", "hold_since": NOW - 5, "missing_since": NOW - 5}
    rollout = build_rollout(OPEN, clock_start=NOW - 60, waiting_since=NOW - 40, **waits)
    for after, phase in ((19.0, "Canary"), (21.0, "RolledBack")):
        moments = [
            (0.0, STOPS[1].values[0], ()),
            (50.0, OPEN, ()),
            (50.0 + after, OPEN, answers(rollout, NOW + 50 + after)),
        ]
        assert play(rollout, moments).phase == phase


def short_again(since: float) -> World:
    """The previous version is wanted again and short of a pod since then."""
    old, new = build_version(1, "Previous"), build_version(2, "Stable", build_spec(model={"embeddingDim": 8}))
    short = Condition(type="Scaled", status="False", reason="Scaling", last_transition_time=clock.to_text(since))
    status = {"conditions": (*old.status.conditions, short), "reason": "Scaling", "message": "4 ready pods are needed"}
    old = replace(old, status=old.status.model_copy(update=status))
    return build_world(
        build_model(OPEN), old, new, pods=build_pods(old, 3) + build_pods(new, 4), route=build_route(RouteIntent(new.name)),
        serving={v.name: build_serving(v, 4) for v in (old, new)},
    )  # fmt: skip


@pytest.mark.parametrize("stop", STOPS[1:])
def test_a_pause_is_no_time_in_which_a_version_that_is_wanted_again_could_get_its_pods(
    stop: RecommenderModelSpec,
) -> None:
    world = short_again(NOW - 10)
    for after, spec in ((0.0, stop), (1.0, stop), (WEEKEND, OPEN), (WEEKEND + 599, OPEN)):
        found = {
            act.name: act.status
            for act in decide(replace(world, model=build_model(spec)), NOW + after, WATCHED).acts
            if isinstance(act, RecordVersion)
        }
        world = replace(world, versions=tuple(replace(v, status=found.get(v.name, v.status)) for v in world.versions))
        assert world.versions[0].status.phase == "Previous", after


@pytest.mark.parametrize("phase", ["Canary", "Baking"])
def test_a_wait_for_pods_that_is_over_by_itself_leaves_the_next_wait_its_whole_time(phase: str) -> None:
    """A Pass waited for pods and was lost, or a pin was taken back."""
    rollout = build_rollout(OPEN, phase, hold_reason="Scaling", hold_since=NOW - 40, waiting_since=NOW - 40)
    status = play(rollout, [(0, OPEN, answers(rollout, NOW, 10))])
    state = state_of(status)
    assert (status.reason, state.hold_reason, state.waiting_since) == ("StepStarted", "", None)


def unmanaged(rollout: Rollout) -> dict[str, Any]:
    return {"route": replace(rollout.world().route, unmanaged=True)}  # type: ignore[type-var]


def test_nothing_starts_and_nothing_is_raised_while_a_person_has_the_route() -> None:
    """The record said 25 % of a route that is not written, and NoData rolled the version back."""
    waits = warming()
    status = play(waits, [(0, OPEN, answers(waits, NOW))], **unmanaged(waits))
    assert (status.phase, status.reason) == ("Warming", "Unmanaged")
    approved = build_rollout(OPEN, segment_at=NOW - 110, clock_start=NOW - 20, approvals=("first",))
    status = play(approved, [(0, OPEN, answers(approved, NOW, 100))], **unmanaged(approved))
    assert (status.phase, status.reason, state_of(status).weight) == ("Canary", "Unmanaged", 25)


def window_before(begin: float, end: float) -> RecommenderModelSpec:
    """Closed once a day, at these times before NOW."""
    start = clock.to_text(NOW - begin)
    window = {"name": "night", "schedule": f"{int(start[14:16])} {int(start[11:13])} * * *", "seconds": begin - end}
    return build_spec(rollout={**ROLLOUT, "windows": [window]})


@pytest.mark.parametrize("end", [600, -600], ids=["it is over", "it is still closed"])
@pytest.mark.parametrize("kind", ["hold", "parked", "not ready", "stable"])
def test_a_window_that_nobody_saw_counts_toward_no_limit(kind: str, end: float) -> None:
    """The operator was down since 1,200 s, for all of the window or from its begin on; 30 s of the wait were before."""
    spec, since = window_before(1200, end), NOW - 1230
    rollout = {
        "hold": lambda: build_rollout(spec, clock_start=NOW - 1300, hold_reason="ApprovalRequired", hold_since=since, waiting_since=since),
        "parked": lambda: parked(spec, parked_since=since, ready_at=None),
        "not ready": lambda: warming(hold_reason="NotReadyYet", hold_since=since, ready_at=None),
        "stable": lambda: warming(hold_reason="WatchingStable", hold_since=since, ready_at=since),
    }[kind]()  # fmt: skip
    began = NOW - min(end, 600) if end > 0 else NOW
    world = rollout.world(model=build_model(spec), **(unready(rollout) if kind in ("parked", "not ready") else {}))
    for _ in range(4):
        acts = decide(replace(world, seconds=(), attended_until=NOW - 1200), began, Memory(since=began)).acts
        found = {act.name: act.status for act in acts if isinstance(act, RecordVersion)}
        world = replace(world, versions=tuple(replace(v, status=found.get(v.name, v.status)) for v in world.versions))
    status = next(v.status for v in world.versions if v.name == rollout.candidate.name)
    state = state_of(status)
    clocks = {"parked": state.parked_since, "hold": state.waiting_since}
    assert began - (clocks.get(kind) or state.hold_since or 0.0) == 30
    assert (state.stopped_since is not None) == (end < 0)
    assert status.phase == ("Warming" if kind in ("not ready", "stable") else "Canary")
