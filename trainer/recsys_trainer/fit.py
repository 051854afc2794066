"""Fitting: the family of the manifest finds weights that fit into memory and are numbers."""

import math

import torch

from recsys_api.spec.model import WITH_STEPS, Model
from recsys_api.spec.training import Training
from recsys_trainer.checkpoints import Checkpoints
from recsys_trainer.device import free_memory
from recsys_trainer.errors import DivergedError, ManifestError, OutOfMemoryError, one_line
from recsys_trainer.evaluation.metrics import metric_values
from recsys_trainer.evaluation.ranking import Questions, rank
from recsys_trainer.fitting.best_epoch import NetworkScorer
from recsys_trainer.fitting.compiling import COMPILED
from recsys_trainer.fitting.split import Split
from recsys_trainer.fitting.task import Fitted, Speed, Task, Validation, refuse_not_finite
from recsys_trainer.models.base import Recommender
from recsys_trainer.models.registry import FAMILIES
from recsys_trainer.on_disk import tensor_on_disk
from recsys_trainer.parallel import ALONE, Workers
from recsys_trainer.progress import Progress, silent
from recsys_trainer.training_data import Positives, RatedPairs

TORCHREC = "torchrec==1.8.0 fbgemm-gpu-cpu==1.8.0"
CHUNK_PAIRS = 2**18
"""Ratings that are predicted at once."""


def fit(
    model: Model,
    training: Training,
    positives: Positives,
    validation: Questions | None,
    device: str,
    progress: Progress = silent,
    checkpoints: Checkpoints | None = None,
    workers: Workers = ALONE,
    validation_ratings: RatedPairs | None = None,
    chosen: tuple[int, ...] = (),
) -> Fitted:
    """Fit a model; without `validation` every epoch runs and the last weights stay.

    Args:
        validation_ratings: judge a family of ratings by these.
        chosen: epochs that another fit found best (`Fitted.chosen`), for this one to repeat.

    Raises:
        ManifestError: the family cannot be trained in several processes.
        OutOfMemoryError: the tables cannot fit.
        DataError: the data cannot be learned from.
        DivergedError: loss, weight or score is not finite.
    """
    asked = validation_on(validation, positives.items, device)
    if validation_ratings is not None and FAMILIES[model.architecture].needs_ratings:
        asked = validation_of_ratings(validation_ratings, device)
    speed, saved = speed_of(training, device), checkpoints or Checkpoints()
    refuse_several_processes(model, training, workers)
    split = split_tables(device, workers) if training.tables == "Sharded" else None
    task = Task(model, training, positives, asked, device, progress, saved, workers, speed, split, chosen)
    refuse_too_large(task)
    fitted = FAMILIES[model.architecture].fit(task)
    refuse_not_finite(fitted.weights)
    return fitted


def speed_of(training: Training, device: str) -> Speed:
    """How a step is computed; a manifest for GPUs that meets none is not compiled."""
    compiled = COMPILED if training.compile and device == "cuda" else None
    return Speed(half=training.precision == "BFloat16", compiled=compiled)


def validation_on(questions: Questions | None, items: int, device: str) -> Validation | None:
    """Mean NDCG@10 of the answers, or None where there is nobody to ask."""
    if questions is None or not len(questions.user_N):
        return None

    def ask(network: Recommender) -> float:
        ranks = rank(questions, NetworkScorer(network, items, device), device)
        return float(metric_values(ranks, (10,))["ndcg@10"].mean())

    return Validation("ndcg@10", ask)


def validation_of_ratings(rated: RatedPairs, device: str) -> Validation:
    """Root of the mean squared error of predicted ratings."""
    columns = [torch.from_numpy(each).to(device) for each in (rated.user_R, rated.item_R, rated.rating_R)]

    @torch.no_grad()
    def ask(network: Recommender) -> float:
        squares = 0.0
        for user_B, item_B, rating_B in zip(*(torch.split(each, CHUNK_PAIRS) for each in columns), strict=True):
            predicted_B = network(user_B, item_B.unsqueeze(1)).squeeze(1)
            squares += float((predicted_B.double() - rating_B).square().sum())
        if not math.isfinite(squares):
            raise DivergedError(
                "a predicted rating is not finite; lower training.optimizer.learningRate or embeddingDim"
            )
        return math.sqrt(squares / len(rated.rating_R))

    return Validation("rmse", ask)


def refuse_several_processes(model: Model, training: Training, workers: Workers) -> None:
    """Refuse several processes to what they would not share: each would do all of the work, or learn from its own part alone."""
    if workers.alone:
        return
    if training.loss.sampling == "InBatch":
        raise ManifestError(
            f"spec.training.loss.sampling: is InBatch, and each of {workers.world} processes would see its own part of a batch; set "
            "Uniform or Popularity, or nodes: 1"
        )
    if model.architecture not in WITH_STEPS:
        raise ManifestError(
            f"spec.training.nodes: there are {workers.world} processes, and {model.architecture} is trained in one; set "
            f"nodes: 1, or model.architecture to one of {', '.join(WITH_STEPS)}"
        )


def split_tables(device: str, workers: Workers) -> Split:
    """What makes tables that are split over the processes.

    Raises:
        ManifestError: there is one process, or a GPU, or no TorchRec.
    """
    if workers.alone:
        raise ManifestError(
            "spec.training.tables: is Sharded, and there is one process to split them over; start as many as spec.training.nodes "
            "says, as in torchrun --nproc-per-node=2, or set tables: Replicated"
        )
    if device != "cpu":
        raise ManifestError(
            f"spec.training.tables: is Sharded, and the device is {device}, which the installed kernels are not for; set "
            "gpusPerNode: 0, or tables: Replicated"
        )
    try:
        from recsys_trainer.torchrec_tables import TorchRecTable
    except (ImportError, OSError) as error:  # OSError: kernels of another torch
        raise ManifestError(
            f"spec.training.tables: is Sharded, and TorchRec cannot be loaded ({one_line(str(error), 200)}); run pip install "
            f"--no-deps {TORCHREC} and the rest of the extra `sharded` in pyproject.toml, or use the image `trainer`, "
            "which has them, or set tables: Replicated"
        ) from error
    return Split(TorchRecTable, tensor_on_disk)


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
