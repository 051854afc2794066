"""Products and cosines, and what is meant where a manifest does not say."""

import pytest
import torch
from tests.unit.core.factories import build_spec
from tests.unit.trainer.test_families import model, questions, training, two_tastes
from tests.unit.trainer.test_losses import CHOICES, DOT_LOSSES, batch, network

from recsys_api import family_rules, similarity_rules
from recsys_api.spec.model import WITH_LOSS, Model
from recsys_api.spec.training import Training
from recsys_trainer.fit import fit
from recsys_trainer.fitting.loss_settings import loss_type, similarity
from recsys_trainer.fitting.losses import build_loss
from recsys_trainer.fitting.task import Task

EITHER = [(loss, kind) for loss in ("SampledSoftmax", "CrossEntropy") for kind in ("Dot", "Cosine")]


@pytest.mark.parametrize(("loss", "kind"), [(None, None), *((loss, None) for loss in DOT_LOSSES), *EITHER])
def test_factors_are_exported_with_the_length_that_the_similarity_has(loss: str | None, kind: str | None) -> None:
    settings = training("MatrixFactorization", loss={"type": loss}, epochs=2)
    weights = fit(model("MatrixFactorization", similarity=kind), settings, two_tastes(), None, "cpu").weights
    cosine = kind == "Cosine" or (kind is None and loss not in ("BCE", "BPR"))
    for values in weights.values():
        assert torch.allclose(values.norm(dim=1), torch.ones(len(values))) == cosine


@pytest.mark.parametrize(("loss", "kind"), EITHER)
def test_a_softmax_finds_the_taste_by_products_and_by_cosines(loss: str, kind: str) -> None:
    settings = training("MatrixFactorization", loss={"type": loss})
    asked = model("MatrixFactorization", similarity=kind)
    found = fit(asked, settings, two_tastes(), questions(two_tastes()), "cpu")
    assert max(entry["ndcg@10"] for entry in found.history) > 0.9


@pytest.mark.parametrize("loss", ["SampledSoftmax", "CrossEntropy"])
def test_cosines_are_divided_by_less_than_products(loss: str) -> None:
    """A cosine is at most 1: divided by 1 no item could be far more likely than another."""
    given, found = {"type": loss}, []
    for kind, temperature in (("Cosine", None), ("Cosine", 0.15), ("Dot", None), ("Dot", 1.0)):
        asked = model("MatrixFactorization", similarity=kind)
        settings = training("MatrixFactorization", loss={**given, "temperature": temperature})
        found.append(build_loss(Task(asked, settings, two_tastes(), None, "cpu"))(network(), batch()).item())
    assert found[0] == found[1] != found[2] == found[3]


def test_the_rules_of_manifests_and_the_trainer_mean_the_same_loss_and_similarity() -> None:
    for family, loss in [*CHOICES, *((family, None) for family in WITH_LOSS)]:
        spec = build_spec(model={"architecture": family}, training={"loss": {"type": loss}})
        meant = Task(spec.model, spec.training, two_tastes(), None, "cpu")
        assert loss_type(meant) == family_rules.loss_type(spec)
        if family == "MatrixFactorization":
            assert similarity(meant) == similarity_rules.similarity(spec)


@pytest.mark.parametrize(
    ("model_", "training_", "held"),
    [
        ({}, {}, 0.004), ({}, {"loss": {"type": "BPR"}}, 0.004), ({}, {"loss": {"type": "SampledSoftmax"}}, None),
        ({"regularization": 0}, {}, None), ({"regularization": 0.1}, {}, 0.1),
        ({"regularization": 0.1}, {"loss": {"type": "SampledSoftmax"}}, 0.1),
        ({}, {"optimizer": {"weightDecay": 1e-6}}, None), ({}, {"optimizer": {"weightDecay": 0}}, 0.004),
        ({"architecture": "MatrixFactorization"}, {}, None),
        ({"architecture": "MatrixFactorization"}, {"loss": {"type": "BCE"}}, 0.004),
        ({"architecture": "MatrixFactorization"}, {"loss": {"type": "CosineContrastive"}}, None),
    ],
)  # fmt: skip
def test_pairs_are_held_where_nothing_else_is_said(
    model_: dict[str, object], training_: dict[str, object], held: float | None
) -> None:
    asked = Model.model_validate({"architecture": "GMF", **model_})
    task = Task(asked, Training.model_validate(training_), two_tastes(), None, "cpu")
    assert build_loss(task).penalty == held
