"""What every family gets to fit, and what it gives back."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from recsys_trainer.checkpoints import Checkpoints
from recsys_trainer.errors import DivergedError
from recsys_trainer.fitting.compiling import as_written
from recsys_trainer.models.base import Recommender
from recsys_trainer.parallel import ALONE, Workers
from recsys_trainer.progress import EpochProgress, Progress, silent

if TYPE_CHECKING:
    from recsys_api.spec.model import Model
    from recsys_api.spec.training import Training
    from recsys_trainer.fitting.split import Split
    from recsys_trainer.training_data import Positives

Weights = dict[str, Tensor]


class Asked(Protocol):
    """What a manifest asks of a training: a task, or the manifest's spec."""

    @property
    def model(self) -> Model:
        """The family and its settings."""

    @property
    def training(self) -> Training:
        """How it is fitted."""


@dataclass(frozen=True)
class Validation:
    """Asks a network about what was held out. Ranking is not fitting's business: it needs more than torch."""

    metric: str
    """ndcg@10, or rmse of ratings."""
    ask: Callable[[Recommender], float]


@dataclass(frozen=True)
class Speed:
    """How a step is computed, which changes rounding and time and nothing else."""

    half: bool = False
    """In bfloat16 what autocast says can be; weights, gradients and the optimizer's state stay float32."""
    compiled: dict[str, Any] | None = None
    """Options of torch.compile for the network; None: as it is."""


@dataclass(frozen=True)
class Task:
    """The data, the settings, and where to compute. Nothing of the test part comes in here."""

    model: Model
    training: Training
    positives: Positives
    validation: Validation | None
    """None: every epoch runs and the last weights stay."""
    device: str
    progress: Progress = silent
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    """Where fitting leaves its state now and then."""
    workers: Workers = ALONE
    """Who else trains the same network."""
    speed: Speed = field(default_factory=Speed)
    split: Split | None = None
    """How the tables are split over the processes; None: each has all of them."""
    chosen: tuple[int, ...] = ()
    """Epochs of each part of the training, as another fit found them best (`Fitted.chosen`); empty: up to training.epochs.
    The step sizes stay those of training.epochs: it is the same training, stopped where it was best."""

    @property
    def last_epoch(self) -> int:
        """The last that may run; of the last part, where there are several."""
        return self.chosen[-1] if self.chosen else self.training.epochs

    def judged(self, network: Recommender) -> dict[str, float]:
        """What the validation part says of the network as it is by now; nothing where nobody can be asked."""
        if self.validation is None:
            return {}
        network.eval()
        validation = self.validation
        with nullcontext() if self.speed.compiled is None else as_written():
            return {validation.metric: self.workers.from_first(lambda: validation.ask(network))}


@dataclass
class Fitted:
    """What fitting leaves."""

    weights: Weights = field(default_factory=dict)
    """float32 on the CPU, by artifact tensor name."""
    epochs: int = 0
    """Epochs that were run."""
    best_epoch: int = 0
    """Epoch whose weights these are, from 1."""
    before: list[int] = field(default_factory=list)
    """Best epochs of what was trained first, alone: NeuMF's branches."""
    seconds: float = 0.0
    samples: int = 0
    """Scores that training looked at: positives and negatives, or interactions once for each sweep."""
    history: list[dict[str, float]] = field(default_factory=list)
    """Of each of `epochs`."""
    refit: list[dict[str, float]] = field(default_factory=list)
    """Of the epochs that were then run on all the data; where there are any, `epochs` and `history` are of the fit that chose
    their number."""

    @property
    def chosen(self) -> tuple[int, ...]:
        """Epochs that a fit on other data takes to repeat this one."""
        return (*self.before, self.best_epoch)

    @property
    def samples_per_second(self) -> float:
        """Over the fitting time, validation included."""
        return self.samples / self.seconds if self.seconds > 0 else 0.0

    def meta(self) -> dict[str, Any]:
        """All but the weights, for a checkpoint."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "weights"}

    def record(self, epoch: int, loss: float, judged: dict[str, float], samples: int, began: float) -> None:
        """Add an epoch that began at `time.perf_counter()` = began, and what validation said of it."""
        seconds = time.perf_counter() - began
        self.epochs, self.samples, self.seconds = epoch, self.samples + samples, self.seconds + seconds
        entry = {"epoch": epoch, "loss": loss, "seconds": seconds, "samplesPerSecond": samples / seconds}
        self.history.append({**entry, **judged})

    def describe(self, epochs: int, best: bool) -> EpochProgress:
        """The latest epoch for the progress line."""
        last = self.history[-1]
        return EpochProgress(
            self.epochs, epochs, last["loss"], last.get("ndcg@10"), last["samplesPerSecond"], last["seconds"], best,
            last.get("rmse"),
        )  # fmt: skip


def finite(loss: float, epoch: int, fix: str) -> float:
    """The loss, if it is a number.

    Raises:
        DivergedError: it is not.
    """
    if not -float("inf") < loss < float("inf"):
        raise DivergedError(f"the loss of epoch {epoch} is {loss}; {fix}")
    return loss


def refuse_not_finite(weights: Weights) -> None:
    """Refuse weights that are not numbers.

    Raises:
        DivergedError: naming the tensor.
    """
    for name, values in weights.items():
        if not torch.isfinite(torch.stack(torch.aminmax(values))).all():  # both are NaN where one value is
            raise DivergedError(f"tensor {name} is not finite; lower training.optimizer.learningRate or embeddingDim")
