"""Calibration on data whose right answer is known by construction."""

from typing import Any

import numpy as np
import pytest

from recsys_api.recommender_model import RecommenderModelSpec
from recsys_trainer.evaluation.calibration import equal_mass_bins, platt, why_not


def spec(**training: Any) -> RecommenderModelSpec:
    return RecommenderModelSpec.model_validate(
        {
            "data": {"source": {"uri": "s3://x/"}}, "artifacts": {"uri": "s3://x/"}, "training": training,
            "rollout": {"gateway": {"name": "g"}},
        }
    )  # fmt: skip


@pytest.mark.parametrize(("slope", "bias"), [(1.0, 0.0), (0.4, -3.0), (2.5, 1.0)])
def test_slope_and_bias_of_known_odds_are_found_from_weighted_samples(slope: float, bias: float) -> None:
    random = np.random.default_rng(0)
    odds = random.normal(-3, 2, 400_000)
    event = random.random(len(odds)) < 1 / (1 + np.exp(-(slope * odds + bias)))
    kept = event | (random.random(len(odds)) < 0.2)  # the others stand for five
    weight = np.where(event, 1.0, 5.0)
    found = platt(odds[kept], event[kept], weight[kept])
    assert found == pytest.approx((slope, bias), abs=0.06)


def test_the_top_tenth_by_weight_is_cut_into_equal_bins() -> None:
    probability = np.linspace(0, 1, 1000)
    event = np.arange(1000) % 2 == 0
    bins = equal_mass_bins(probability, event, np.ones(1000))
    assert len(bins) == 10
    assert bins[-1].predicted == pytest.approx(probability[-10:].mean())
    assert bins[0].predicted == pytest.approx(probability[-100:-90].mean())
    assert {each.observed for each in bins} == {0.5}


def test_what_the_validation_part_was_trained_on_is_not_calibrated() -> None:
    assert why_not(spec()) == ""
    assert "refit TrainPlusValidation trained on the validation part" in why_not(spec(refit="TrainPlusValidation"))


def test_a_fit_says_how_well_it_is_calibrated(fitted_report: dict[str, Any]) -> None:
    found = fitted_report["calibration"]
    assert found["status"] == "Calibrated"
    assert found["slope"] > 0
    assert found["logLoss"] <= found["baseLogLoss"] * 1.05
    assert found["logLossGain"] == pytest.approx(1 - found["logLoss"] / found["baseLogLoss"])
    assert 0 <= found["ece"] < 0.1
    assert found["events"] > 100
    assert [each["predicted"] for each in found["bins"]] == sorted(each["predicted"] for each in found["bins"])
