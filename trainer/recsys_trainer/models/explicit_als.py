"""Alternating least squares on ratings, with the penalty in proportion to a row's ratings (ALS-WR, Zhou et al. 2008)."""

from recsys_api.spec.model import LeastSquares
from recsys_trainer.fitting.alternating import fit_alternating
from recsys_trainer.fitting.sweeps import Penalty
from recsys_trainer.fitting.task import Fitted, Task
from recsys_trainer.models.implicit_als import alternating_bytes
from recsys_trainer.models.ratings import RatingFamily, required_ratings

REGULARIZATION, EXPONENT, SOLVER = 0.05, 1.0, "Cholesky"


class ExplicitALS(RatingFamily):
    """sum over ratings (r - mean - u·i)^2 + lambda x sum over rows n^nu |x|^2."""

    def fit(self, task: Task) -> Fitted:
        """Sweep."""
        settings, ratings = task.model.least_squares or LeastSquares(), required_ratings(task)
        exponent = EXPONENT if settings.frequency_exponent is None else settings.frequency_exponent
        penalty = Penalty(task.model.regularization or REGULARIZATION, exponent=exponent)
        mean, solver = ratings.mean(), settings.solver or SOLVER
        return fit_alternating(task, ratings - mean, (penalty, penalty), solver, global_bias=mean.reshape(1))

    def needed_bytes(self, task: Task) -> int:
        """As for every family that alternates."""
        return alternating_bytes(task.model, task.positives)


FAMILY = ExplicitALS()
