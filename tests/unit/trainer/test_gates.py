"""Gates: outcome and sentence for every case."""

from typing import Any

import numpy as np
import pytest

from recsys_api.report import StableComparison
from recsys_api.run_spec import GateResult, StableReference
from recsys_api.spec.evaluation import Gate
from recsys_trainer.errors import ManifestError
from recsys_trainer.evaluation.evaluate import Evaluated, Paired
from recsys_trainer.evaluation.gates import decide_gates, refuse_bad_gates
from recsys_trainer.evaluation.questions import TestPart as Part
from recsys_trainer.evaluation.sampled import Sampled
from recsys_trainer.evaluation.stable import NOT_GIVEN, NOTHING_SERVES, compare_with_stable

NDCG = {"name": "NDCG", "k": 10}
Floats = np.ndarray[Any, np.dtype[np.float64]]


def gate(**limits: str) -> Gate:
    return Gate.model_validate({"name": "g", "metric": NDCG, **limits})


def evaluated(values: Floats, paired: tuple[Floats, Floats] | None = None, warm: int | None = None) -> Evaluated:
    flags = np.arange(len(values)) < (len(values) if warm is None else warm)
    pair = None
    if paired:
        pair = Paired(
            {"ndcg@10": paired[0]},
            {"ndcg@10": paired[1]},
            np.ones(len(paired[0]), dtype=np.bool_),
            np.arange(len(paired[0])),
        )
    part = Part(np.arange(len(values)), np.arange(len(values)), flags, len(values))
    return Evaluated(
        part,
        {"ndcg@10": values},
        {"ndcg@10": values},
        pair,
        10,
        user_row_N=np.arange(len(values)),
        lists={},
        sampled=Sampled({}),
    )


def decide(
    one: Gate, what: Evaluated, stable: str | None = None, why_not: str = "", without: StableComparison = NOTHING_SERVES
) -> GateResult:
    serving = None if stable is None else StableReference(name=stable, version_uri="s3://m/v1", digest="sha256:1")
    compared = compare_with_stable(what.paired, serving, why_not, 0, without=without)
    return decide_gates((one,), what, compared, seed=0)[0]


def users(mean: float, n: int = 200, seed: int = 0) -> Floats:
    return np.clip(np.random.default_rng(seed).normal(mean, 0.1, n), 0, 1)


@pytest.mark.parametrize(
    ("values", "limit", "outcome", "words"),
    [
        (np.full(50, 0.3), "0.3", "Pass", "ndcg@10 0.3000 [0.3000, 0.3000] of 50 warm users is at least 0.3"),
        (np.full(50, 0.3), "0.31", "Fail", "of 50 warm users is below 0.31"),
        (np.full(30, 0.3), "0.3", "Pass", "of 30 warm users is at least 0.3"),
        (np.full(29, 0.3), "0.3", "Undecided", "the test has 29 warm users, 30 are needed to judge; enlarge the test"),
        (np.full(2, 0.0), "0.1", "Undecided", "the test has 2 warm users"),
        (np.zeros(0), "0.1", "Undecided", "the test has 0 warm users"),
    ],
)
def test_an_absolute_gate_compares_the_mean(values: Floats, limit: str, outcome: str, words: str) -> None:
    result = decide(gate(atLeast=limit), evaluated(values))
    assert result.outcome == outcome
    assert words in result.message


def test_a_gate_judges_its_population() -> None:
    values = np.array([1.0] * 30 + [0.0] * 70)
    assert decide(gate(atLeast="0.9"), evaluated(values, warm=30)).outcome == "Pass"
    everybody = Gate.model_validate({"name": "g", "metric": NDCG, "atLeast": "0.9", "population": "All"})
    assert decide(everybody, evaluated(values, warm=30)).outcome == "Fail"


STABLE = users(0.4)
NOISE = np.random.default_rng(9).normal(0, 0.1, 200)


@pytest.mark.parametrize(
    ("candidate", "limit", "outcome"),
    [
        (STABLE, "0", "Pass"),
        (STABLE * 0.99, "2", "Pass"),
        (STABLE * 0.9, "2", "Fail"),
        (STABLE * 0.98, "2", "Pass"),
        (STABLE - 0.02 + NOISE, "2", "Undecided"),
        (STABLE * 1.5, "0", "Pass"),
    ],
    ids=["identical", "within", "beyond", "exactly-at-the-limit", "noisy", "better"],
)
def test_a_regression_is_judged_by_the_whole_paired_interval(candidate: Floats, limit: str, outcome: str) -> None:
    result = decide(gate(maxRegressionPercent=limit), evaluated(candidate, (candidate, STABLE)), "v1")
    assert result.outcome == outcome
    assert "of v1 on 200 users: change " in result.message
    assert f"limit -{limit} %; detectable difference" in result.message


def test_pairing_sees_what_two_separate_intervals_would_not() -> None:
    spread = np.random.default_rng(0).random(200)
    assert decide(gate(maxRegressionPercent="2"), evaluated(spread, (spread * 0.95, spread)), "v1").outcome == "Fail"


@pytest.mark.parametrize(("share", "change"), [(1.0, "+0.0 % [+0.0, +0.0]"), (0.9, "-10.0 % [-10.0, -10.0]")])
def test_a_change_that_is_the_same_for_everybody_is_certain_whatever_the_limit(share: float, change: str) -> None:
    stable = users(0.3)
    found = decide(gate(maxRegressionPercent="50"), evaluated(stable, (share * stable, stable)), stable="v1")
    assert found.outcome == "Pass"
    assert f"change {change}, limit -50 %; detectable difference 0.0 %" in found.message


def test_where_draws_leave_stable_nothing_the_change_has_no_upper_bound() -> None:
    one_hit = (np.arange(40) == 0).astype(np.float64)
    found = decide(gate(maxRegressionPercent="5"), evaluated(one_hit, (one_hit / 2, one_hit)), stable="v1")
    assert found.outcome == "Undecided"
    assert "change -50.0 % [-50.0, +inf]" in found.message


def test_a_stable_that_hits_nothing_has_nothing_to_lose() -> None:
    result = decide(gate(maxRegressionPercent="2"), evaluated(STABLE, (STABLE, np.zeros(200))), "v1")
    assert (result.outcome, "nothing to lose" in result.message) == ("Pass", True)


def test_where_nothing_serves_a_regression_gate_passes() -> None:
    result = decide(gate(maxRegressionPercent="2"), evaluated(STABLE))
    assert (result.outcome, result.message) == ("Pass", "nothing serves yet")


def test_where_no_stable_version_was_given_a_regression_gate_was_not_judged() -> None:
    result = decide(gate(maxRegressionPercent="2"), evaluated(STABLE), without=NOT_GIVEN)
    assert result.outcome == "NotComparable"
    assert result.message == (
        "ndcg@10: no version was given to compare with; name the output folder of an earlier fit with --stable"
    )
    assert decide(gate(atLeast="0.1"), evaluated(STABLE), without=NOT_GIVEN).outcome == "Pass"


def test_what_cannot_be_compared_says_why() -> None:
    gone = decide(gate(maxRegressionPercent="2"), evaluated(STABLE), "v1", "its artifact is gone from s3://m/v1")
    assert (gone.outcome, gone.message) == ("NotComparable", "ndcg@10: v1: its artifact is gone from s3://m/v1")
    few = decide(gate(maxRegressionPercent="2"), evaluated(STABLE, (STABLE[:29], STABLE[:29])), "v1")
    assert few.outcome == "NotComparable"
    assert "29 warm users have test interactions later than both trainings, 30 are needed" in few.message


@pytest.mark.parametrize("limits", [{}, {"atLeast": "0.1", "maxRegressionPercent": "2"}])
def test_a_gate_needs_exactly_one_limit(limits: dict[str, str]) -> None:
    with pytest.raises(ManifestError, match=r"gates\[g\]: needs exactly one limit"):
        refuse_bad_gates((gate(**limits),))
