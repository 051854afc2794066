"""Alternating least squares: users for fixed items, items for fixed users, until neither moves.

What the families of this kind share; they differ in values, penalty and biases.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from recsys_trainer.fitting.ragged import SparseRows, sparse_rows
from recsys_trainer.fitting.solvers import SOLVERS, Solver
from recsys_trainer.fitting.spectral import right_vectors
from recsys_trainer.fitting.sweeps import FIX, Penalty, Side, Sweeps, fit_in_sweeps
from recsys_trainer.fitting.task import Fitted, Task
from recsys_trainer.models.base import start_factors
from recsys_trainer.models.dot import DotProduct

if TYPE_CHECKING:
    from recsys_api.spec.model import Model

START_STD = 0.1
"""Divided by the root of the number of factors, as in Rendle et al. 2022."""
START_ITERATIONS = 1
"""Of the subspace iteration that a spectral start is made by: it costs less than a sweep and saves two."""
_TINY = 1e-6


def chosen(model: Model, name: str, default: Any) -> Any:
    """What `model.leastSquares` says about a field, or the family's default."""
    value = getattr(model.least_squares, name, None)
    return default if value is None else value


def fit_alternating(
    task: Task,
    values: Tensor | None,
    penalties: tuple[Penalty, Penalty],
    solver: str,
    *,
    weights: Tensor | None = None,
    spectral: bool = False,
    momentum: float = 0.0,
    fix: str = FIX,
    **biases: Tensor,
) -> Fitted:
    """Fit.

    Args:
        values: what the products should be, [nnz]; None: 1.
        penalties: of users and of items.
        weights: how much each squared error counts, [nnz]; None: 1.
        spectral: start from the singular vectors of the matrix, beside the random numbers that are small against them.
        momentum: share of a sweep's change that the next one starts beyond it.
        fix: what helps where the objective is not finite.
        biases: tensors to export beside the factors.
    """

    def build() -> Sweeps:
        torch.manual_seed(task.training.seed)
        width, positives = task.model.embedding_dim, task.positives
        factors = (start_factors(rows, width, START_STD / width**0.5) for rows in (positives.users, positives.items))
        network = DotProduct(*factors, **biases).to(task.device)
        matrix = sparse_rows(positives, values, task.device, weights)
        sweeps = _Alternating(network, matrix, penalties, SOLVERS[solver], momentum).sweeps(spectral=spectral)
        return replace(sweeps, fix=fix)

    return fit_in_sweeps(task, build)


class _Alternating:
    """Both sides of a matrix, and the factors that they find for each other."""

    def __init__(
        self,
        network: DotProduct,
        matrix: SparseRows,
        penalties: tuple[Penalty, Penalty],
        solver: Solver,
        momentum: float,
    ) -> None:
        self._network, self._matrix, self._transposed = network, matrix, matrix.transposed()
        self._user_UD, self._item_ID = network.user_factors.data, network.item_factors.data
        width = self._user_UD.shape[1]
        self._users = Side(matrix, width, penalties[0], solver)
        self._items = Side(self._transposed, width, penalties[1], solver)
        sides = {"user": self._user_UD, "item": self._item_ID} if momentum else {}
        self._ahead = {name: Ahead(factors, momentum) for name, factors in sides.items()}

    def sweeps(self, *, spectral: bool) -> Sweeps:
        """For `fit_in_sweeps`."""
        state = {f"{side}_{name}": each for side, ahead in self._ahead.items() for name, each in ahead.state().items()}
        return Sweeps(self._network, self._sweep, state, self._start if spectral else None)

    def _start(self) -> None:
        add_singular_vectors(self._matrix, self._transposed, self._user_UD, self._item_ID)

    def _sweep(self) -> Tensor:
        for each in self._ahead.values():
            each.move()
        self._users.solve(self._user_UD, self._item_ID)
        objective = self._items.solve(self._item_ID, self._user_UD) + self._users.penalty(self._user_UD)
        for each in self._ahead.values():
            each.look(objective)
        return objective


def add_singular_vectors(matrix: SparseRows, transposed: SparseRows, user_UD: Tensor, item_ID: Tensor) -> None:
    """Add the best approximation of the matrix by D factors, its singular values shared by both sides."""
    vectors_IK, singular_K = right_vectors(
        matrix, transposed, item_ID.shape[1], oversample=0, iterations=START_ITERATIONS
    )
    found = singular_K > singular_K[0] * _TINY
    vectors_IK, root_K = vectors_IK[:, found], singular_K[found].sqrt()
    item_ID[:, : len(root_K)] += vectors_IK * root_K
    user_UD[:, : len(root_K)] += (matrix @ vectors_IK) / root_K


class Ahead:
    """Factors that start each sweep a little further where the last one went (Polyak's heavy ball).

    Alternating least squares creeps along the valley of its objective. Where a sweep raised the objective, the next one starts
    where it ended (O'Donoghue and Candès 2015), so the fixed points are those of the plain sweeps.
    """

    def __init__(self, factors: Tensor, momentum: float) -> None:
        self._factors, self._momentum = factors, momentum
        self._before = torch.zeros_like(factors)
        """The factors before the last sweep."""
        self._share = torch.zeros((), device=factors.device)
        """Of that sweep's change; none before the first sweep."""
        self._lowest = torch.full((), torch.inf, device=factors.device)

    def move(self) -> None:
        """Before a sweep: factors + momentum x (factors - those before the last sweep)."""
        now = self._factors.clone()
        self._factors += self._share * (now - self._before)
        self._before.copy_(now)

    def look(self, objective: Tensor) -> None:
        """After a sweep, which led to this objective."""
        self._share.copy_(torch.where(objective > self._lowest, 0.0, self._momentum))
        self._lowest.copy_(torch.minimum(objective, self._lowest))

    def state(self) -> dict[str, Tensor]:
        """What the next move depends on beside the factors; changed in place."""
        return {"before": self._before, "share": self._share, "lowest": self._lowest}
