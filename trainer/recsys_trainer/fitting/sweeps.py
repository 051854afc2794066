"""Fitting in sweeps: a pass over all users and all items, again and again; the best sweep is kept."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from recsys_trainer.fitting.best_epoch import BestEpoch
from recsys_trainer.fitting.ragged import SparseRows, ragged_batches
from recsys_trainer.fitting.solvers import Solver, Systems
from recsys_trainer.fitting.task import Fitted, Task, finite
from recsys_trainer.models.base import Recommender

FIX = "raise model.regularization, or lower embeddingDim"


def fit_in_sweeps(task: Task, network: Recommender, sweep: Callable[[], Tensor]) -> Fitted:
    """Sweep until nothing is gained.

    Args:
        network: scores with the tensors that `sweep` changes in place.
        sweep: returns the objective, a scalar.

    Raises:
        DivergedError: an objective is not finite.
    """
    keeper, result, entries = (
        BestEpoch(task.training.patience, compares=task.last_epoch > 1),
        Fitted(),
        len(task.positives.indices),
    )
    network.eval().requires_grad_(False)
    for epoch in range(1, task.last_epoch + 1):
        began = time.perf_counter()
        with torch.no_grad():
            loss = finite(float(sweep()) / entries, epoch, FIX)
        judged = task.judged(network)
        best = keeper.offer(epoch, judged, network)
        result.record(epoch, loss, judged, entries, began)
        task.progress(result.describe(task.last_epoch, best))
        if keeper.exhausted(epoch):
            break
    result.weights, result.best_epoch = keeper.chosen(network), keeper.epoch
    return result


@dataclass(frozen=True)
class Penalty:
    """What keeps factors small."""

    weight: float
    unobserved: float = 0.0
    """Weight of all pairs, observed or not (alpha0)."""
    exponent: float = 0.0
    """nu of Rendle et al. 2022: a row counts as (entries + alpha0 x columns)^nu."""


class Side:
    """One half of a sweep: solves every row of a matrix for the fixed factors of its columns."""

    def __init__(self, matrix: SparseRows, width: int, penalty: Penalty, solver: Solver) -> None:
        self._batches = ragged_batches(matrix, width)
        self._penalty, self._solver, self._columns = penalty, solver, matrix.columns
        self._ridge_R = self._ridges(matrix.degree.float())

    def _ridges(self, degree: Tensor) -> Tensor:
        size = degree + self._penalty.unobserved * self._columns
        return self._penalty.weight * size**self._penalty.exponent

    def solve(self, factors_RD: Tensor, columns_CD: Tensor) -> Tensor:
        """Change the rows' factors in place; returns the objective but the columns' own penalty."""
        gram_DD = self._penalty.unobserved * (columns_CD.T @ columns_CD)
        padded = functional.pad(columns_CD, (0, 0, 0, 1))
        total = torch.zeros((), device=factors_RD.device)
        for batch in self._batches:
            gathered_BLD = functional.embedding(batch.column_BL, padded)
            ridge_B, start_BD = self._ridge_R[batch.row_B], factors_RD[batch.row_B]
            x_BD, objective_B = self._solver(Systems(gathered_BLD, batch.value_BL, gram_DD, ridge_B, start_BD))
            factors_RD[batch.row_B] = x_BD
            total += objective_B.sum()
        return total

    def penalty(self, factors_RD: Tensor) -> Tensor:
        """The rows' own penalty."""
        return (self._ridge_R * factors_RD.square().sum(1)).sum()
