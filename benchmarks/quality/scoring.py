"""Fitted weights as a scorer over the whole catalogue."""

from recsys_api.spec.model import Model
from recsys_trainer.artifact.export import artifact_model
from recsys_trainer.fitting.best_epoch import NetworkScorer
from recsys_trainer.fitting.task import Weights
from recsys_trainer.models.base import Recommender
from recsys_trainer.models.registry import FAMILIES
from recsys_trainer.training_data import Positives


def network_of(model: Model, positives: Positives, weights: Weights) -> Recommender:
    """What is exported, loaded again as serving does."""
    exported = artifact_model(model, positives, weights)
    return FAMILIES[model.architecture].load(exported, weights).eval().requires_grad_(False)


def scorer_of(model: Model, positives: Positives, weights: Weights) -> NetworkScorer:
    """It, for full ranking."""
    return NetworkScorer(network_of(model, positives, weights), positives.items, "cpu")
