"""What trainings in steps take for the settings that a manifest may leave open, by field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recsys_trainer.fitting.loss_settings import loss_options, loss_type, penalty
from recsys_trainer.fitting.optimizers import algorithm, first_rate

if TYPE_CHECKING:
    from recsys_api.spec.training import Training
    from recsys_trainer.fitting.task import Asked


def optimizer_in_force(training: Training) -> dict[str, Any]:
    """The algorithm and its first step size."""
    return {
        "training.optimizer.type": algorithm(training),
        "training.optimizer.learningRate": first_rate(training),
    }


def loss_in_force(asked: Asked) -> dict[str, Any]:
    """The loss, its options and its penalty."""
    options = {f"training.loss.{name}": value for name, value in loss_options(asked).items()}
    return {"training.loss.type": loss_type(asked), **options, "model.regularization": penalty(asked) or 0.0}
