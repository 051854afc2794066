"""What a training takes where a manifest leaves a setting to the family: the report says it, and written out it changes nothing."""

from typing import Any

import pytest
import torch
from tests.unit.trainer.conftest import Manifest
from tests.unit.trainer.test_families import data_for

from recsys_api.manifest import parse_manifest
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_trainer.fit import fit
from recsys_trainer.models.registry import FAMILIES
from recsys_trainer.training import defaults_in_force

ADAM = {"training.optimizer.type": "Adam", "training.optimizer.learningRate": 0.003}
BCE = {"training.loss.type": "BCE", "training.loss.negatives": 8, "model.regularization": 0.004}
SOFTMAX = {"training.loss.type": "SampledSoftmax", "training.loss.negatives": 512, "training.loss.sampling": "Uniform"}
NAMED_ALONE: dict[str, dict[str, Any]] = {
    "GMF": ADAM | BCE,
    "MLP": ADAM | BCE,
    "NeuMF": ADAM | BCE,
    "MatrixFactorization": ADAM
    | SOFTMAX
    | {"training.loss.temperature": 0.15, "model.similarity": "Cosine", "model.regularization": 0.0},
    "ImplicitALS": {
        "model.regularization": 0.01,
        "model.leastSquares.unobservedWeight": 0.1,
        "model.leastSquares.frequencyExponent": 1.0,
        "model.leastSquares.solver": "ConjugateGradient",
    },
    "PureSVD": {},
    "NMF": {"model.regularization": 0.01},
    "ExplicitALS": {
        "model.regularization": 0.05,
        "model.leastSquares.frequencyExponent": 1.0,
        "model.leastSquares.solver": "Cholesky",
    },
    "BiasedMF": ADAM | {"model.regularization": 0.02},
    "ProbabilisticMF": {
        "model.probabilistic.sigma": 0.9,
        "model.probabilistic.sigmaUser": 0.3,
        "model.probabilistic.sigmaItem": 0.3,
        "model.leastSquares.solver": "Cholesky",
    },
}


def asked(write_manifest: Manifest, family: str, **settings: Any) -> RecommenderModelSpec:
    """The spec of a family named alone, but for `settings`."""
    named = {"model": {"architecture": family, "embeddingDim": 4}, "training": {}, "data.columns.rating": "rating"}
    return parse_manifest(write_manifest(**{**named, **settings}).read_text()).spec


def weights(spec: RecommenderModelSpec, family: str) -> dict[str, torch.Tensor]:
    return fit(spec.model, spec.training, data_for(family), None, "cpu").weights


def test_every_family_is_here() -> None:
    assert NAMED_ALONE.keys() == FAMILIES.keys()


@pytest.mark.parametrize("family", NAMED_ALONE)
def test_what_is_in_force_is_told_and_written_out_gives_the_same_weights(write_manifest: Manifest, family: str) -> None:
    alone = asked(write_manifest, family)
    found = defaults_in_force(alone)
    assert found == NAMED_ALONE[family]
    written = asked(write_manifest, family, **found)
    assert defaults_in_force(written) == {}
    first, second = (weights(spec, family) for spec in (alone, written))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("loss", "options"),
    [
        ({"type": "CrossEntropy", "temperature": 0.2}, {}),
        ({"type": "BPR"}, {"negatives": 4}),
        ({"type": "CosineContrastive"}, {"negatives": 64, "margin": 0.4, "negativeWeight": 64.0}),
        ({"type": "SampledSoftmax", "sampling": "InBatch"}, {"negatives": 4096, "temperature": 0.15}),
    ],
)
def test_a_loss_has_its_own_options(write_manifest: Manifest, loss: dict[str, Any], options: dict[str, Any]) -> None:
    found = defaults_in_force(asked(write_manifest, "MatrixFactorization", **{"training.loss": loss}))
    assert {name.removeprefix("training.loss."): value for name, value in found.items() if "loss" in name} == options


def test_a_weight_decay_takes_the_place_of_the_penalty(write_manifest: Manifest) -> None:
    found = defaults_in_force(asked(write_manifest, "GMF", **{"training.optimizer.weightDecay": 0.1}))
    assert found["model.regularization"] == 0.0


def test_the_report_says_what_was_in_force_apart_from_what_the_manifest_says(fitted_report: dict[str, Any]) -> None:
    training = fitted_report["training"]
    assert training["optimizer"] == {"learningRate": 0.01}
    assert training["defaults"] == {"training.optimizer.type": "Adam"} | BCE
