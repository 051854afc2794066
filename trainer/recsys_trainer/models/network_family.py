"""Families that are trained in optimizer steps on a network of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch

from recsys_trainer.fitting.in_force import loss_in_force, optimizer_in_force
from recsys_trainer.fitting.losses import build_loss
from recsys_trainer.fitting.optimizers import algorithm
from recsys_trainer.fitting.steps import fit_in_steps
from recsys_trainer.fitting.task import Asked, Fitted, Task, Weights
from recsys_trainer.models.base import Recommender, Shape
from recsys_trainer.models.family import Family
from recsys_trainer.negatives import GAP_PAIRS, touched_bytes

if TYPE_CHECKING:
    from recsys_api.artifact import ArtifactModel

COPIES = {"Adam": 4, "SGD": 2, "RowWiseAdagrad": 1}
"""Tables of full size: weights and, of whole tables, gradients and Adam's two moments."""


def steps_bytes(task: Task, tables: int, rows: int) -> int:
    """What fitting in steps takes: tables, the best epoch's copy where epochs are compared, and each pair's place.

    Split tables have that copy on disk.

    Args:
        tables: values of all tables and layers.
        rows: of all tables; row-wise Adagrad keeps a number for each.
    """
    kind, pairs = algorithm(task.training), len(task.positives.indices)
    copies = COPIES[kind] + (task.validation is not None and task.last_epoch > 1 and task.split is None)
    search = 16 if pairs <= GAP_PAIRS else 4
    touched = touched_bytes(task.positives.users, task.positives.items, pairs)
    return 4 * (copies * tables + (rows if kind == "RowWiseAdagrad" else 0)) + search * pairs + touched


@dataclass(frozen=True)
class ExportedShape:
    """Of a network that is served: dropout and batch norms live in training alone."""

    embedding_dim: int
    mlp_embedding_dim: int | None
    hidden_layers: tuple[int, ...]
    dropout: float = 0.0
    batch_norm: bool = False


class NetworkFamily(Family):
    """GMF, MLP, NeuMF: the exported tensors are the network's parameters."""

    def __init__(self, network: type[Recommender]) -> None:
        self._network = cast("Callable[[int, int, Shape], Recommender]", network)
        layers = ("mlp.<n>.weight", "mlp.<n>.bias") if "mlp_user" in network.tables else ()
        self.exports = (*network.tables, *layers, "out.weight", "out.bias")

    def build(self, task: Task) -> Recommender:
        """The network with the start values of the task's seed."""
        torch.manual_seed(task.training.seed)
        return self._network(task.positives.users, task.positives.items, task.model).to(task.device)

    def train(self, task: Task, network: Recommender) -> Fitted:
        """Train a network from where it stands."""
        return fit_in_steps(task, network, build_loss(task))

    def in_force(self, asked: Asked) -> dict[str, Any]:
        """Of optimizer and loss."""
        return {**optimizer_in_force(asked.training), **loss_in_force(asked)}

    def fit(self, task: Task) -> Fitted:
        """Train from start values."""
        return self.train(task, self.build(task))

    def load(self, model: ArtifactModel, weights: Weights) -> Recommender:
        """The network in the exported shape."""
        shape = ExportedShape(model.embedding_dim, model.mlp_embedding_dim, model.hidden_layers)
        with torch.device("meta"):
            network = self._network(model.users, model.items, shape)
        try:
            network.load_state_dict(weights, assign=True)
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        return network

    def needed_bytes(self, task: Task) -> int:
        """Tables with their optimizer state, pairs and negatives."""
        with torch.device("meta"):
            network = self._network(task.positives.users, task.positives.items, task.model)
        values = sum(parameter.numel() for parameter in network.parameters())
        return steps_bytes(task, values, sum(len(getattr(network, name)) for name in network.tables))
