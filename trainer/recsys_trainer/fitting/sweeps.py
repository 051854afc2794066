"""Fitting in sweeps: a pass over all users and all items, again and again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from recsys_trainer.fitting.epochs import Epochs, fit_in_epochs
from recsys_trainer.fitting.ragged import SparseRows, ragged_batches
from recsys_trainer.fitting.solvers import Solver, Systems
from recsys_trainer.fitting.task import Fitted, Task
from recsys_trainer.models.base import Recommender
from recsys_trainer.stopping import Stop

FIX = "raise model.regularization, or lower embeddingDim"


@dataclass(frozen=True)
class Sweeps:
    """What a fit repeats, and what it changes by that."""

    network: Recommender
    """Scores with the tensors that a sweep changes in place."""
    sweep: Callable[[], Tensor]
    """Returns the objective, a scalar."""
    state: Mapping[str, Tensor]
    """What the next sweep depends on beside the network; changed in place."""
    start: Callable[[], None] | None = None
    """Finds where the first sweep begins; left out where an interrupted fit goes on."""
    fix: str = FIX
    """What helps where the objective is not finite."""


def fit_in_sweeps(task: Task, build: Callable[[], Sweeps]) -> Fitted:
    """Sweep until nothing is gained, from the start or from where an interrupted run has left it.

    Raises:
        DivergedError: an objective is not finite.
        Terminated, Interrupted: SIGTERM or Ctrl-C arrived; the state is saved.
    """
    return fit_in_epochs(task, lambda: _Sweeping(task, build()))


class _Sweeping(Epochs):
    """Epochs of one sweep; a checkpoint may lie between any two."""

    def __init__(self, task: Task, sweeps: Sweeps) -> None:
        super().__init__(task, sweeps.network)
        self._sweeps, self.fix = sweeps, sweeps.fix
        sweeps.network.eval().requires_grad_(False)

    @property
    def samples(self) -> int:
        """Interactions."""
        return len(self._task.positives.indices)

    def start(self) -> None:
        """As the family starts."""
        if self._sweeps.start is not None:
            self._sweeps.start()

    def learn(self, stop: Stop) -> float:
        """The sweep."""
        with torch.no_grad():
            return float(self._sweeps.sweep()) / self.samples

    def state(self) -> Mapping[str, Mapping[str, Tensor]]:
        """What sweeps keep for each other."""
        return {"sweeps": self._sweeps.state}

    def load(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """In place, as sweeps know them."""
        for name, values in self._sweeps.state.items():
            values.copy_(state["sweeps"][name])


@dataclass(frozen=True)
class Penalty:
    """What keeps factors small."""

    weight: float
    unobserved: float = 0.0
    """Weight of all pairs, observed or not (alpha0)."""
    exponent: float = 0.0
    """nu of Rendle et al. 2022: a row counts as (entries + alpha0 x columns)^nu, whatever its entries weigh."""


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
            if batch.root_BL is not None:  # c (v - h·x)^2 = (√c v - √c h·x)^2: no solver needs to know of weights
                gathered_BLD *= batch.root_BL.unsqueeze(2)
            ridge_B, start_BD = self._ridge_R[batch.row_B], factors_RD[batch.row_B]
            x_BD, objective_B = self._solver(Systems(gathered_BLD, batch.value_BL, gram_DD, ridge_B, start_BD))
            factors_RD[batch.row_B] = x_BD
            total += objective_B.sum()
        return total

    def penalty(self, factors_RD: Tensor) -> Tensor:
        """The rows' own penalty."""
        return (self._ridge_R * factors_RD.square().sum(1)).sum()
