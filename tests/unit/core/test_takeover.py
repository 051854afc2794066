"""A process goes on from another one's bank: nothing twice, one cap for all that nobody watched, no second chance."""

import math
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.core.factories import SPEC
from tests.unit.core.lives import NOW, Segment, at_rates, drawn

from recsys_operator.core.analysis import sequential
from recsys_operator.core.analysis.entries import write_entries
from recsys_operator.core.analysis.evidence import Evidence
from recsys_operator.core.analysis.lines import Counts
from recsys_operator.core.analysis.objectives import Objective, resolve_objectives
from recsys_operator.core.analysis.takeover import MOST_TRIED, take_over
from recsys_operator.core.analysis.verdicts import ACCOUNTS
from recsys_operator.core.counters import GatewayCounters, GatewayStanding, PodCounters, Reading

FAST = Objective("fast", "Latency", 0.01, 0.02, 0.01, 50)
ALPHA = 0.05
THRESHOLD = math.log(1 / ALPHA)


def segment(seed: int = 0, own: float = 0.0, other: float = 0.0, events: int = 10, watched: int = 5) -> Segment:
    """After some seconds under one process, written down."""
    made = Segment(FAST, seed, at_rates(own, other, events))
    list(made.seconds(watched))
    made.bank()
    return made


# -- nothing is lost, nothing counts twice


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 25), min_size=1, max_size=8))
def test_whatever_the_kills_every_request_is_counted_once(seed: int, lives: list[int]) -> None:
    made = segment(seed, 0.3, 0.2)
    list(made.seconds(sum(lives), iter([*lives, 10**6])))
    line = made.evidence.line("fast")
    for counts, version in ((line.candidate, "new"), (line.stable, "old")):
        page = made.counters[version]
        assert counts == Counts(n=page.answers, bad=page.latency[-1])
    assert made.evidence.answers == made.counters["new"].answers
    assert (made.evidence.lost, made.evidence.begun_anew) == (0.0, 0)


@pytest.mark.parametrize("passed", [-86_400.0, -3.0, 0.5, 1.0, 40.0, 86_400.0])
def test_a_clock_that_was_set_meanwhile_loses_nothing(passed: float) -> None:
    made = segment(own=1.0)
    made.dead = True
    evidence = made.second(passed)
    assert evidence.line("fast").candidate == Counts(n=60, bad=60)
    assert evidence.lost == 0.0
    assert 0 < evidence.skipped <= MOST_TRIED


@pytest.mark.parametrize("events", [1, 100, 100_000])
def test_all_that_nobody_watched_has_the_cap_of_one_second(events: int) -> None:
    made = segment(own=0.0)
    before = made.evidence.line("fast")
    made.dead, made.arms = True, lambda _: ((events, events), (events, 0))
    after = made.second(30.0).line("fast")
    start = math.exp(sequential.log_start_weight(before.seconds + 1))
    for then, now in zip(before.objective, after.objective, strict=True):
        assert now <= math.log(math.exp(then) + start) + sequential.LOG_CAP + 1e-3
    assert (after.seconds, after.paired) == (before.seconds + 1, before.paired + 1)


# -- error budgets


def alarms(name: str, runs: int, own: float, other: float, events: int, level: float) -> float:
    """Share of the segments in which one of many processes shows a Fail."""
    found = 0
    for seed in range(runs):
        made = Segment(FAST, seed, at_rates(own, other, events))
        kills = drawn(Random(seed + 10**6))
        found += any(getattr(e.line("fast"), name) >= level for e in made.seconds(150, kills))
    return found / runs


def test_at_the_limit_itself_false_alarms_stay_rarer_than_alpha_whatever_the_kills() -> None:
    assert alarms("worst_objective", 60, 0.02, 0.0, 10, THRESHOLD) <= ALPHA


def test_worse_by_the_margin_itself_is_rarely_called_worse_whatever_the_kills() -> None:
    assert alarms("worst_difference", 60, 0.31, 0.3, 5, THRESHOLD + ACCOUNTS) <= ALPHA


def test_above_the_limit_it_is_failed_within_a_few_lives() -> None:
    for seed in range(10):
        made = Segment(FAST, seed, at_rates(0.5, 0.0, 5))
        kills = drawn(Random(seed), 2, 3)
        shown = next((e for e in made.seconds(100, kills) if e.line("fast").worst_objective >= THRESHOLD + 3), None)
        assert shown is not None
        assert made.lives > 10
        assert made.at - NOW <= 90


def test_worse_than_stable_is_shown_by_what_is_banked_though_no_process_lives_to_show_it() -> None:
    made = Segment(replace(FAST, limit=0.9), 1, at_rates(0.8, 0.0, 20))
    shown = None
    for evidence in made.seconds(600, drawn(Random(1), 2, 3)):
        line = evidence.line("fast")
        assert sequential.log_evidence(line.watched_difference) < THRESHOLD
        if line.worst_difference >= THRESHOLD + ACCOUNTS:
            shown = evidence
            break
    assert shown is not None
    assert made.banked_at == made.at, "it is looked at where it is written down"


def test_no_start_of_a_fault_is_tried_twice() -> None:
    made = segment()
    known = made.evidence_banked.line("fast").seconds
    for seconds in (1, 4, 9):
        tried = known + seconds
        list(made.seconds(seconds))
        made.dead = True
        evidence = made.second()
        assert evidence.line("fast").seconds + evidence.skipped > tried


def test_what_a_process_holds_against_it_beside_stable_ends_with_the_process_but_for_what_was_shown() -> None:
    made = segment(own=0.9, watched=9)
    before = made.evidence.line("fast")
    made.dead = True
    after = made.second().line("fast")
    assert before.watched_difference
    assert after.watched_difference == ()
    assert after.worst_difference == before.worst_difference
    assert sequential.log_evidence(after.difference) > sequential.log_evidence(before.difference)


# -- what is not whole


OBJECTIVES = resolve_objectives(SPEC.rollout.slos)
START = Evidence(version="new", segment=1, since=NOW, folded_until=NOW + 50, inherited=True)


def page(answers: int, **changes: Any) -> PodCounters:
    latency = (answers, *PodCounters().latency[1:])
    return replace(PodCounters(7.0, answers, latency=latency), **changes)


def reading(
    at: float, own: dict[str, Any], other: dict[str, Any], requests: int | None = None, bad: int = 0
) -> Reading:
    counts = {"new": GatewayCounters(requests or 0, bad), "old": GatewayCounters(requests or 0)}
    gateway = GatewayStanding(1, {"p/0": counts}) if requests is not None else None
    return Reading(NOW + at, {"new": own, "old": other}, gateway)


BEFORE = reading(50, {"a": page(0), "b": page(0)}, {"x": page(0)}, 0)


def taken(now: Reading, before: Reading = BEFORE, known: Evidence = START) -> Evidence:
    """What is known after the takeover."""
    with_entries = known.model_copy(update={"entries": write_entries(before, "new", "old")})
    return take_over(with_entries, "old", OBJECTIVES, now, NOW + 59)


def lines(evidence: Evidence) -> dict[str, tuple[int, int, int]]:
    return {line.name: (line.candidate.n, line.stable.n, line.paired) for line in evidence.lines}


def test_both_arms_whole_are_counted_and_compared() -> None:
    evidence = taken(reading(60, {"a": page(40), "b": page(60)}, {"x": page(300)}, 300))
    assert lines(evidence) == {
        "available": (300, 300, 1), "fast": (100, 300, 1), "fallback": (100, 300, 1), "unknown-users": (100, 300, 1)
    }  # fmt: skip
    assert (evidence.answers, evidence.lost, evidence.skipped, evidence.inherited) == (300, 0.0, 10, False)
    assert (evidence.candidate_tally.recovered, evidence.stable_tally.recovered) == (100, 300)
    assert evidence.folded_until == NOW + 59


def test_an_arm_that_lost_a_pod_is_counted_and_not_compared() -> None:
    evidence = taken(reading(60, {"a": page(40)}, {"x": page(300)}, 300))
    assert lines(evidence)["fast"] == (40, 300, 0)
    assert (evidence.lost, evidence.begun_anew) == (40.0, 1)
    assert evidence.line("fast").since_mark().candidate == Counts(), "too much was lost for a Pass"


def test_without_the_gateway_nothing_is_said_of_availability_and_it_is_told_as_lost() -> None:
    evidence = taken(reading(60, {"a": page(40), "b": page(60)}, {"x": page(300)}))
    assert lines(evidence)["fast"] == (100, 300, 1)
    assert lines(evidence)["available"] == (0, 0, 0)
    assert (evidence.lost, evidence.begun_anew) == (400.0, 1)


def test_a_pod_whose_counter_fell_takes_its_arm_out_and_is_an_error() -> None:
    evidence = taken(reading(60, {"a": page(40), "b": page(60, unknown_users=-1)}, {"x": page(300)}, 300, 3))
    assert lines(evidence)["fast"] == (0, 300, 0)
    assert evidence.errors == 1
    assert evidence.line("available").candidate == Counts(n=300, bad=3), "the gateway is believed"


def test_a_server_that_restarted_meanwhile_is_known() -> None:
    assert taken(reading(60, {"a": page(1, server_restarts=1), "b": page(1)}, {"x": page(1)}, 3)).server_restarts == 1


@pytest.mark.parametrize(("requests", "quiet"), [(0, 41), (1, 0)])
def test_requests_that_came_meanwhile_end_the_silence_but_are_not_of_now(requests: int, quiet: int) -> None:
    known = START.model_copy(update={"quiet": 41, "seen_at": NOW + 9})
    evidence = taken(reading(60, {"a": page(requests), "b": page(0)}, {"x": page(0)}, 0), known=known)
    assert (evidence.quiet, evidence.seen_at) == (quiet, NOW + 9)


def test_where_all_pods_went_it_is_the_rate_of_before() -> None:
    known = START.model_copy(
        update={"candidate_tally": START.candidate_tally.model_copy(update={"seconds": 10, "seen": 200})}
    )
    assert taken(reading(60, {"c": page(999)}, {"x": page(0)}, 0), known=known).lost == 200.0


def test_without_entries_the_starts_are_left_out_all_the_same() -> None:
    evidence = take_over(START, "old", OBJECTIVES, reading(57, {"a": page(9)}, {}), NOW + 56)
    assert (evidence.skipped, evidence.lines, evidence.folded_until) == (7, (), NOW + 50)
