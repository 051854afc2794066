"""One behavioural suite that every model family passes, on data whose right answer is known by construction."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from recsys_api.artifact import ArtifactModel
from recsys_api.spec.model import WITH_LAYERS, WITH_LOSS, WITH_RATINGS, WITH_STEPS, Model, Probabilistic
from recsys_api.spec.training import Training
from recsys_serving.scoring import Scorer
from recsys_serving.seen import SeenLists
from recsys_trainer.artifact.export import artifact_model
from recsys_trainer.errors import DataError, ManifestError
from recsys_trainer.evaluation.metrics import metric_values
from recsys_trainer.evaluation.ranking import Pairs, Questions, rank
from recsys_trainer.fit import fit
from recsys_trainer.fitting.best_epoch import NetworkScorer
from recsys_trainer.fitting.ragged import SparseRows
from recsys_trainer.fitting.task import Fitted, Task
from recsys_trainer.models.fold_in import FoldIn, folded
from recsys_trainer.models.ratings import predict_ratings
from recsys_trainer.models.registry import FAMILIES
from recsys_trainer.training_data import Positives, RatedPairs

ALL = sorted(FAMILIES)
FOLDING = sorted(name for name in FAMILIES if FAMILIES[name].unknown_users == "FoldIn")
USERS, ITEMS, KNOWN = 40, 30, 10


def two_tastes() -> Positives:
    """Even users know 10 of the even items, odd users 10 of the odd ones; the other 5 are the answer."""
    random = np.random.default_rng(0)
    rows = [np.sort(random.choice(np.arange(user % 2, ITEMS, 2), KNOWN, replace=False)) for user in range(USERS)]
    return positives_of(rows, None)


def two_opinions() -> Positives:
    """The same, and everybody has rated 5 items of the other taste too: low."""
    random, rows, ratings = np.random.default_rng(0), [], []
    for user in range(USERS):
        liked = random.choice(np.arange(user % 2, ITEMS, 2), KNOWN, replace=False)
        other = random.choice(np.arange(1 - user % 2, ITEMS, 2), 5, replace=False)
        row = np.sort(np.concatenate((liked, other)))
        rows.append(row)
        ratings.append(np.where(row % 2 == user % 2, 5.0, 1.0))
    return positives_of(rows, np.concatenate(ratings).astype(np.float32))


def positives_of(rows: list[Any], ratings: Any, items: int = ITEMS) -> Positives:
    indptr = np.concatenate(([0], np.cumsum([len(row) for row in rows]))).astype(np.int64)
    names = np.arange(len(rows), dtype=np.int32), np.arange(items, dtype=np.int32)
    return Positives(*names, indptr, np.concatenate(rows).astype(np.int32), 0, ratings)


def data_for(family: str) -> Positives:
    return two_opinions() if family in WITH_RATINGS else two_tastes()


def questions(positives: Positives) -> Questions:
    """The items of each user's taste that the training does not have."""
    users = np.repeat(np.arange(positives.users), np.diff(positives.indptr))
    seen = Pairs.ordered(users, positives.indices.astype(np.int64))
    known = set(zip(users.tolist(), positives.indices.tolist(), strict=True))
    wanted = [(user, item) for user in range(USERS) for item in range(user % 2, ITEMS, 2) if (user, item) not in known]
    pairs = Pairs.ordered(*(np.array(column, dtype=np.int64) for column in zip(*wanted, strict=True)))
    return Questions(np.arange(USERS), seen, pairs, np.full(USERS, 5))


def model(family: str, **changes: object) -> Model:
    layers = {"hiddenLayers": [16, 8]} if family in WITH_LAYERS else {}
    return Model.model_validate({"architecture": family, "embeddingDim": 4, **layers, **changes})


def training(family: str, **changes: object) -> Training:
    base: dict[str, object] = {"epochs": 30, "batchSize": 200, "patience": 30}
    if family in WITH_STEPS:
        base["optimizer"] = {"learningRate": 0.02}
    return Training.model_validate({**base, **changes})


def fitted(family: str, validation: Questions | None = None, **changes: object) -> Fitted:
    return fit(model(family), training(family, **changes), data_for(family), validation, "cpu")


def exported_model(family: str, positives: Positives, found: Fitted) -> ArtifactModel:
    return artifact_model(model(family), positives, found.weights)


class Constant:
    items = ITEMS

    def scores(self, user_B: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(user_B), ITEMS)


class Loud:
    """Random scores."""

    items = ITEMS

    def scores(self, user_B: torch.Tensor) -> torch.Tensor:
        return torch.randn(len(user_B), ITEMS, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("family", ALL)
def test_it_finds_the_taste_that_the_data_was_made_with(family: str) -> None:
    positives = data_for(family)
    asked = questions(positives)
    found = fitted(family, asked)
    network = FAMILIES[family].load(exported_model(family, positives, found), found.weights).eval()
    scorers = (NetworkScorer(network, ITEMS, "cpu"), Constant(), Loud())
    with torch.no_grad():
        own, *others = (float(metric_values(rank(asked, scorer), (10,))["ndcg@10"].mean()) for scorer in scorers)
    assert own > 0.9
    assert own > max(others) + 0.2
    assert own == pytest.approx(max(entry["ndcg@10"] for entry in found.history), abs=1e-6), "the best epoch is kept"


@pytest.mark.parametrize("family", ALL)
def test_the_same_seed_gives_the_same_bits_and_another_does_not(family: str) -> None:
    first, again, other = (fitted(family, epochs=2, seed=seed).weights for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("family", ALL)
def test_weights_are_finite_float32_and_the_loss_falls(family: str) -> None:
    found = fitted(family, epochs=12)
    for values in found.weights.values():
        assert values.dtype == torch.float32
        assert torch.isfinite(values).all()
    losses = [entry["loss"] for entry in found.history]
    assert losses[-1] < losses[0] or family == "PureSVD"
    assert found.samples > 0


@pytest.mark.parametrize("family", ALL)
def test_the_model_server_scores_the_exported_tensors_as_the_trainer_does(family: str, tmp_path: Path) -> None:
    positives, found = data_for(family), fitted(family, epochs=3)
    save_file(found.weights, tmp_path / "weights.safetensors")
    weights = load_file(tmp_path / "weights.safetensors")
    network = FAMILIES[family].load(exported_model(family, positives, found), weights).eval()
    server = Scorer(weights, SeenLists(positives.indptr, positives.indices), torch.device("cpu"))
    with torch.no_grad():
        expected = network(torch.arange(USERS), torch.arange(ITEMS))
    torch.testing.assert_close(server.scores(np.arange(USERS, dtype=np.int32)), expected, rtol=1e-4, atol=1e-5)
    assert (server.users, server.items) == (USERS, ITEMS)


@pytest.mark.parametrize("family", ALL)
def test_scoring_chosen_items_equals_scoring_the_catalogue(family: str) -> None:
    positives, found = data_for(family), fitted(family, epochs=1)
    network = FAMILIES[family].load(exported_model(family, positives, found), found.weights).eval()
    users, items = torch.tensor([4, 0, 2]), torch.tensor([[1, 6], [0, 3], [5, 5]])
    with torch.no_grad():
        catalogue = network(users, torch.arange(ITEMS))
        torch.testing.assert_close(network(users, items), catalogue.gather(1, items))


@pytest.mark.parametrize("family", ALL)
def test_tensors_of_another_shape_or_name_are_refused(family: str) -> None:
    positives, found = data_for(family), fitted(family, epochs=1)
    said = exported_model(family, positives, found)
    name = sorted(found.weights)[0]
    for weights in (
        {**found.weights, name: torch.zeros(3, 3, 3)},
        {**found.weights, "other": torch.zeros(1)},
        {key: values for key, values in found.weights.items() if not key.endswith(("_item", "item_factors"))},
    ):
        with pytest.raises(ValueError, match=r"tensor|state_dict"):
            FAMILIES[family].load(said, weights)


TINY = {
    "one user with one item of one": ([[0]], 1),
    "one user with one item of two": ([[0]], 2),
    "two users, fewer items than factors": ([[0, 1], [1]], 3),
    "everybody has everything": ([[0, 1], [0, 1]], 2),
}


@pytest.mark.parametrize("family", ALL)
@pytest.mark.parametrize("name", TINY)
def test_tiny_data_is_fitted_or_refused_in_one_line(family: str, name: str) -> None:
    rows, items = TINY[name]
    ratings = np.full(sum(map(len, rows)), 3.0, np.float32) if family in WITH_RATINGS else None
    positives = positives_of([np.array(row) for row in rows], ratings, items)
    saturated = all(len(row) == items for row in rows)
    if family in WITH_LOSS and saturated:
        with pytest.raises(DataError, match=f"every user has touched all {items} items"):
            fit(model(family), training(family, epochs=2), positives, None, "cpu")
        return
    found = fit(model(family), training(family, epochs=2), positives, None, "cpu")
    network = FAMILIES[family].load(exported_model(family, positives, found), found.weights).eval()
    assert torch.isfinite(network(torch.arange(len(rows)), torch.arange(items))).all()


@pytest.mark.parametrize("family", ALL)
def test_training_stops_after_patience_epochs_without_gain(family: str) -> None:
    found = fitted(family, questions(data_for(family)), patience=2, epochs=200)
    assert found.epochs == (1 if family == "PureSVD" else found.best_epoch + 2)


@pytest.mark.parametrize("family", ALL)
def test_the_registry_says_what_a_family_needs_and_exports(family: str) -> None:
    found = {re.sub(r"\.\d+\.", ".<n>.", name) for name in fitted(family, epochs=1).weights}
    assert found == set(FAMILIES[family].exports)
    assert (FAMILIES[family].needs == "Ratings") == (family in WITH_RATINGS)
    assert FAMILIES[family].unknown_items == "NeverReturned"
    assert (FAMILIES[family].unknown_users == "FoldIn") == (FAMILIES[family].fold_in(model(family)) is not None)


def test_the_page_of_families_is_what_the_registry_says() -> None:
    page = (Path(__file__).parents[3] / "docs/families.md").read_text()
    rows = [[cell.strip("| ").replace("\\", "") for cell in line.split(" | ")] for line in page.splitlines()]
    told = {name: rest for name, *rest in rows if name in FAMILIES}
    assert told == {
        name: [
            family.needs,
            ", ".join(family.exports),
            family.unknown_users,
            "-" if family.fold_in_rated(Model()) is None else "FoldIn",
        ]
        for name, family in FAMILIES.items()
    }


@pytest.mark.parametrize("family", FOLDING)
def test_a_newcomer_gets_the_taste_of_what_it_had(family: str) -> None:
    found, settings = fitted(family, epochs=200, patience=200), FAMILIES[family].fold_in(model(family))
    assert settings is not None
    had = [[0, 4, 8, 12], [1, 5, 9], [2]]
    items = found.weights["item_factors"]
    scores = folded(history_of(had), items, settings) @ items.T
    for user, mine in enumerate(had):
        scores[user, mine] = -torch.inf
        assert {int(item) % 2 for item in scores[user].topk(5).indices} == {mine[0] % 2}


@pytest.mark.parametrize("family", FOLDING)
def test_a_trained_user_folded_in_is_the_trained_user(family: str) -> None:
    positives, found = data_for(family), fitted(family, epochs=200, patience=200)
    settings = FAMILIES[family].fold_in(model(family))
    assert settings is not None
    had = [positives.indices[start:end] for start, end in itertools.pairwise(positives.indptr)]
    again = folded(history_of(had), found.weights["item_factors"], settings)
    torch.testing.assert_close(again, found.weights["user_factors"], rtol=0.01, atol=1e-4)


def history_of(had: Sequence[Sequence[int]]) -> SparseRows:
    counts = torch.tensor([0, *map(len, had)])
    indices = torch.tensor([int(item) for mine in had for item in mine])
    return SparseRows.of_ones(counts.cumsum(0), indices, ITEMS)


def test_implicit_als_folds_in_at_the_minimum_of_the_users_part_of_its_objective() -> None:
    settings = FoldIn("LeastSquares", unobserved_weight=0.3, regularization=0.05, exponent=0.6)
    items = torch.randn(ITEMS, 4, generator=torch.Generator().manual_seed(0))
    user = folded(history_of([[3, 7, 20]]), items, settings)[0].double().requires_grad_()
    products = items.double() @ user
    ridge = 0.05 * (3 + 0.3 * ITEMS) ** 0.6
    whole = (1 - products[[3, 7, 20]]).square().sum() + 0.3 * products.square().sum() + ridge * user.square().sum()
    whole.backward()
    assert user.grad is not None
    assert float(user.grad.abs().max()) < 1e-5


@pytest.mark.parametrize("family", WITH_RATINGS)
def test_ratings_fold_in_at_the_minimum_of_the_users_part_of_the_objective(family: str) -> None:
    settings = FAMILIES[family].fold_in_rated(model(family))
    assert settings is not None
    items = torch.randn(ITEMS, 4, generator=torch.Generator().manual_seed(0))
    history = replace(history_of([[3, 7, 20]]), values=torch.tensor([1.5, -1.0, 0.5]))
    user = folded(history, items, settings)[0].double().requires_grad_()
    error = torch.tensor([1.5, -1.0, 0.5]) - items[[3, 7, 20]].double() @ user
    sigmas = Probabilistic()
    ridge = {
        "ExplicitALS": 0.05 * 3,
        "BiasedMF": 0.02 * 3,
        "ProbabilisticMF": (sigmas.sigma / sigmas.sigma_user) ** 2,
    }[family]
    (error.square().sum() + ridge * user.square().sum()).backward()
    assert user.grad is not None
    assert float(user.grad.abs().max()) < 1e-5


def rated_pairs(positives: Positives) -> RatedPairs:
    """The training pairs with ratings that get further from the data's the better they are learned."""
    users = np.repeat(np.arange(positives.users), np.diff(positives.indptr))
    assert positives.ratings is not None
    ratings = 3.0 + 0.3 * (positives.ratings.astype(np.float64) - 3.0)
    return RatedPairs(users, positives.indices.astype(np.int64), ratings)


@pytest.mark.parametrize("family", WITH_RATINGS)
def test_a_family_of_ratings_keeps_the_epoch_with_the_least_error_of_its_ratings(family: str) -> None:
    positives = two_opinions()
    rated = rated_pairs(positives)
    settings = training(family, patience=3, epochs=60)
    found = fit(model(family), settings, positives, questions(positives), "cpu", validation_ratings=rated)
    errors = [entry["rmse"] for entry in found.history]
    assert found.best_epoch == 1 + int(np.argmin(errors)) < found.epochs
    assert found.epochs == found.best_epoch + 3
    network = FAMILIES[family].load(exported_model(family, positives, found), found.weights).eval()
    predicted = predict_ratings(network, torch.from_numpy(rated.user_R), torch.from_numpy(rated.item_R))
    own = float((predicted - torch.from_numpy(rated.rating_R)).square().mean().sqrt())
    assert own == pytest.approx(min(errors), rel=1e-5)


@pytest.mark.parametrize("family", sorted(set(ALL) - set(WITH_RATINGS)))
def test_other_families_are_not_judged_by_ratings(family: str) -> None:
    rated = RatedPairs(np.array([0]), np.array([0]), np.array([5.0]))
    settings = training(family, epochs=1)
    found = fit(model(family), settings, two_tastes(), questions(two_tastes()), "cpu", validation_ratings=rated)
    assert set(found.history[0]) >= {"ndcg@10"}
    assert "rmse" not in found.history[0]


@pytest.mark.parametrize("family", WITH_RATINGS)
def test_data_without_ratings_is_refused(family: str) -> None:
    with pytest.raises(ManifestError, match=r"spec.data.columns.rating: the snapshot has no ratings"):
        fit(model(family), training(family), replace(two_opinions(), ratings=None), None, "cpu")


@pytest.mark.parametrize("family", ALL)
def test_memory_is_asked_for_before_it_is_taken(family: str) -> None:
    small, large = (
        FAMILIES[family].needed_bytes(
            Task(model(family, embeddingDim=dim), training(family), data_for(family), None, "cpu")
        )
        for dim in (4, 400)
    )
    assert 0 < small < large
