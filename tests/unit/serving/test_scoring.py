"""The scorer against a naive reference, with histories, extra items and ties."""

import numpy as np
import pytest
import torch

from recsys_api.artifact import FoldIn
from recsys_serving.batches import Rank, rank_together
from recsys_serving.errors import ArtifactError
from recsys_serving.scoring import Scorer, top_k_by_row
from recsys_serving.seen import SeenLists
from recsys_serving.testing.artifacts import Made, Recipe, make

CPU = torch.device("cpu")
NOTHING = np.full((1, 16), -1, np.int32)


def build_scorer(made: Made) -> Scorer:
    indptr = np.cumsum([0, *map(len, made.seen)]).astype(np.int64)
    indices = np.array([item for items in made.seen for item in items], np.int32)
    weights = {name: torch.from_numpy(tensor) for name, tensor in made.weights.items()}
    return Scorer(weights, SeenLists(indptr, indices), CPU)


RECIPES = [
    Recipe(architecture="GMF", hidden=()),
    Recipe(architecture="MLP", hidden=(16,)),
    Recipe(architecture="MLP", hidden=(16, 8, 4)),
    Recipe(architecture="MLP", hidden=()),
    Recipe(architecture="NeuMF"),
    Recipe(architecture="NeuMF", hidden=()),
    Recipe(architecture="ImplicitALS", hidden=()),
    Recipe(architecture="MatrixFactorization", hidden=(), biases=("item_bias",)),
    Recipe(architecture="BiasedMF", hidden=(), biases=("item_bias", "user_bias", "global_bias")),
    Recipe(architecture="ExplicitALS", hidden=(), biases=("global_bias",)),
]


def name_of(recipe: Recipe) -> str:
    return f"{recipe.architecture}-{len(recipe.hidden)}-{len(recipe.biases)}"


@pytest.mark.parametrize("recipe", RECIPES, ids=name_of)
def test_scores_equal_the_formula(recipe: Recipe) -> None:
    made = make(recipe)
    scores = build_scorer(made).scores(np.arange(recipe.users, dtype=np.int32)).numpy()
    expected = np.stack([made.naive_scores(row) for row in range(recipe.users)])
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("recipe", RECIPES, ids=name_of)
def test_top_k_equals_sorting_the_catalogue(recipe: Recipe) -> None:
    made = make(recipe)
    rows, _ = build_scorer(made).top_k(np.array([0, 3, 7], np.int32), np.full((3, 16), -1, np.int32), 20)
    assert rows.tolist() == [made.naive_top_k(row, 20) for row in (0, 3, 7)]


def test_chunks_of_items_do_not_change_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = build_scorer(make())
    rows = np.array([1, 2], np.int32)
    whole = scorer.scores(rows)
    monkeypatch.setattr("recsys_serving.scoring.CHUNK_BYTES", 1024)
    torch.testing.assert_close(scorer.scores(rows), whole)


def test_extra_seen_items_are_left_out_beside_the_history() -> None:
    made = make()
    scorer = build_scorer(made)
    best = made.naive_top_k(4, 3)
    extra = np.array([[*best, -1, 10**6, made.seen[4][0]]], np.int32)
    rows, _ = scorer.top_k(np.array([4], np.int32), extra, 10)
    assert rows[0].tolist() == made.naive_top_k(4, 10, extra=best)


def test_users_of_one_batch_do_not_leave_out_each_others_items() -> None:
    made = make()
    extra = np.full((2, 16), -1, np.int32)
    extra[0, 0] = made.naive_top_k(1, 1)[0]
    rows, _ = build_scorer(made).top_k(np.array([0, 1], np.int32), extra, 5)
    assert rows[1].tolist() == made.naive_top_k(1, 5)


def test_places_without_an_unseen_item_are_minus_one() -> None:
    made = make(Recipe(items=14, history=12))
    rows, scores = build_scorer(made).top_k(np.array([0], np.int32), NOTHING, 10)
    assert (rows[0] >= 0).sum() == 2
    assert rows[0, 2:].tolist() == [-1] * 8
    assert np.isneginf(scores[0, 2:]).all()


def test_k_larger_than_the_catalogue_returns_the_catalogue() -> None:
    made = make(Recipe(items=14, history=0))
    rows, _ = build_scorer(made).top_k(np.array([0], np.int32), NOTHING, 1000)
    assert sorted(rows[0].tolist()) == list(range(14))


@pytest.mark.parametrize("k", [1, 3, 5, 8, 20])
def test_equal_scores_come_in_the_order_of_item_rows(k: int) -> None:
    rng = np.random.default_rng(k)
    scores = rng.integers(0, 4, (5, 20)).astype(np.float32)
    rows, values = top_k_by_row(torch.from_numpy(scores.copy()), k)
    for line, found in zip(scores, rows.tolist(), strict=True):
        assert found == sorted(range(20), key=lambda item: (-line[item], item))[:k]
    np.testing.assert_array_equal(values, np.take_along_axis(scores, rows.astype(np.int64), 1))


def test_a_non_finite_weight_is_refused() -> None:
    made = make()
    made.weights["mlp_item"][3, 1] = np.nan
    with pytest.raises(ArtifactError, match="mlp_item"):
        build_scorer(made)


@pytest.mark.parametrize("name", ["user_factors", "out.weight"])
def test_tensors_that_make_no_dot_product_are_refused(name: str) -> None:
    made = make(Recipe(architecture="PureSVD", hidden=()))
    if made.weights.pop(name, None) is None:
        made.weights[name] = np.ones((1, 1), np.float32)
    with pytest.raises(ArtifactError, match="expected tensors of a dot product"):
        build_scorer(made)


def rank(row: int, k: int, extra: tuple[int, ...] = (), width: int = 16) -> Rank:
    padded = np.array([[*extra, *[-1] * (width - len(extra))]], np.int32)
    return Rank(np.array([[row]], np.int32), padded, np.array([[k]], np.int32))


def test_requests_of_one_batch_get_their_own_k_and_extra_items() -> None:
    made = make()
    first, second = rank_together(build_scorer(made), [rank(0, 3), rank(1, 7, tuple(made.naive_top_k(1, 1)), 32)])
    assert first.item_rows.tolist() == [made.naive_top_k(0, 3)]
    assert second.item_rows.tolist() == [made.naive_top_k(1, 7, made.naive_top_k(1, 1))]


@pytest.mark.parametrize("kind", ["Sum", "LeastSquares"])
@pytest.mark.parametrize("had", [(3,), (3, 150, 3, 77), tuple(range(60))])
def test_an_unknown_user_is_scored_from_its_items_beside_known_ones(kind: str, had: tuple[int, ...]) -> None:
    settings = FoldIn(kind=kind, unobserved_weight=0.1, regularization=0.02, exponent=0.7)
    made = make(Recipe(architecture="ImplicitALS", hidden=(), fold_in=settings))
    weights = {name: torch.from_numpy(values) for name, values in made.weights.items()}
    indptr = np.cumsum([0, *map(len, made.seen)]).astype(np.int64)
    seen = SeenLists(indptr, np.concatenate(made.seen).astype(np.int32))
    scorer = Scorer(weights, seen, CPU, settings)
    stranger, known = rank_together(scorer, [rank(-1, 5, had, 64), rank(1, 4)])
    assert stranger.item_rows.tolist() == [made.naive_top_folded(had, 5)]
    np.testing.assert_allclose(stranger.scores[0], made.naive_folded(had)[stranger.item_rows[0]], rtol=1e-4, atol=1e-5)
    assert known.item_rows.tolist() == [made.naive_top_k(1, 4)]
    nothing = rank_together(scorer, [rank(-1, 5)])[0]
    assert "needs items in extra_seen" in nothing.error


@pytest.mark.parametrize(("row", "k", "word"), [(-1, 5, "rows"), (40, 5, "rows"), (0, 0, "k must")])
def test_a_wrong_request_does_not_spoil_the_others(row: int, k: int, word: str) -> None:
    made = make()
    wrong, good = rank_together(build_scorer(made), [rank(row, k), rank(2, 4)])
    assert word in wrong.error
    assert good.item_rows.tolist() == [made.naive_top_k(2, 4)]
