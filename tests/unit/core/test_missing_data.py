"""Data that is missing: what counts as read, when it is back, what a restart forgets, when the wait ends."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    NOW,
    SILENT,
    UNREAD,
    WATCHED,
    Rollout,
    build_model,
    build_rollout,
    build_route,
    build_second,
    kinds,
    recorded,
    routes,
    state_of,
    with_policy,
)

from recsys_api.model_version import ModelVersionStatus
from recsys_operator.core.analysis.evidence import Evidence
from recsys_operator.core.decision import RecordVersion
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.memory import Memory
from recsys_operator.core.world import RouteIntent, World

BLIND: dict[str, Any] = {"pods_scraped": 0, "answers": 0, "model_latency": (), "gateway_requests": 20}
"""The gateway can be read, the pods cannot."""
STEPS = [
    {"name": "first", "weight": 25, "minSamples": 5, "maxSeconds": 30},
    {"name": "all", "weight": 100, "minSamples": 5, "maxSeconds": 30},
]


def banked(rollout: Rollout, seconds: int = 100) -> Evidence:
    """What was known after so many good seconds, as a process writes it down."""
    decision = decide(rollout.changed(segment_at=NOW - seconds - 2).world(seconds=seconds), NOW, WATCHED)
    evidence = decision.memory.evidence  # type: ignore[attr-defined]
    assert isinstance(evidence, Evidence)
    return evidence


# -- restarts


@pytest.mark.parametrize("what", ["NoData", "MetricsUnavailable"])
@pytest.mark.parametrize("clock_start", [None, NOW - 79])
@pytest.mark.parametrize("seconds", [0, 5], ids=["nothing sampled yet", "sampled, nothing to see"])
def test_a_restart_keeps_a_hold_on_missing_data_and_its_limit(
    what: str, clock_start: float | None, seconds: int
) -> None:
    answers = SILENT if what == "NoData" else UNREAD
    rollout = build_rollout(segment_at=NOW - 80, clock_start=clock_start, hold_reason=what, hold_since=NOW - 30)
    world = rollout.world(seconds=seconds, own=answers, other=answers)
    assert "RecordVersion" not in kinds(decide(world, NOW))
    world = rollout.changed(hold_since=NOW - 61).world(seconds=seconds, own=answers, other=answers)
    status = recorded(decide(world, NOW, Memory(since=NOW - 6)), rollout.candidate.name)
    assert (status.phase, status.reason) == ("RolledBack", what)


@pytest.mark.parametrize("what", ["NoData", "MetricsUnavailable"])
def test_data_that_is_back_after_a_restart_ends_the_hold(what: str) -> None:
    rollout = build_rollout(segment_at=NOW - 80, clock_start=NOW - 79, hold_reason=what, hold_since=NOW - 30)
    state = state_of(decide(rollout.world(seconds=3), NOW), rollout.candidate.name)
    assert (state.hold_reason, state.hold_since, state.held_seconds) == ("", None, 30.0)


@pytest.mark.parametrize("seconds", [0, 5], ids=["nothing sampled yet", "nothing can be read"])
@pytest.mark.parametrize("promising", [True, False], ids=["Pass was shown", "its time is over"])
@pytest.mark.parametrize("phase", ["Canary", "Baking"])
def test_a_restart_in_an_outage_leaves_no_step(phase: str, promising: bool, seconds: int) -> None:
    spec = with_policy(onMetricsUnavailable="Continue", onUndecidedFinal="Advance", steps=STEPS)
    rollout = build_rollout(spec, phase, segment_at=NOW - 202, clock_start=NOW - 200)
    known = banked(rollout, 100 if promising else 10)
    old = known.model_copy(update={"read_at": NOW - 20, "seen_at": NOW - 20, "folded_until": NOW - 20})
    world = rollout.changed(banked=old).world(seconds=seconds, own=UNREAD, other=UNREAD, model=build_model(spec))
    decision = decide(world, NOW)
    assert routes(decision) == []
    assert "RecordVersion" not in kinds(decision)


@pytest.mark.parametrize(("what", "own", "within"), [("NoData", SILENT, 300), ("MetricsUnavailable", UNREAD, 60)])
def test_an_operator_that_lives_for_seconds_finds_data_missing_all_the_same(
    what: str, own: dict[str, Any], within: int
) -> None:
    """It crash-loops: each life begins with what the one before has written down."""
    rollout = build_rollout(segment_at=NOW - 2, clock_start=None, banked_at=NOW - 2)
    name, written = rollout.candidate.name, 0
    for begun in range(0, within, 8):
        memory: object = None
        for second in range(1, 9):
            seen = tuple(
                build_second(arm, NOW + begun + t, **own)
                for t in range(1, second + 1)
                for arm in (rollout.stable.name, name)
            )
            decision = decide(replace(rollout.world(), seconds=seen), NOW + begun + second, memory)
            memory = decision.memory
            if "RecordVersion" not in kinds(decision):
                continue
            if recorded(decision, name).reason == what:
                assert written <= within / 15 + 1, "the evidence is written down every 15 s at most"
                return
            rollout, written = replace(rollout, state=state_of(decision, name)), written + 1
    pytest.fail(f"{what} was never told")


@pytest.mark.parametrize("own", [SILENT, UNREAD])
def test_a_hold_on_missing_data_writes_nothing_while_nothing_changes(own: dict[str, Any]) -> None:
    rollout = build_rollout(segment_at=NOW - 402, clock_start=None, banked_at=NOW - 300)
    quiet = {"quiet": 300} if own is SILENT else {"unread": 300}
    known = Evidence(version=rollout.candidate.name, segment=1, since=NOW - 401, folded_until=NOW - 10, **quiet)
    held = rollout.changed(
        banked=known, hold_reason="NoData" if own is SILENT else "MetricsUnavailable", hold_since=NOW - 9
    )
    assert kinds(decide(held.world(own=own, other=own), NOW, WATCHED)) == ["RecordModel"]


# -- pods that cannot be read


@pytest.mark.parametrize(
    "own", [BLIND, {"pods_scraped": 3}, {**BLIND, "gateway_requests": 0}], ids=["none", "not all", "none, no request"]
)
@pytest.mark.parametrize("before", [0, 100], ids=["never read", "Pass was shown before"])
def test_no_step_is_left_on_pods_that_nobody_could_read(own: dict[str, Any], before: int) -> None:
    rollout = build_rollout(segment_at=NOW - 132, clock_start=NOW - 131)
    world = rollout.world(seconds=30, own=own)
    good = tuple(
        build_second(name, NOW - 30 - before + t)
        for t in range(1, before + 1)
        for name in (rollout.stable.name, rollout.candidate.name)
    )
    decision = decide(replace(world, seconds=good + world.seconds), NOW, WATCHED)
    assert routes(decision) == []
    assert recorded(decision, rollout.candidate.name).reason == "MetricsUnavailable"


def flapping(rollout: Rollout, seconds: int, late: float) -> World:
    """Of four pods one does not answer in any second, another one each time; the page that is oldest is so old."""
    world = rollout.world(seconds=seconds)
    own = [
        replace(second, pods_scraped=3, read_since=second.at - late)
        if second.version == rollout.candidate.name
        else second
        for second in world.seconds
    ]
    return replace(world, seconds=tuple(own))


def test_pods_whose_pages_fail_now_and_then_are_read() -> None:
    """Of a hundred pods one page is late in most seconds."""
    rollout = build_rollout(segment_at=NOW - 102, clock_start=NOW - 101)
    decision = decide(flapping(rollout, 100, 3.0), NOW, WATCHED)
    assert [route.intent.weight for route in routes(decision)] == [100]


def test_a_pod_whose_page_failed_for_long_is_not_read() -> None:
    rollout = build_rollout(segment_at=NOW - 102, clock_start=NOW - 101)
    decision = decide(flapping(rollout, 100, 11.0), NOW, WATCHED)
    assert routes(decision) == []
    assert recorded(decision, rollout.candidate.name).reason == "MetricsUnavailable"


def test_an_outage_of_the_metrics_is_no_time_without_requests() -> None:
    rollout = build_rollout(with_policy(onNoData="Rollback"), segment_at=NOW - 80, clock_start=NOW - 79)
    world = rollout.world(seconds=70, own=UNREAD, other=UNREAD)
    back = build_second(rollout.candidate.name, NOW, **SILENT), build_second(rollout.stable.name, NOW)
    decision = decide(replace(world, seconds=(*world.seconds[:-2], *back)), NOW, WATCHED)
    assert "RecordVersion" not in kinds(decision)


# -- every wait ends

Answers = Callable[[int], Mapping[str, Any]]


def live(rollout: Rollout, answers: Answers, seconds: int, *, accepted: bool = True) -> ModelVersionStatus:
    """The candidate's status after so many seconds (or when it ended), decided every second, records come back."""
    stable, candidate = rollout.world().versions
    memory: object = WATCHED
    intent = RouteIntent(stable.name, candidate.name, rollout.state.weight, 7)
    route = build_route(intent, accepted=accepted, version=candidate.name, segment=rollout.state.segment)
    frame = rollout.world(route=route)
    for t in range(seconds):
        second = tuple(build_second(v.name, NOW + t, **answers(t)) for v in (stable, candidate))
        for _ in range(3):
            world = replace(frame, versions=(stable, candidate), seconds=second)
            decision = decide(world, NOW + t, memory)
            memory = decision.memory
            acts = [a for a in decision.acts if isinstance(a, RecordVersion) and a.name == candidate.name]
            if not acts:
                break
            candidate = replace(candidate, status=acts[-1].status)
        if candidate.status.phase != "Canary":
            break
    return candidate.status


def blind_then_silent(t: int) -> Mapping[str, Any]:
    """No request for ever, and an outage in between again and again."""
    return UNREAD if t % 100 < 30 else SILENT


def outages(t: int) -> Mapping[str, Any]:
    """All is well but for 20 s in each 150."""
    return UNREAD if t % 150 >= 130 else {}


def rare_requests(t: int) -> Mapping[str, Any]:
    """One second with requests in 80."""
    return {} if t % 80 == 0 else SILENT


@pytest.mark.parametrize(
    ("answers", "changes", "accepted", "reasons"),
    [
        (blind_then_silent, {}, True, {"NoData", "MetricsUnavailable"}),
        (outages, {"approval": "Required"}, True, {"ApprovalRequired"}),
        (outages, {"minSamples": 10**6}, True, {"TooFewSamples"}),
        (rare_requests, {}, False, {"RouteNotAccepted", "NoData"}),
    ],
)  # fmt: skip
def test_waits_that_take_turns_end_like_one(
    answers: Answers, changes: dict[str, Any], accepted: bool, reasons: set[str]
) -> None:
    spec = with_policy(holdLimitSeconds=200, steps=[{**STEPS[0], **changes}, STEPS[1]])
    start = {"segment_at": NOW - 1, "clock_start": NOW if accepted else None, "banked_at": NOW}
    status = live(build_rollout(spec, **start), answers, 600, accepted=accepted)
    assert status.phase == "RolledBack"
    assert status.reason in reasons


def test_data_that_comes_back_gives_the_next_outage_its_whole_limit() -> None:
    spec = with_policy(holdLimitSeconds=60, steps=[{**STEPS[0], "minSamples": 10**6, "maxSeconds": 3000}, STEPS[1]])
    start = {"segment_at": NOW - 1, "clock_start": NOW, "banked_at": NOW}
    status = live(build_rollout(spec, **start), lambda t: UNREAD if t % 100 >= 50 else {}, 600)
    assert status.phase == "Canary"
