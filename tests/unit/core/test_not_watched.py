"""Times in which nobody watched: a process that has just begun, one that stood still, a clock that was set."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.core.factories import (
    NOW,
    SILENT,
    UNREAD,
    WATCHED,
    build_rollout,
    build_route,
    build_second,
    kinds,
    recorded,
    routes,
    state_of,
    with_policy,
)

from recsys_operator.core import clock
from recsys_operator.core.decision import Decision, RecordVersion
from recsys_operator.core.lifecycle import decide
from recsys_operator.core.memory import Memory
from recsys_operator.core.world import RouteIntent

Life = list[tuple[float, float | None]]
"""(time of a pass, time of a sample just before it), after NOW."""
STEADY: Life = [(float(t), float(t)) for t in range(5)]


def decide_after(passes: Life, own: dict[str, Any], begun: float) -> Decision:
    """The last decision; from `begun` on the candidate's pods answer a reading so."""
    rollout = build_rollout(with_policy(onMetricsUnavailable="Rollback"), segment_at=NOW - 2, clock_start=NOW - 1)
    seen: tuple[Any, ...] = ()
    decision = Decision(memory=WATCHED)
    for now, sampled in passes:
        if sampled is not None:
            arms, said = (rollout.stable.name, rollout.candidate.name), own if sampled >= begun else {}
            seen += tuple(build_second(arm, NOW + sampled, **said) for arm in arms)
        # what was just written down is not written down again
        world = replace(rollout.changed(banked_at=NOW + now).world(), seconds=seen)
        decision = decide(world, NOW + now, decision.memory)
    return decision


@pytest.mark.parametrize("shift", [9.0, 300.0], ids=["for seconds", "for minutes"])
@pytest.mark.parametrize(
    "early", [[], [(0.5, None)]], ids=["its next sample is there", "a pass before its next sample"]
)
@pytest.mark.parametrize("own", [{}, UNREAD], ids=["read", "the first readings fail"])
def test_a_process_that_stood_still_misses_nothing_yet(shift: float, early: Life, own: dict[str, Any]) -> None:
    """Or its clock was set forward: nobody looked, and onMetricsUnavailable Rollback ended a good version."""
    after = [(5.0, 5.0), (6.0, 6.0), (7.0, 7.0)]
    passes = STEADY + [
        (5 + shift + at, None if at_sample is None else 5 + shift + at_sample) for at, at_sample in early + after
    ]
    for count in range(len(STEADY), len(passes) + 1):
        assert not any(act.urgent for act in routes(decide_after(passes[:count], own, 5.0)))


@pytest.mark.parametrize("samples", [True, False], ids=["readings fail", "no samples"])
def test_what_cannot_be_read_after_that_is_missing_all_the_same(samples: bool) -> None:
    passes = STEADY + [(float(t), float(t) if samples else None) for t in range(305, 317)]
    decision = decide_after(passes, UNREAD, 5.0)
    (status,) = [act.status for act in decision.acts if isinstance(act, RecordVersion)]
    assert (status.phase, status.reason) == ("RolledBack", "MetricsUnavailable")


# -- a process that has just begun


@pytest.mark.parametrize(("what", "own"), [("NoData", SILENT), ("MetricsUnavailable", UNREAD)])
def test_a_hold_that_would_have_ended_while_no_operator_ran_ends_when_one_has_looked(what: str, own: Any) -> None:
    """Data that had come back meanwhile was not looked for: the first pass of a process rolled a good version back."""
    rollout = build_rollout(segment_at=NOW - 4000, clock_start=NOW - 3999, hold_reason=what, hold_since=NOW - 3900)
    name = rollout.candidate.name
    early = rollout.world(seconds=0)
    assert kinds(decide(early, NOW)) == ["RecordModel"]
    back = state_of(decide(rollout.world(seconds=3), NOW, Memory(since=NOW - 3)), name)
    assert (back.hold_reason, back.weight) == ("", 25)
    late = rollout.world(seconds=6, own=own, other=own)
    assert recorded(decide(late, NOW, Memory(since=NOW - 6)), name).phase == "RolledBack"


# -- a clock that was set back


@pytest.mark.parametrize(("age", "decided"), [(-3600.0, True), (-5.0, False), (5.0, False), (3600.0, True)])
def test_a_route_of_another_time_makes_no_record_an_old_one_for_long(age: float, decided: bool) -> None:
    """It is newer than the record: that may be a stale read, for a minute, however far the clock was set back since."""
    rollout = build_rollout(segment=1)
    name = rollout.candidate.name
    intent = RouteIntent(rollout.stable.name, name, 25, 7)
    route = build_route(intent, version=name, segment=2, at=clock.to_precise_text(NOW - age))
    decision = decide(rollout.world(own={"gateway_bad": 18}, route=route), NOW, WATCHED)
    assert bool(routes(decision)) == decided


# -- pods of which one is always late


def test_no_request_is_noticed_though_one_of_many_pods_is_late_in_every_second() -> None:
    """Each of them is read in time, but never all in one second: nobody counted these seconds, and the wait had no end."""
    rollout = build_rollout(segment_at=NOW - 82, clock_start=NOW - 80)
    late = {**SILENT, "pods_scraped": 3}
    world = rollout.world(seconds=80, own=late)
    seen = tuple(replace(s, read_since=s.at - 2) if s.version == rollout.candidate.name else s for s in world.seconds)
    first = tuple(build_second(arm, NOW - 80) for arm in (rollout.stable.name, rollout.candidate.name))
    decision = decide(replace(world, seconds=(*first, *seen)), NOW, WATCHED)
    assert recorded(decision, rollout.candidate.name).reason == "NoData"
