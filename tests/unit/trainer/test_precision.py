"""`training.precision`: products of a step are rounded to bfloat16, and nothing that is kept is."""

import pytest
import torch
from tests.unit.trainer.test_families import data_for, model, questions, training

from recsys_api.spec.model import WITH_LAYERS, WITH_LOSS
from recsys_trainer.fit import fit
from recsys_trainer.fitting.task import Fitted


def trained(family: str, precision: str | None) -> Fitted:
    positives = data_for(family)
    settings = training(family, epochs=12, precision=precision)
    return fit(model(family), settings, positives, questions(positives), "cpu")


@pytest.mark.parametrize("family", WITH_LOSS)
def test_training_in_bfloat16_finds_the_taste_and_leaves_float32(family: str) -> None:
    whole, half = trained(family, None), trained(family, "BFloat16")
    assert {values.dtype for values in half.weights.values()} == {torch.float32}
    best = max(entry["ndcg@10"] for entry in half.history)
    assert best == pytest.approx(max(entry["ndcg@10"] for entry in whole.history), abs=0.05)
    assert half.history[0]["loss"] == pytest.approx(whole.history[0]["loss"], rel=0.01)


@pytest.mark.parametrize("family", [*WITH_LAYERS, "MatrixFactorization"])
def test_products_are_rounded_where_bfloat16_is_asked_for_and_only_there(family: str) -> None:
    whole, named, half = (trained(family, precision).history[-1]["loss"] for precision in (None, "Float32", "BFloat16"))
    assert named == whole
    assert half != whole
