"""Alternating least squares: users for fixed items, items for fixed users, until neither moves.

What the families of this kind share; they differ in values, penalty and biases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from recsys_trainer.fitting.ragged import sparse_rows
from recsys_trainer.fitting.solvers import SOLVERS
from recsys_trainer.fitting.sweeps import Penalty, Side, fit_in_sweeps
from recsys_trainer.fitting.task import Fitted, Task
from recsys_trainer.models.dot import DotProduct, start_factors

if TYPE_CHECKING:
    from recsys_api.spec.model import Model

START_STD = 0.1
"""Divided by the root of the number of factors, as in Rendle et al. 2022."""


def chosen(model: Model, name: str, default: Any) -> Any:
    """What `model.leastSquares` says about a field, or the family's default."""
    value = getattr(model.least_squares, name, None)
    return default if value is None else value


def fit_alternating(
    task: Task,
    values: Tensor | None,
    penalties: tuple[Penalty, Penalty],
    solver: str,
    **biases: Tensor,
) -> Fitted:
    """Fit.

    Args:
        values: what the products should be, [nnz]; None: 1.
        penalties: of users and of items.
        biases: tensors to export beside the factors.
    """
    torch.manual_seed(task.training.seed)
    width, positives = task.model.embedding_dim, task.positives
    factors = (start_factors(rows, width, START_STD / width**0.5) for rows in (positives.users, positives.items))
    network = DotProduct(*factors, **biases).to(task.device)
    matrix = sparse_rows(positives, values, task.device)
    users = Side(matrix, width, penalties[0], SOLVERS[solver])
    items = Side(matrix.transposed(), width, penalties[1], SOLVERS[solver])
    user_factors, item_factors = network.user_factors.data, network.item_factors.data

    def sweep() -> Tensor:
        users.solve(user_factors, item_factors)
        return items.solve(item_factors, user_factors) + users.penalty(user_factors)

    return fit_in_sweeps(task, network, sweep)
