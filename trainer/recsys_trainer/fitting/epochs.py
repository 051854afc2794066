"""Fitting in epochs, of steps or one sweep each: the best epoch is kept, and an interrupted fit goes on where it stood."""

import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from torch import Tensor

from recsys_trainer.fitting.best_epoch import BestEpoch
from recsys_trainer.fitting.task import Fitted, Task, finite
from recsys_trainer.models.base import Recommender
from recsys_trainer.stopping import Stop, postponed

Saved = tuple[dict[str, Any], Iterator[tuple[str, Tensor]]]
FINISHED = (0, 0)
"""Where a fit stands that has ended."""


class Epochs(ABC):
    """A fit, and where it stands."""

    fix: str
    """What helps where the loss is not finite."""
    saves_in_place: ClassVar[bool] = False
    """Whether tensors to save are no memory of the training's: a copy to save them from would be too much."""

    def __init__(self, task: Task, network: Recommender) -> None:
        self._task, self._network = task, network
        self._keeper, self._result = BestEpoch(task.training.patience, compares=task.last_epoch > 1), Fitted()
        self._epoch, self._step = 1, 0
        """The step that is next; of a sweep always 0."""
        self._began = time.perf_counter()

    @abstractmethod
    def learn(self, stop: Stop) -> float:
        """What is left of the epoch; returns its mean loss."""

    @property
    @abstractmethod
    def samples(self) -> int:
        """Scores that an epoch looks at."""

    @abstractmethod
    def state(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Tensors that a checkpoint holds beside the network's and the best epoch's, by part."""

    def whole(self) -> Recommender:
        """The network as it can be asked and exported by now."""
        return self._network

    def due(self) -> bool:
        """Whether it is time to save."""
        return self._task.checkpoints.due()

    def take(self, name: str, values: Tensor) -> None:
        """Go on from one of the network's tensors."""
        self._network.state_dict()[name].copy_(values)

    @abstractmethod
    def load(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Go on from such tensors, on the CPU."""

    def start(self) -> None:  # noqa: B027  most have nothing to do
        """Before the first epoch, where nothing is resumed."""

    def run(self, stop: Stop) -> Fitted:
        """The epochs that are left."""
        result, keeper, task = self._result, self._keeper, self._task
        while self._epoch <= task.last_epoch and not (result.epochs and keeper.exhausted(result.epochs)):
            self._judge(finite(self.learn(stop), self._epoch, self.fix))
            self.save_if_due(stop)
        result.weights, result.best_epoch = keeper.chosen(self.whole()), keeper.epoch
        return result

    def _judge(self, mean_loss: float) -> None:
        """The epoch's end: what it brought, and the beginning of the next."""
        task, epoch = self._task, self._epoch
        network = self._network if task.validation is None else self.whole()
        judged = task.judged(network)
        best = self._keeper.offer(epoch, judged, network)
        self._result.record(epoch, mean_loss, judged, self.samples, self._began)
        task.progress(self._result.describe(task.last_epoch, best))
        self._epoch, self._step, self._began = epoch + 1, 0, time.perf_counter()

    def save_if_due(self, stop: Stop) -> None:
        """After a whole step, sweep or epoch: in between weights and state would not belong together.

        Raises:
            Terminated, Interrupted: SIGTERM or Ctrl-C arrived; the state is saved.
        """
        saved, workers = self._task.checkpoints, self._task.workers
        asked = workers.any(stop.asked)
        if asked or self.due():
            saved.save(self._meta(), self._tensors(), now=asked or self.saves_in_place)
            if asked:
                workers.wait()  # whoever ends first has the others ended by torchrun: not while one is writing
                raise stop.end()

    def _meta(self) -> dict[str, Any]:
        return {
            "epoch": self._epoch, "step": self._step, "seconds": time.perf_counter() - self._began,
            "best": self._keeper.meta(), "result": self._result.meta(),
        }  # fmt: skip

    def _tensors(self) -> Mapping[str, Tensor]:
        parts = {"network": self.whole().state_dict(), "best": self._keeper.weights, **self.state()}
        return {f"{part}/{name}": values for part, tensors in parts.items() for name, values in tensors.items()}

    def restore(self, meta: dict[str, Any], tensors: Iterator[tuple[str, Tensor]]) -> None:
        """Go on from a checkpoint."""
        state: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for name, values in tensors:
            part, _, key = name.partition("/")
            if part == "network":
                self.take(key, values)
            elif part == "best":
                self._keeper.weights[key] = values
            else:
                state[part][key] = values
        self.load(state)
        self._keeper.restore(meta["best"])
        self._result = Fitted(**meta["result"])
        self._epoch, self._step = meta["epoch"], meta["step"]
        self._began = time.perf_counter() - meta["seconds"]


def fit_in_epochs(task: Task, build: Callable[[], Epochs]) -> Fitted:
    """Fit from the start, or from where an interrupted run has left it.

    Args:
        build: the fit as it starts; not asked where a run before has finished it.

    Raises:
        DivergedError: a loss is not finite.
        Terminated, Interrupted: SIGTERM or Ctrl-C arrived; the state is saved.
    """
    task.checkpoints.begin()
    if not task.checkpoints.active:
        return _begun(build(), None).run(Stop())
    with postponed() as stop:
        result = _resumable(task, build, stop)
        if stop.asked:
            task.workers.wait()
            raise stop.end()
    return result


def _resumable(task: Task, build: Callable[[], Epochs], stop: Stop) -> Fitted:
    saved, workers = task.checkpoints, task.workers
    finished = saved.finished()
    interrupted = saved.resumed() if finished is None else None
    workers.refuse_different(FINISHED if finished else _standing(interrupted))
    if finished is not None:
        meta, tensors = finished
        result = Fitted(weights=dict(tensors), **meta)
    else:
        result = _begun(build(), interrupted).run(stop)
    stop.asked = workers.any(stop.asked)
    saved.finish(result.meta(), result.weights, now=stop.asked)
    return result


def _begun(epochs: Epochs, interrupted: Saved | None) -> Epochs:
    if interrupted is None:
        epochs.start()
    else:
        epochs.restore(*interrupted)
    return epochs


def _standing(interrupted: Saved | None) -> tuple[int, int]:
    """(epoch, step) that is next."""
    return (1, 0) if interrupted is None else (interrupted[0]["epoch"], interrupted[0]["step"])
