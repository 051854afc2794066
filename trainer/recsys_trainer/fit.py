"""Fitting: the family of the manifest finds weights that fit into memory and are numbers."""

from recsys_api.recommender_model import Model, Training
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
) -> Fitted:
    """Fit a model; without `validation` every epoch runs and the last weights stay.

    Raises:
        OutOfMemoryError: the tables cannot fit.
        DataError: the data cannot be learned from.
        DivergedError: loss, weight or score is not finite.
    """
    refuse_too_large(model, positives, device)
    fitted = FAMILIES[model.architecture].fit(Task(model, training, positives, validation, device, progress))
    refuse_not_finite(fitted.weights)
    return fitted


def refuse_too_large(model: Model, positives: Positives, device: str) -> None:
    """Refuse tables that cannot fit, before they are allocated."""
    needed, free = FAMILIES[model.architecture].needed_bytes(model, positives), free_memory(device)
    if needed > free:
        raise OutOfMemoryError(
            f"model.embeddingDim: {positives.users + positives.items:,} rows of {model.embedding_dim} need "
            f"{needed / 2**20:,.0f} MiB to train and {free / 2**20:,.0f} MiB are free; lower embeddingDim or raise "
            "training.resources memory"
        )
