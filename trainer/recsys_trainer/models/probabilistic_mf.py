"""Probabilistic matrix factorization (Salakhutdinov and Mnih 2007): Gaussian ratings, Gaussian factors.

r ~ N(mean + u·i, sigma^2), u ~ N(0, sigma_user^2), i ~ N(0, sigma_item^2). The maximum of the posterior is that of
least squares with penalties sigma^2 / sigma_user^2 and sigma^2 / sigma_item^2, so it is found by alternating exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from recsys_trainer.fitting.alternating import chosen, fit_alternating
from recsys_trainer.fitting.sweeps import Penalty
from recsys_trainer.fitting.task import Asked, Fitted, Task, Weights
from recsys_trainer.models.fold_in import FoldIn
from recsys_trainer.models.implicit_als import alternating_bytes
from recsys_trainer.models.ratings import RatingFamily, required_ratings

if TYPE_CHECKING:
    from recsys_api.spec.model import Model, Probabilistic
    from recsys_trainer.training_data import Positives

SOLVER = "Cholesky"
FIX = "bring the sigmas of model.probabilistic nearer to each other, or lower embeddingDim"
CHUNK_VALUES = 2**24


@dataclass(frozen=True)
class Sigmas:
    """What `model.probabilistic` is where the manifest has none."""

    sigma: float = 0.9
    sigma_user: float = 0.3
    sigma_item: float = 0.3


class ProbabilisticMF(RatingFamily):
    """The mode of the posterior; `score_variance` says how sure it is."""

    def in_force(self, asked: Asked) -> dict[str, Any]:
        """Standard deviations and solver."""
        sigmas = asked.model.probabilistic or Sigmas()
        return {
            "model.probabilistic.sigma": sigmas.sigma,
            "model.probabilistic.sigmaUser": sigmas.sigma_user,
            "model.probabilistic.sigmaItem": sigmas.sigma_item,
            "model.leastSquares.solver": chosen(asked.model, "solver", SOLVER),
        }

    def fit(self, task: Task) -> Fitted:
        """Sweep."""
        sigmas, ratings = task.model.probabilistic or Sigmas(), required_ratings(task)
        penalties = (
            Penalty((sigmas.sigma / sigmas.sigma_user) ** 2),
            Penalty((sigmas.sigma / sigmas.sigma_item) ** 2),
        )
        solver = chosen(task.model, "solver", SOLVER)
        mean = ratings.mean()
        return fit_alternating(task, ratings - mean, penalties, solver, fix=FIX, global_bias=mean.reshape(1))

    def fold_in_rated(self, model: Model) -> FoldIn:
        """The mode of the user's posterior, the items' factors given."""
        sigmas = model.probabilistic or Sigmas()
        return FoldIn("LeastSquares", regularization=(sigmas.sigma / sigmas.sigma_user) ** 2)

    def needed_bytes(self, task: Task) -> int:
        """As for every family that alternates."""
        return alternating_bytes(task.model, task.positives)


@torch.no_grad()
def score_variance(
    weights: Weights, positives: Positives, sigmas: Probabilistic | Sigmas, user_N: Tensor, item_N: Tensor
) -> Tensor:
    """Variance of the predicted mean rating of pairs of rows, float32 [N]; add sigma^2 for that of a rating.

    Each factor vector's conditional posterior given all others at the mode is Gaussian: N(x, S) with
    S = (sum of the rated side's h h' / sigma^2 + 1 / sigma_x^2)^-1. Two independent ones have a product of variance
    u' Si u + i' Su i + tr(Su Si). That users and items move together is left out, so take it for
    comparing pairs.
    """
    users, items = weights["user_factors"], weights["item_factors"]
    indptr, indices = torch.as_tensor(positives.indptr), torch.as_tensor(positives.indices).long()
    row = torch.repeat_interleave(torch.arange(positives.users), indptr.diff())
    result = [torch.empty(0)]  # of no pairs at all
    size = max(1, CHUNK_VALUES // users.shape[1] ** 2)
    for start in range(0, len(user_N), size):
        user, item = user_N[start : start + size], item_N[start : start + size]
        of_user = _covariances(items, row, indices, user, sigmas.sigma, sigmas.sigma_user)
        of_item = _covariances(users, indices, row, item, sigmas.sigma, sigmas.sigma_item)
        spread = _quadratic(of_item, users[user]) + _quadratic(of_user, items[item])
        result.append(spread + (of_user * of_item).sum((1, 2)))
    return torch.cat(result)


def _covariances(others: Tensor, own: Tensor, other: Tensor, asked_B: Tensor, sigma: float, prior: float) -> Tensor:
    """Conditional posterior covariances [B, D, D] of the rows asked about.

    Args:
        own: row of each rating on the asked side.
        other: its row on the other side.
    """
    distinct, position_B = torch.unique(asked_B, return_inverse=True)
    width = others.shape[1]
    precision = torch.eye(width).expand(len(distinct), -1, -1) / prior**2
    precision = precision.clone()
    place = torch.searchsorted(distinct, own).clamp(max=len(distinct) - 1)
    asked = distinct[place] == own
    for part in torch.split(torch.nonzero(asked)[:, 0], max(1, CHUNK_VALUES // width**2)):
        found = others[other[part]]
        precision.index_add_(0, place[part], found.unsqueeze(2) * found.unsqueeze(1) / sigma**2)
    covariance: Tensor = torch.linalg.inv(precision)
    return covariance[position_B]


def _quadratic(matrix_BDD: Tensor, vector_BD: Tensor) -> Tensor:
    return torch.einsum("bi,bij,bj->b", vector_BD, matrix_BDD, vector_BD)


FAMILY = ProbabilisticMF()
