"""Families that are trained in optimizer steps on a network of their own."""

from collections.abc import Callable

import torch

from recsys_api.artifact import ArtifactModel
from recsys_api.recommender_model import Model
from recsys_trainer.fitting.losses import build_loss
from recsys_trainer.fitting.steps import fit_in_steps
from recsys_trainer.fitting.task import Fitted, Task, Weights
from recsys_trainer.models.base import Recommender
from recsys_trainer.models.family import Family
from recsys_trainer.training_data import Positives

COPIES = 5
"""Weights, gradients, two moments of Adam, and the best epoch's weights."""


class NetworkFamily(Family):
    """GMF, MLP, NeuMF: the exported tensors are the network's parameters."""

    def __init__(self, network: Callable[[int, int, Model], Recommender]) -> None:
        self._network = network

    def build(self, task: Task) -> Recommender:
        """The network with the start values of the task's seed."""
        torch.manual_seed(task.training.seed)
        return self._network(task.positives.users, task.positives.items, task.model).to(task.device)

    def train(self, task: Task, network: Recommender) -> Fitted:
        """Train a network from where it stands."""
        return fit_in_steps(task, network, build_loss(task))

    def fit(self, task: Task) -> Fitted:
        """Train from start values."""
        return self.train(task, self.build(task))

    def load(self, model: ArtifactModel, weights: Weights) -> Recommender:
        """The network in the exported shape."""
        settings = Model(
            architecture=model.architecture, embedding_dim=model.embedding_dim, hidden_layers=model.hidden_layers
        )
        with torch.device("meta"):
            network = self._network(model.users, model.items, settings)
        try:
            network.load_state_dict(weights, assign=True)
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        return network

    def needed_bytes(self, model: Model, positives: Positives) -> int:
        """Tables with their optimizer state, pairs and negatives."""
        with torch.device("meta"):
            network = self._network(positives.users, positives.items, model)
        values = sum(parameter.numel() for parameter in network.parameters())
        return COPIES * 4 * values + 40 * len(positives.indices)
