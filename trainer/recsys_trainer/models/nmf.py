"""Non-negative matrix factorization of the user x item matrix: every factor only adds (Lee and Seung 1999).

Hierarchical alternating least squares (Cichocki and Phan 2009): each factor in turn, exactly, for all rows at once.
"""

from typing import Any

import torch
from torch import Tensor

from recsys_trainer.fitting.ragged import SparseRows, sparse_rows
from recsys_trainer.fitting.sweeps import Sweeps, fit_in_sweeps
from recsys_trainer.fitting.task import Asked, Fitted, Task
from recsys_trainer.models.dot import DotFamily, DotProduct
from recsys_trainer.models.implicit_als import alternating_bytes

REGULARIZATION = 0.01


class NMF(DotFamily):
    """sum over all pairs (x - u·i)^2 + lambda (|U|^2 + |I|^2), both at least 0."""

    def in_force(self, asked: Asked) -> dict[str, Any]:
        """The penalty."""
        return {"model.regularization": _penalty(asked)}

    def fit(self, task: Task) -> Fitted:
        """Sweep."""
        return fit_in_sweeps(task, lambda: _sweeps(task))

    def needed_bytes(self, task: Task) -> int:
        """As for every family that alternates."""
        return alternating_bytes(task.model, task.positives)


def _penalty(asked: Asked) -> float:
    return asked.model.regularization or REGULARIZATION


def _sweeps(task: Task) -> Sweeps:
    torch.manual_seed(task.training.seed)
    positives, width = task.positives, task.model.embedding_dim
    mean = len(positives.indices) / (positives.users * positives.items)
    scale = (mean / width) ** 0.5  # then the products start at the mean of the matrix
    network = DotProduct(*(2 * scale * torch.rand(rows, width) for rows in (positives.users, positives.items)))
    network = network.to(task.device)
    users = sparse_rows(positives, None, task.device)
    items = users.transposed()
    penalty = _penalty(task)
    user_factors, item_factors = network.user_factors.data, network.item_factors.data

    def sweep() -> Tensor:
        raise_factors(user_factors, users, item_factors, penalty)
        product_ID = raise_factors(item_factors, items, user_factors, penalty)
        return objective(users, user_factors, item_factors, product_ID, penalty)

    return Sweeps(network, sweep, state={})


def raise_factors(rows_RD: Tensor, matrix: SparseRows, columns_CD: Tensor, penalty: float) -> Tensor:
    """Improve the rows' factors in place; returns the matrix times the columns' factors [R, D]."""
    product_RD, gram_DD = matrix @ columns_CD, columns_CD.T @ columns_CD
    for factor in range(rows_RD.shape[1]):
        gradient_R = product_RD[:, factor] - rows_RD @ gram_DD[:, factor] - penalty * rows_RD[:, factor]
        step_R = gradient_R / (gram_DD[factor, factor] + penalty)
        rows_RD[:, factor] = (rows_RD[:, factor] + step_R).clamp(min=0.0)
    return product_RD


def objective(
    users: SparseRows, user_factors: Tensor, item_factors: Tensor, product_ID: Tensor, penalty: float
) -> Tensor:
    """|X - UI'|^2 = |X|^2 - 2 <X'U, I> + <U'U, I'I>, without the dense matrix."""
    squares = ((user_factors.T @ user_factors) * (item_factors.T @ item_factors)).sum()
    size = user_factors.square().sum() + item_factors.square().sum()
    return users.values.square().sum() - 2 * (product_ID * item_factors).sum() + squares + penalty * size


FAMILY = NMF()
