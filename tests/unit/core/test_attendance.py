"""Limits count time in which an operator was there: neither its absence nor a clock that is set ends a wait."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    NOW,
    SILENT,
    Rollout,
    build_model,
    build_pods,
    build_rollout,
    build_second,
    build_spec,
    build_version,
    build_world,
)

from recsys_api.model_version import ModelVersionStatus
from recsys_operator.core import clock, identity
from recsys_operator.core.decision import Decision, RecordVersion
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.rollout_state import read_state
from recsys_operator.core.world import World

HOURS = 7200.0
STEPS = [
    {"name": "first", "weight": 25, "minSamples": 5, "maxSeconds": 30, "approval": "Required"},
    {"name": "all", "weight": 100, "minSamples": 5, "maxSeconds": 30},
]
POLICY = {"steps": STEPS, "onUndecided": "Rollback", "onUndecidedFinal": "Rollback"}
SOON = {"readyDeadlineSeconds": 60}
SPEC = build_spec(rollout=POLICY, serving=SOON)
PAUSED = build_spec(rollout={**POLICY, "paused": True}, serving=SOON)
WARMING = {"step": -1, "weight": 0, "segment": 0, "clock_start": None, "ledger": (), "pods": {}}
HOLD = {"clock_start": NOW - 60, "hold_since": NOW - 40, "waiting_since": NOW - 40}


def warming(**state: Any) -> Rollout:
    rollout = build_rollout(SPEC, "Warming", **{**WARMING, **state})
    template = build_version(1, "Stable").status.template
    status = rollout.candidate.status.model_copy(update={"template": template})
    return replace(rollout, candidate=replace(rollout.candidate, status=status))


def parked() -> Rollout:
    return build_rollout(
        SPEC, step=-1, weight=0, clock_start=None, pods={}, breaches=1, verdict="BothBreach", parked_since=NOW - 40,
        ready_at=None, verdict_message="stable breaches too",
    )  # fmt: skip


def unready(rollout: Rollout) -> dict[str, Any]:
    return {"pods": build_pods(rollout.stable, 4) + build_pods(rollout.candidate, 4, ready=False)}


def answers(rollout: Rollout, at: float, own: dict[str, Any] | None = None) -> tuple[Any, ...]:
    """Too few for a Pass."""
    few = {"answers": 1, "gateway_requests": 1}
    return tuple(
        build_second(version.name, at - t, **{**few, **((own or {}) if version is rollout.candidate else {})})
        for t in range(9, -1, -1)
        for version in (rollout.stable, rollout.candidate)
    )


SICK = {"gateway_bad": 1, "model_latency": (), "bad_fallbacks": 1}
Case = tuple[Rollout, float, Callable[[Rollout], dict[str, Any]], dict[str, Any], str, str]
NONE: dict[str, Any] = {}


def plain(_: Rollout) -> dict[str, Any]:
    return {}


CASES: dict[str, Case] = {
    # rollout, seconds of the limit that are left at NOW, world, answers, end
    "a step": (build_rollout(SPEC, clock_start=NOW - 10), 20, plain, NONE, "RolledBack", "Undecided"),
    "a bake": (build_rollout(SPEC, "Baking", clock_start=NOW - 10), 10, plain, NONE, "RolledBack", "Undecided"),
    "an approval": (
        build_rollout(build_spec(rollout={"steps": STEPS}), hold_reason="ApprovalRequired", **HOLD),
        20, plain, NONE, "RolledBack", "ApprovalRequired",
    ),
    "missing data": (
        build_rollout(SPEC, hold_reason="NoData", clock_start=NOW - 60, hold_since=NOW - 40, missing_since=NOW - 40),
        20, plain, SILENT, "RolledBack", "NoData",
    ),
    "pods": (warming(hold_reason="NotReadyYet", hold_since=NOW - 40, ready_at=None), 20, unready, NONE, "Failed", "NotReadyInTime"),
    "stable": (
        warming(hold_reason="WatchingStable", hold_since=NOW - 40, ready_at=NOW - 40), 25,
        lambda rollout: {"pods": build_pods(rollout.candidate, 4)}, NONE, "Superseded", "StableUnhealthy",
    ),
    "a second try": (parked(), 25, unready, NONE, "RolledBack", "BothBreach"),
}  # fmt: skip


class Life:
    """Passes of one process after another over one world, once a second."""

    def __init__(self, rollout: Rollout, changes: dict[str, Any], own: dict[str, Any]) -> None:
        self.rollout, self.own, self.memory = rollout, own, None
        self.world = rollout.world(model=build_model(rollout.candidate.spec.source), **changes)
        self.now, self.ticks, self.attended_until, self.writes = NOW, 0.0, None, 0

    def watch(self, seconds: float) -> None:
        """A pass each second, up to so much later."""
        for second in range(int(seconds) + 1):
            self.ticks += bool(second)
            self.now += bool(second)
            for _ in range(5):
                if not self.look():
                    break

    def look(self, *, remember: bool = True) -> bool:
        """One pass; whether it wrote anything."""
        seconds = answers(self.rollout, self.now, self.own)
        world = replace(
            self.world, seconds=seconds, monotonic=self.ticks, attended_until=self.attended_until, samples_since=0.0
        )
        decision: Decision = decide(world, self.now, self.memory)
        found = {act.name: act.status for act in decision.acts if isinstance(act, RecordVersion)}
        self.writes += bool(found)
        versions = tuple(replace(v, status=found.get(v.name, v.status)) for v in self.world.versions)
        self.world = replace(self.world, versions=versions)
        if remember:
            self.memory = decision.memory  # type: ignore[assignment]
        return bool(found)

    def restart(self, after: float) -> None:
        """The process ends; the next one begins so much later."""
        self.memory, self.attended_until = None, self.now
        self.now, self.ticks = self.now + after, 0.0

    @property
    def status(self) -> ModelVersionStatus:
        return next(v.status for v in self.world.versions if v.name == self.rollout.candidate.name)


def begin(kind: str) -> Life:
    rollout, _, changes, own, _, _ = CASES[kind]
    life = Life(rollout, changes(rollout), own)
    life.watch(5)
    assert life.status.phase == rollout.candidate.status.phase
    return life


def is_over(life: Life, kind: str) -> bool:
    *_, phase, reason = CASES[kind]
    if life.status.phase == CASES[kind][0].candidate.status.phase:
        return False
    assert (life.status.phase, life.status.reason) == (phase, reason)
    return True


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("gap", ["down", "ahead", "back", "still"])
def test_what_was_left_of_a_limit_is_left_after_a_time_that_nobody_watched(kind: str, gap: str) -> None:
    life, left = begin(kind), CASES[kind][1] - 5
    if gap == "down":
        life.restart(HOURS)
    elif gap == "still":
        life.now, life.ticks = life.now + HOURS, life.ticks + HOURS
    else:
        life.now += HOURS if gap == "ahead" else -HOURS
    # a process that stood still was there up to a bound, and data that is missing is looked for first
    slack = 15.0
    life.watch(max(0.0, left - 3 - slack * (gap == "still")))
    assert not is_over(life, kind), life.status
    life.watch(6 + 2 * slack)
    assert is_over(life, kind), life.status


@pytest.mark.parametrize("kind", CASES)
def test_an_operator_that_restarts_again_and_again_reaches_the_end_of_a_limit(kind: str) -> None:
    life = begin(kind)
    for _ in range(400):
        life.restart(600)
        life.watch(5)
        if is_over(life, kind):
            return
    pytest.fail(f"{kind} never ends: {life.status}")


@pytest.mark.parametrize("kind", CASES)
def test_restarts_that_take_seconds_are_no_absence_and_write_nothing(kind: str) -> None:
    life, quiet = begin(kind), begin(kind)
    life.restart(3)
    quiet.now, quiet.ticks = quiet.now + 3, quiet.ticks + 3
    for each in (life, quiet):
        each.writes = 0
        each.look()
    assert life.writes <= quiet.writes


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("after", [HOURS, -HOURS])
def test_a_gap_is_taken_off_once_also_where_passes_fail_after_it(kind: str, after: float) -> None:
    life = begin(kind)
    life.restart(HOURS)
    life.now += after - HOURS
    for _ in range(4):
        life.look(remember=False)
        life.now += 1
    state = read_state(life.status)
    assert state is not None
    begun = [at for at in (state.clock_start, state.hold_since, state.parked_since) if at is not None]
    watched = {"a step": 15, "a bake": 15, "an approval": 65, "missing data": 65}.get(kind, 45)
    assert life.now - min(begun) == pytest.approx(watched + 4, abs=2)


@pytest.mark.parametrize("kind", ["an approval", "pods", "stable", "a second try"])
def test_a_pause_that_came_and_went_while_no_operator_ran_counts_toward_no_limit(kind: str) -> None:
    """Nothing says that it was there: the whole absence does not count."""
    life = begin(kind)
    life.restart(HOURS)
    life.watch(CASES[kind][1] - 5 - 3)
    assert not is_over(life, kind)


@pytest.mark.parametrize("kind", ["an approval", "pods", "stable", "a second try"])
def test_a_pause_that_began_before_an_absence_and_one_that_ends_after_it_count_once(kind: str) -> None:
    life = begin(kind)
    life.world = replace(life.world, model=build_model(PAUSED))
    life.watch(5)
    life.restart(HOURS)
    life.watch(50)
    life.world = replace(life.world, model=build_model(CASES[kind][0].candidate.spec.source))
    life.watch(CASES[kind][1] - 5 - 3)
    assert not is_over(life, kind)
    life.watch(10)
    assert is_over(life, kind)


def judged_in_doubt() -> World:
    key = identity.evaluation_key(SPEC.evaluation)
    waits = build_version(
        1, "Evaluating", SPEC, age=40, reason="GateUndecided", message="in doubt", evaluation_key=key, digest="sha256:a"
    )
    return build_world(build_model(SPEC), waits)


@pytest.mark.parametrize(("after", "phase"), [(17, "Evaluating"), (22, "Rejected")])
def test_who_decides_about_a_gate_has_what_was_left_of_the_time_after_an_absence(after: float, phase: str) -> None:
    world, memory = replace(judged_in_doubt(), attended_until=NOW), None
    for at in (HOURS, HOURS + after):
        decision = decide(replace(world, monotonic=at), NOW + at, memory)
        memory = decision.memory  # type: ignore[assignment]
        found = {act.name: act.status for act in decision.acts if isinstance(act, RecordVersion)}
        world = replace(world, versions=tuple(replace(v, status=found.get(v.name, v.status)) for v in world.versions))
    status = world.versions[0].status
    assert status.phase == phase
    if phase == "Evaluating":
        assert clock.to_seconds(status.phase_since) == NOW + HOURS - 40
