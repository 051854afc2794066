"""Alternating least squares on ratings, with the penalty in proportion to a row's ratings (ALS-WR, Zhou et al. 2008)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recsys_trainer.fitting.alternating import chosen, fit_alternating
from recsys_trainer.fitting.sweeps import Penalty
from recsys_trainer.fitting.task import Asked, Fitted, Task
from recsys_trainer.models.fold_in import FoldIn
from recsys_trainer.models.implicit_als import alternating_bytes
from recsys_trainer.models.ratings import RatingFamily, required_ratings

if TYPE_CHECKING:
    from recsys_api.spec.model import Model

REGULARIZATION, EXPONENT, SOLVER = 0.05, 1.0, "Cholesky"


class ExplicitALS(RatingFamily):
    """sum over ratings (r - mean - u·i)^2 + lambda x sum over rows n^nu |x|^2."""

    def in_force(self, asked: Asked) -> dict[str, Any]:
        """Penalty and solver."""
        penalty = _penalty(asked.model)
        return {
            "model.regularization": penalty.weight,
            "model.leastSquares.frequencyExponent": penalty.exponent,
            "model.leastSquares.solver": chosen(asked.model, "solver", SOLVER),
        }

    def fit(self, task: Task) -> Fitted:
        """Sweep."""
        ratings, penalty = required_ratings(task), _penalty(task.model)
        mean, solver = ratings.mean(), chosen(task.model, "solver", SOLVER)
        return fit_alternating(task, ratings - mean, (penalty, penalty), solver, global_bias=mean.reshape(1))

    def fold_in_rated(self, model: Model) -> FoldIn:
        """The users' half of a sweep."""
        penalty = _penalty(model)
        return FoldIn("LeastSquares", regularization=penalty.weight, exponent=penalty.exponent)

    def needed_bytes(self, task: Task) -> int:
        """As for every family that alternates."""
        return alternating_bytes(task.model, task.positives)


def _penalty(model: Model) -> Penalty:
    return Penalty(model.regularization or REGULARIZATION, exponent=chosen(model, "frequency_exponent", EXPONENT))


FAMILY = ExplicitALS()
