"""Matrix factorization with biases on ratings by gradient descent (Koren et al. 2009): mean + b_u + b_i + u·i."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from recsys_trainer.fitting.in_force import optimizer_in_force
from recsys_trainer.fitting.losses import Batch, Loss
from recsys_trainer.fitting.steps import fit_in_steps
from recsys_trainer.fitting.task import Asked, Fitted, Task
from recsys_trainer.models.base import EMBEDDING_STD, Recommender, start_factors
from recsys_trainer.models.dot import DotProduct
from recsys_trainer.models.fold_in import FoldIn
from recsys_trainer.models.network_family import steps_bytes
from recsys_trainer.models.ratings import RatingFamily, required_ratings

if TYPE_CHECKING:
    from recsys_api.spec.model import Model

REGULARIZATION = 0.02


class SquaredError(Loss):
    """(r - prediction)^2 + lambda (|u|^2 + |i|^2 + b_u^2 + b_i^2), mean over ratings."""

    scores = 1
    takes_saturated_users = True

    def __init__(self, penalty: float) -> None:
        self.penalty = penalty

    def compared(self, network: Recommender, batch: Batch) -> tuple[Tensor, Tensor]:
        """Of the ratings."""
        assert batch.rating_B is not None, "required_ratings has looked"
        item_B1 = batch.item_B.unsqueeze(1)
        return (batch.rating_B - network(batch.user_B, item_B1).squeeze(1)).square().mean(), item_B1


class BiasedMF(RatingFamily):
    """Trained in steps; the mean stays what it is."""

    exports: tuple[str, ...] = (*RatingFamily.exports, "item_bias", "user_bias")

    def in_force(self, asked: Asked) -> dict[str, Any]:
        """Of the optimizer, and the penalty."""
        return {**optimizer_in_force(asked.training), "model.regularization": _penalty(asked.model)}

    def fit(self, task: Task) -> Fitted:
        """Train from start values."""
        ratings = required_ratings(task)
        torch.manual_seed(task.training.seed)
        positives, width = task.positives, task.model.embedding_dim
        factors = (start_factors(rows, width, EMBEDDING_STD) for rows in (positives.users, positives.items))
        network = DotProduct(
            *factors,
            item_bias=torch.zeros(positives.items),
            user_bias=torch.zeros(positives.users),
            global_bias=ratings.mean().reshape(1),
        ).to(task.device)
        assert network.global_bias is not None, "it was given"
        network.global_bias.requires_grad_(False)
        return fit_in_steps(task, network, SquaredError(_penalty(task.model)))

    def fold_in_rated(self, model: Model) -> FoldIn:
        """The user's part of the loss, bias and factors together; each of its ratings brings its penalty."""
        return FoldIn("LeastSquares", regularization=_penalty(model), exponent=1.0)

    def needed_bytes(self, task: Task) -> int:
        """Tables with their optimizer state, pairs and ratings."""
        rows = task.positives.users + task.positives.items
        return steps_bytes(task, rows * (task.model.embedding_dim + 1), 2 * rows)


def _penalty(model: Model) -> float:
    return model.regularization or REGULARIZATION


FAMILY = BiasedMF()
