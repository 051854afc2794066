"""Alternating least squares on ratings, with the penalty in proportion to a row's ratings (ALS-WR, Zhou et al. 2008)."""

from recsys_trainer.fitting.alternating import chosen, fit_alternating
from recsys_trainer.fitting.sweeps import Penalty
from recsys_trainer.fitting.task import Fitted, Task
from recsys_trainer.models.implicit_als import alternating_bytes
from recsys_trainer.models.ratings import RatingFamily, required_ratings

REGULARIZATION, EXPONENT, SOLVER = 0.05, 1.0, "Cholesky"


class ExplicitALS(RatingFamily):
    """sum over ratings (r - mean - u·i)^2 + lambda x sum over rows n^nu |x|^2."""

    def fit(self, task: Task) -> Fitted:
        """Sweep."""
        ratings, exponent = required_ratings(task), chosen(task, "frequency_exponent", EXPONENT)
        penalty = Penalty(task.model.regularization or REGULARIZATION, exponent=exponent)
        mean, solver = ratings.mean(), chosen(task, "solver", SOLVER)
        return fit_alternating(task, ratings - mean, (penalty, penalty), solver, global_bias=mean.reshape(1))

    def needed_bytes(self, task: Task) -> int:
        """As for every family that alternates."""
        return alternating_bytes(task.model, task.positives)


FAMILY = ExplicitALS()
