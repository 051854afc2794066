"""The tests' promises, by arithmetic and by seeded simulation."""

import math
from random import Random

import pytest

from recsys_operator.core.analysis import sequential
from recsys_operator.core.analysis.verdicts import FAIL_BUDGET, segment_alpha

ALPHA = segment_alpha(FAIL_BUDGET, 1) / 8
"""First canary segment, four objectives, each against the limit and against stable."""
THRESHOLD = math.log(1 / ALPHA)


def seconds_until_fail(
    random: Random, rate: float, limit: float, rps: float, longest: int, healthy: int = 0
) -> int | None:
    logs: tuple[float, ...] = ()
    seconds = 0
    for t in range(1, healthy + longest + 1):
        n = int(rps) + (random.random() < rps - int(rps))
        p = rate if t > healthy else 0.0
        bad = sum(random.random() < p for _ in range(n))
        if n:
            seconds += 1
            logs = sequential.update_objective(logs, seconds, n, bad, limit)
        if sequential.log_evidence(logs) >= THRESHOLD:
            return t - healthy
    return None


def test_all_start_weights_together_are_at_most_one() -> None:
    total = sum(math.exp(sequential.log_start_weight(t)) for t in range(1, 200_000))
    rest = 1 / math.log(200_000) / 3.40
    assert 0.99 < total + rest <= 1.0


@pytest.mark.parametrize("rps", [2, 20])
@pytest.mark.parametrize("limit", [0.002, 0.02])
def test_a_version_that_fails_nine_of_ten_is_found_within_twelve_seconds(rps: int, limit: float) -> None:
    delays = [seconds_until_fail(Random(seed), 0.9, limit, rps, 60) for seed in range(60)]
    assert all(delay is not None and delay <= 12 for delay in delays)


def test_a_fault_that_starts_after_an_hour_is_found_in_seconds() -> None:
    delay = seconds_until_fail(Random(1), 0.9, 0.02, 5, 60, healthy=3600)
    assert delay is not None
    assert delay <= 20


def test_at_the_limit_itself_false_alarms_are_rarer_than_alpha() -> None:
    # alpha here is 5 %, looked at after each of 300 seconds
    limit, alarms, runs = 0.02, 0, 300
    for seed in range(runs):
        random, logs, worst = Random(seed), (), 0.0
        for t in range(1, 301):
            logs = sequential.update_objective(logs, t, 10, sum(random.random() < limit for _ in range(10)), limit)
            worst = max(worst, sequential.log_evidence(logs))
        alarms += worst >= math.log(1 / 0.05)
    assert alarms / runs <= 0.05


def test_equal_arms_are_rarely_told_apart() -> None:
    alarms, runs = 0, 200
    for seed in range(runs):
        random, logs, worst = Random(seed), (), 0.0
        for t in range(1, 301):
            share, stable = (sum(random.random() < 0.3 for _ in range(5)) / 5 for _ in range(2))
            logs = sequential.update_difference(logs, t, share, stable, 0.01)
            worst = max(worst, sequential.log_evidence(logs))
        alarms += worst >= math.log(1 / 0.05)
    assert alarms / runs <= 0.05


def test_a_candidate_much_worse_than_a_bad_stable_is_told_apart() -> None:
    random, logs = Random(3), ()
    for t in range(1, 61):
        share, stable = (sum(random.random() < p for _ in range(10)) / 10 for p in (0.9, 0.3))
        logs = sequential.update_difference(logs, t, share, stable, 0.01)
    assert sequential.log_evidence(logs) >= THRESHOLD


def test_one_second_counts_at_most_its_cap() -> None:
    calm = sequential.update_objective((), 1, 10, 10, 0.002)
    burst = sequential.update_objective((), 1, 100_000, 100_000, 0.002)
    assert burst == pytest.approx(calm)
    assert max(burst) <= sequential.LOG_CAP


def test_about_five_thousand_events_show_three_nines() -> None:
    assert 4000 < sequential.needed_events(0, 0.05, 0.001) < 6000


@pytest.mark.parametrize(("n", "bad"), [(100, 0), (500, 3), (5000, 20), (50, 50), (40, 39)])
def test_the_bounds_enclose_the_observed_rate(n: int, bad: int) -> None:
    low, high = (bound(n, bad, 0.01, 0.02) for bound in (sequential.lower_bound, sequential.upper_bound))
    assert 0 <= low <= bad / n <= high <= 1


@pytest.mark.parametrize(("n", "bad"), [(304, 0), (305, 0), (700, 2), (2000, 30)])
def test_is_below_says_what_the_bound_says(n: int, bad: int) -> None:
    alpha, limit = 0.0152, 0.02
    assert sequential.is_below(n, bad, alpha, limit) == (sequential.upper_bound(n, bad, alpha, limit) < limit)


def test_the_upper_bound_holds_at_all_times_together() -> None:
    wrong, runs = 0, 300
    for seed in range(runs):
        random, n, bad, missed = Random(seed), 0, 0, False
        for _ in range(100):
            n, bad = n + 10, bad + sum(random.random() < 0.02 for _ in range(10))
            missed = missed or sequential.is_below(n, bad, 0.05, 0.02)
        wrong += missed
    assert wrong / runs <= 0.05


def test_no_data_bounds_nothing() -> None:
    assert (sequential.lower_bound(0, 0, 0.05, 0.02), sequential.upper_bound(0, 0, 0.05, 0.02)) == (0.0, 1.0)
    assert sequential.detectable_rate(0, 0, ALPHA, 0.02) == 1.0


def test_what_a_step_says_that_it_would_have_caught_it_catches() -> None:
    rate = sequential.detectable_rate(600, 60, ALPHA, 0.02)
    found = sum(seconds_until_fail(Random(seed), rate, 0.02, 10, 60) is not None for seed in range(60))
    assert 0.02 < rate < 0.2
    assert found >= 48
