"""The quality benchmark's own arithmetic: the protocol, what is held out, and when a trial ends."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.quality import defaults, manifests
from benchmarks.quality.ablation import without
from benchmarks.quality.ncf import Ncf, judge
from benchmarks.quality.results import keep
from benchmarks.quality.search import HopelessError, Parts, Watch, append, read_trials, search
from benchmarks.quality.space import Logarithmic
from benchmarks.quality.spaces import SPACES
from benchmarks.quality.wanted import Wanted
from tests.unit.core.factories import build_spec

from recsys_api.spec.model import WITH_LOSS, Model
from recsys_api.spec.training import Training
from recsys_trainer.models.registry import FAMILIES
from recsys_trainer.progress import EpochProgress


def small() -> Ncf:
    """30 users with 5 of 12 items each; the first user has one item only."""
    random = np.random.default_rng(0)
    rows = [random.choice(12, 1 if user == 0 else 5, replace=False) for user in range(30)]
    user = np.repeat(np.arange(30), [len(row) for row in rows])
    wanted = random.integers(0, 12, 30)
    return Ncf(user, np.concatenate(rows), wanted, random.integers(0, 12, (30, 4)), 12, np.arange(12))


def test_a_tie_is_won_and_the_wanted_item_is_no_negative_of_itself() -> None:
    wanted = np.array([1.0, 1.0])
    negatives = np.array([[2.0] * 10, [2.0] * 10])
    itself = np.zeros((2, 10), dtype=np.bool_)
    assert judge(wanted, np.ones((2, 10)), itself) == (1.0, 1.0)
    assert judge(wanted, negatives, itself) == (0.0, 0.0)
    itself[0, 0] = True
    assert judge(wanted, negatives, itself)[0] == 0.5


def test_one_training_interaction_of_each_user_who_has_more_is_held_out() -> None:
    data = small()
    held = data.validation_mask()
    assert np.bincount(data.user_P[held], minlength=30).tolist() == [0] + [1] * 29
    positives, questions = data.searching()
    assert positives.users == 30
    assert positives.items == 12
    assert len(positives.indices) == len(data.user_P) - 29
    seen = set(zip(questions.user_N[questions.seen.user_R].tolist(), questions.seen.item_R.tolist(), strict=True))
    asked = set(zip(questions.user_N[questions.wanted.user_R].tolist(), questions.wanted.item_R.tolist(), strict=True))
    assert len(asked) == 29
    assert not asked & seen


def test_a_trial_ends_where_it_is_worse_than_the_median() -> None:
    earlier = [{"curve": [value, value]} for value in (0.1, 0.2, 0.3, 0.4)]
    bad, good = Watch((2,), earlier), Watch((2,), earlier)
    for watch, value in ((bad, 0.2), (good, 0.3)):
        watch(EpochProgress(1, 9, 0.0, value, 0.0, 0.0, True))
    good(EpochProgress(2, 9, 0.0, 0.0, 0.0, 0.0, False))
    with pytest.raises(HopelessError):
        bad(EpochProgress(2, 9, 0.0, 0.24, 0.0, 0.0, True))


def test_values_are_drawn_within_their_limits_with_two_digits() -> None:
    random = np.random.default_rng(0)
    drawn = [Logarithmic(0.001, 0.1).draw(random) for _ in range(100)]
    assert 0.001 <= min(drawn) < 0.003 < 0.03 < max(drawn) <= 0.1
    assert all(value == float(f"{value:.2g}") for value in drawn)


@pytest.mark.parametrize("name", SPACES)
def test_every_space_draws_settings_that_a_manifest_may_have(name: str) -> None:
    settings = SPACES[name].draw(np.random.default_rng(0))
    Model.model_validate(settings["model"])
    Training.model_validate(settings["training"])


def test_a_search_goes_on_where_it_stopped(tmp_path: Path) -> None:
    file, parts = tmp_path / "trials.jsonl", Parts(*small().searching())
    search("ml-100k/PureSVD", parts, file)
    first = read_trials(file)
    assert len({trial["model"]["embeddingDim"] for trial in first}) == len(first)
    file.write_text("")
    for trial in first[:2]:
        append(file, trial)
    search("ml-100k/PureSVD", parts, file)
    assert [trial["model"] for trial in read_trials(file)] == [trial["model"] for trial in first]


def test_a_row_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    for row in ({"name": "b", "n": 1}, {"name": "a", "n": 2}, {"name": "b", "n": 3}):
        keep(file, row, threads=1)
    assert [(row["name"], row["n"]) for row in json.loads(file.read_text())["rows"]] == [("a", 2), ("b", 3)]


def test_what_is_wanted_is_reached_or_come_near() -> None:
    assert Wanted(0.7, 0.4).met(0.7, 0.4)
    assert not Wanted(0.7, 0.4).met(0.8, 0.39)
    assert Wanted(0.7, 0.4, off=0.01).met(0.695, 0.409)
    assert not Wanted(0.7, 0.4, off=0.01).met(0.72, 0.4)


def test_every_family_has_settings_for_ml_100k() -> None:
    found = [manifests.read(name).spec.model.architecture for name in manifests.names("ml-100k")]
    assert sorted(found) == sorted(FAMILIES)


def test_a_network_without_a_branch_ranks_by_the_other_alone() -> None:
    weights = {"gmf_user": torch.zeros(3, 2), "out.weight": torch.tensor([[1.0, 2.0, 3.0]])}
    assert without(weights, "mlp")["out.weight"].tolist() == [[1.0, 2.0, 0.0]]
    assert without(weights, "gmf")["out.weight"].tolist() == [[0.0, 0.0, 3.0]]
    assert weights["out.weight"].tolist() == [[1.0, 2.0, 3.0]]


def test_families_with_nothing_said_stand_beside_plain_settings_and_a_tuned_peer() -> None:
    parts = Parts(*small().searching())
    found = list(defaults.rows(parts, ["GMF", "PureSVD"], seeds=2))
    assert [row["name"] for row in found] == ["GMF, alone", "GMF, plain", "PureSVD, alone"]
    assert all(0 <= row["value"] <= 1 and len(row["each"]) == 2 and row["peerValue"] > 0 for row in found)
    assert found[0]["each"] != found[1]["each"], "plain settings are others"
    assert "n=2), EASE, tuned" in defaults.line(found[0])


@pytest.mark.parametrize("family", WITH_LOSS)
def test_plain_settings_are_accepted_and_written_out(family: str) -> None:
    """Whatever the defaults become."""
    model, training = defaults.plain(family)
    spec = build_spec(model=model, training=training)
    assert spec.training.optimizer.learning_rate == 0.001
    assert (family == "MatrixFactorization") == (spec.model.regularization is None)
