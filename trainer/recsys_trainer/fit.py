"""Fitting: the family of the manifest finds weights that fit into memory and are numbers."""

from recsys_api.spec.model import Model
from recsys_api.spec.training import Training
from recsys_trainer.checkpoints import Checkpoints
from recsys_trainer.device import free_memory
from recsys_trainer.errors import OutOfMemoryError
from recsys_trainer.evaluation.ranking import Questions
from recsys_trainer.fitting.task import Fitted, Task, refuse_not_finite
from recsys_trainer.models.registry import FAMILIES
from recsys_trainer.progress import Progress, silent
from recsys_trainer.training_data import Positives


def fit(
    model: Model,
    training: Training,
    positives: Positives,
    validation: Questions | None,
    device: str,
    progress: Progress = silent,
    checkpoints: Checkpoints | None = None,
) -> Fitted:
    """Fit a model; without `validation` every epoch runs and the last weights stay.

    Raises:
        OutOfMemoryError: the tables cannot fit.
        DataError: the data cannot be learned from.
        DivergedError: loss, weight or score is not finite.
    """
    task = Task(model, training, positives, validation, device, progress, checkpoints or Checkpoints())
    refuse_too_large(task)
    fitted = FAMILIES[model.architecture].fit(task)
    refuse_not_finite(fitted.weights)
    return fitted


def refuse_too_large(task: Task) -> None:
    """Refuse tables that cannot fit, before they are allocated."""
    model, positives = task.model, task.positives
    needed, free = FAMILIES[model.architecture].needed_bytes(task), free_memory(task.device)
    if needed > free:
        raise OutOfMemoryError(
            f"model.embeddingDim: {positives.users + positives.items:,} rows of {model.embedding_dim} need "
            f"{needed / 2**20:,.0f} MiB to train and {free / 2**20:,.0f} MiB are free; lower embeddingDim or raise "
            "training.resources memory"
        )
