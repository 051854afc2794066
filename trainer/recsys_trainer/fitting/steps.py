"""Fitting in optimizer steps: epochs over the training pairs in a new order each time; the best epoch is kept."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from recsys_trainer.fitting.best_epoch import BestEpoch
from recsys_trainer.fitting.losses import Batch, Loss
from recsys_trainer.fitting.optimizers import build_optimizer, rate_of
from recsys_trainer.fitting.pairs import StepSeeds, TrainingPairs, TrainingUsers
from recsys_trainer.fitting.task import Fitted, Task, finite
from recsys_trainer.models.base import Recommender
from recsys_trainer.progress import within
from recsys_trainer.stopping import Stop, Terminated, postponed

Saved = tuple[dict[str, Any], Iterator[tuple[str, Tensor]]]
FINISHED = (0, 0)
"""Where a fit stands that has ended."""
FIX = "lower training.optimizer.learningRate or raise batchSize"


def fit_in_steps(task: Task, network: Recommender, loss: Loss) -> Fitted:
    """Train a network from where it stands, or from where an interrupted run has left it.

    Raises:
        DataError: every user has touched every item.
        DivergedError: a loss is not finite.
        Terminated: SIGTERM arrived; the state is saved.
    """
    task.checkpoints.begin()
    if not task.checkpoints.active:
        return _Steps(task, network, loss).run(Stop())
    with postponed() as stop:
        result = _resumable(task, network, loss, stop)
        if stop.asked:
            task.workers.wait()
            raise Terminated
    return result


def _resumable(task: Task, network: Recommender, loss: Loss, stop: Stop) -> Fitted:
    saved, workers = task.checkpoints, task.workers
    finished = saved.finished()
    interrupted = saved.resumed() if finished is None else None
    workers.refuse_different(FINISHED if finished else _standing(interrupted))
    if finished is not None:
        meta, tensors = finished
        result = Fitted(weights=dict(tensors), **meta)
    else:
        steps = _Steps(task, network, loss)
        if interrupted is not None:
            steps.restore(*interrupted)
        result = steps.run(stop)
    stop.asked = workers.any(stop.asked)
    saved.finish(result.meta(), result.weights, now=stop.asked)
    return result


def _standing(interrupted: Saved | None) -> tuple[int, int]:
    """(epoch, step) that is next."""
    return (1, 0) if interrupted is None else (interrupted[0]["epoch"], interrupted[0]["step"])


class _Steps:
    """A fit, and where it stands."""

    def __init__(self, task: Task, network: Recommender, loss: Loss) -> None:
        self._task, self._network, self._loss = task, network, loss
        self._units = _units(task, loss)
        if task.speed.compiled is not None:
            network.compile(**task.speed.compiled)
        self._optimizer = build_optimizer(network, task.training)
        self._seeds = StepSeeds(task.training.seed, task.device, task.workers.rank)
        self._keeper, self._result = BestEpoch(task.training.patience, compares=task.last_epoch > 1), Fitted()
        self._epoch, self._step = 1, 0
        """The step that is next."""
        self._total = torch.zeros((), device=task.device)
        """Sum of the epoch's losses, over pairs."""
        self._began = time.perf_counter()
        task.workers.copy_first(list(network.state_dict().values()))

    def run(self, stop: Stop) -> Fitted:
        """The epochs that are left."""
        result, keeper, task = self._result, self._keeper, self._task
        while self._epoch <= task.last_epoch and not (result.epochs and keeper.exhausted(result.epochs)):
            self._train(stop)
            self._judge()
            self._save_if_due(stop)
        result.weights, result.best_epoch = keeper.chosen(self._network), keeper.epoch
        return result

    def _train(self, stop: Stop) -> None:
        """The steps of the epoch that are left."""
        training, units = self._task.training, self._units
        size = self._loss.units_of_a_step(training.batch_size, units.count / len(units))
        self._optimizer.set_rate(rate_of(training, self._epoch))
        self._network.train()
        order = units.order(training.seed, self._epoch)
        for start in range(self._step * size, len(order), size):
            self._seeds.begin(self._epoch, self._step)
            self._total += self._learn(order[start : start + size])
            self._step += 1
            within(self._task.progress, self._epoch, self._task.last_epoch, min(1.0, self._step * size / len(order)))
            self._save_if_due(stop)

    def _learn(self, chosen: Tensor) -> Tensor:
        """One step; returns the sum of its losses, over pairs."""
        workers, loss = self._task.workers, self._loss
        share = workers.share(len(chosen))
        user_B, item_B, rating_B = self._units.take(chosen[share])
        part = None if workers.alone or loss.by_user else (share.start, len(chosen))
        batch = Batch(user_B, item_B, rating_B, self._seeds.generator, part)
        self._optimizer.zero_grad()
        if workers.alone:
            value = self._loss_of(batch)
            value.backward()  # type: ignore[no-untyped-call]
            total = value.detach() * len(user_B)
        else:
            total = self._learn_together(batch)
        self._optimizer.step()
        return total

    def _loss_of(self, batch: Batch) -> Tensor:
        if not self._task.speed.half:
            return self._loss(self._network, batch)
        with torch.autocast(batch.user_B.device.type, torch.bfloat16):
            return self._loss(self._network, batch)

    def _learn_together(self, batch: Batch) -> Tensor:
        """Gradients of the whole batch from those of the processes' shares, of which some may be empty."""
        workers, sums = self._task.workers, torch.zeros(2, device=self._total.device)
        if len(batch.user_B):
            total = self._loss_of(batch) * len(batch.user_B)
            total.backward()  # type: ignore[no-untyped-call]
            sums[0], sums[1] = total.detach(), len(batch.user_B)
        self._optimizer.average(workers, sums)
        if running := [each for each in self._network.buffers() if each.is_floating_point()]:  # of batch norms
            workers.sum(running)
            torch._foreach_div_(running, workers.world)
        return sums[0]

    def _judge(self) -> None:
        """The epoch's end: what it brought, and the beginning of the next."""
        task, epoch = self._task, self._epoch
        mean_loss = finite(self._total.item() / self._units.count, epoch, FIX)
        judged = task.judged(self._network)
        best = self._keeper.offer(epoch, judged, self._network)
        self._result.record(epoch, mean_loss, judged, len(self._units) * self._loss.scores, self._began)
        task.progress(self._result.describe(task.last_epoch, best))
        self._epoch, self._step, self._began = epoch + 1, 0, time.perf_counter()
        self._total.zero_()

    def _save_if_due(self, stop: Stop) -> None:
        """After a whole step or epoch: in between weights and state would not belong together."""
        saved, workers = self._task.checkpoints, self._task.workers
        asked = workers.any(stop.asked)
        if asked or saved.due():
            saved.save(self._meta(), self._tensors(), now=asked)
            if asked:
                workers.wait()  # whoever ends first has the others ended by torchrun: not while one is writing
                raise Terminated

    def _meta(self) -> dict[str, Any]:
        return {
            "epoch": self._epoch, "step": self._step, "seconds": time.perf_counter() - self._began,
            "best": self._keeper.meta(), "result": self._result.meta(),
        }  # fmt: skip

    def _tensors(self) -> Mapping[str, Tensor]:
        parts = {
            "network": self._network.state_dict(), "optimizer": self._optimizer.tensors(),
            "best": self._keeper.weights, "epoch": {"total": self._total},
        }  # fmt: skip
        return {f"{part}/{name}": values for part, tensors in parts.items() for name, values in tensors.items()}

    def restore(self, meta: dict[str, Any], tensors: Iterator[tuple[str, Tensor]]) -> None:
        """Go on from a checkpoint."""
        network, optimizer = self._network.state_dict(), {}
        for name, values in tensors:
            part, _, key = name.partition("/")
            if part == "network":
                network[key].copy_(values)
            elif part == "optimizer":
                optimizer[key] = values
            elif part == "best":
                self._keeper.weights[key] = values
            else:
                self._total.copy_(values)
        self._optimizer.load(optimizer)
        self._keeper.restore(meta["best"])
        self._result = Fitted(**meta["result"])
        self._epoch, self._step = meta["epoch"], meta["step"]
        self._began = time.perf_counter() - meta["seconds"]


def _units(task: Task, loss: Loss) -> TrainingPairs | TrainingUsers:
    """What the loss takes in steps."""
    if loss.by_user:
        return TrainingUsers.of(task.positives, task.device)
    return TrainingPairs.of(task.positives, task.device, all_users=loss.takes_saturated_users)
