"""A scorer is only built from an artifact that proves itself."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recsys_api.artifact import FoldIn
from recsys_serving.errors import ArtifactError
from recsys_serving.golden import GoldenAnswer, find_difference
from recsys_serving.loading import load_scorer
from recsys_serving.testing.artifacts import Made, Recipe, golden_of, make

CPU = torch.device("cpu")


def swap_ids(made: Made) -> None:
    made.items[0], made.items[1] = made.items[1], made.items[0]


def bend_weights(made: Made) -> None:
    made.weights["out.bias"] += 0.01


def shift_rows(made: Made) -> None:
    made.users[0], made.users[1] = made.users[1], made.users[0]


def forget_history(made: Made) -> None:
    made.seen[0] = made.seen[0] + made.naive_top_k(0, 1)


def only_unknown_users(made: Made) -> None:
    made.golden = made.golden[-1:]


CHANGES = [
    (swap_ids, "golden item"),
    (bend_weights, "score"),
    (shift_rows, "golden user 'u0': row 1"),
    (forget_history, "golden user 'u0'"),
    (only_unknown_users, "none of a known user"),
]


@pytest.mark.parametrize("architecture", ["GMF", "MLP", "NeuMF", "ImplicitALS", "BiasedMF"])
def test_an_honest_artifact_loads(put, tmp_path: Path, architecture: str) -> None:
    fetched = put(make(Recipe(architecture=architecture)), tmp_path)
    assert load_scorer(fetched.artifact, fetched.digest, CPU).items == 200


@pytest.mark.parametrize(("change", "words"), CHANGES, ids=[change.__name__ for change, _ in CHANGES])
def test_an_artifact_that_contradicts_its_golden_answers_is_refused(
    put, tmp_path: Path, change: Callable[[Made], None], words: str
) -> None:
    made = make()
    change(made)
    fetched = put(made, tmp_path)
    with pytest.raises(ArtifactError, match=words):
        load_scorer(fetched.artifact, fetched.digest, CPU)


def test_a_half_empty_user_map_with_matching_golden_answers_loads(put, tmp_path: Path) -> None:
    made = make()
    del made.users[20:]
    made.golden = golden_of(made)
    fetched = put(made, tmp_path)
    assert load_scorer(fetched.artifact, fetched.digest, CPU).users == 40


FOLD_INS = (
    FoldIn(kind="Sum"),
    FoldIn(kind="LeastSquares", unobserved_weight=0.1, regularization=0.02, exponent=0.7),
)


@pytest.mark.parametrize("fold_in", FOLD_INS, ids=lambda each: each.kind)
def test_an_artifact_that_folds_in_proves_that_too(put, tmp_path: Path, fold_in: FoldIn) -> None:
    recipe = Recipe(architecture="ImplicitALS", hidden=(), fold_in=fold_in)
    fetched = put(make(recipe), tmp_path / "honest")
    assert load_scorer(fetched.artifact, fetched.digest, CPU).folds_in
    other = FoldIn(kind="LeastSquares", unobserved_weight=0.1, regularization=0.5, exponent=0.7)
    for at, claimed in enumerate((other, None)):
        made = make(recipe)
        made.recipe = replace(recipe, fold_in=claimed)
        bent = put(made, tmp_path / str(at))
        with pytest.raises(ArtifactError, match="golden user 'somebody'"):
            load_scorer(bent.artifact, bent.digest, CPU)


def test_a_changed_byte_is_refused(fetched) -> None:
    weights = fetched.artifact / "weights.safetensors"
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)
    with pytest.raises(ArtifactError, match=r"weights\.safetensors: sha256"):
        load_scorer(fetched.artifact, fetched.digest, CPU)


GOLDEN = GoldenAnswer(user="u", row=0, items=("a", "b", "c"), rows=(0, 1, 2), scores=(2.0, 1.00001, 1.0))
DIFFERENCES = [
    ("equal", ("a", "b", "c"), (2.0, 1.00001, 1.0), True),
    ("tied places swapped", ("a", "c", "b"), (2.0, 1.00001, 1.0), True),
    ("another item tied with the last place", ("a", "b", "z"), (2.0, 1.00001, 1.0), True),
    ("rounded", ("a", "b", "c"), (2.0001, 1.0, 1.0), True),
    ("clear order swapped", ("b", "a", "c"), (2.0, 1.00001, 1.0), False),
    ("another item in a clear place", ("z", "b", "c"), (2.0, 1.00001, 1.0), False),
    ("a score off", ("a", "b", "c"), (2.0, 1.00001, 1.1), False),
    ("shorter", ("a", "b"), (2.0, 1.00001), False),
    ("nothing", (), (), False),
]


@pytest.mark.parametrize(("name", "items", "scores", "same"), DIFFERENCES, ids=[row[0] for row in DIFFERENCES])
def test_golden_answers_allow_rounding_and_ties_only(
    name: str, items: tuple[str, ...], scores: tuple[float, ...], same: bool
) -> None:
    assert (find_difference(GOLDEN, items, scores, by_row=False) is None) is same


def test_without_golden_scores_every_item_must_agree() -> None:
    popular = GoldenAnswer(user="x", row=-1, items=("a", "b"))
    assert find_difference(popular, ("b", "a"), (3.0, 3.0), by_row=False) is not None
