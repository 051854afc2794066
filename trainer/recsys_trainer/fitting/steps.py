"""Fitting in optimizer steps: epochs over the training pairs in a new order each time."""

from collections.abc import Mapping
from contextlib import nullcontext

import torch
from torch import Tensor

from recsys_trainer.fitting.compiling import compiling
from recsys_trainer.fitting.epochs import Epochs, fit_in_epochs
from recsys_trainer.fitting.losses import Batch, Loss
from recsys_trainer.fitting.optimizers import Optimizer, build_optimizer, rate_of
from recsys_trainer.fitting.pairs import StepSeeds, TrainingPairs, TrainingUsers
from recsys_trainer.fitting.task import Fitted, Task
from recsys_trainer.models.base import Recommender
from recsys_trainer.progress import within
from recsys_trainer.stopping import Stop


def fit_in_steps(task: Task, network: Recommender, loss: Loss) -> Fitted:
    """Train a network from where it stands, or from where an interrupted run has left it.

    Raises:
        DataError: every user has touched every item.
        DivergedError: a loss is not finite.
        Terminated, Interrupted: SIGTERM or Ctrl-C arrived; the state is saved.
    """
    return fit_in_epochs(task, lambda: Steps(task, network, loss, build_optimizer(network, task.training)))


class Steps(Epochs):
    """Epochs of many steps; a checkpoint may lie between any two."""

    fix = "lower training.optimizer.learningRate or raise batchSize"

    def __init__(self, task: Task, network: Recommender, loss: Loss, optimizer: Optimizer) -> None:
        super().__init__(task, network)
        self._loss, self._units = loss, _units(task, loss)
        self._compiling = nullcontext if task.speed.compiled is None else compiling
        if task.speed.compiled is not None:
            network.compile(**task.speed.compiled)
        self._optimizer = optimizer
        self._seeds = StepSeeds(task.training.seed, task.device, task.workers.rank)
        self._total = torch.zeros((), device=task.device)
        """Sum of the epoch's losses, over pairs."""
        task.workers.copy_first([values for values in network.state_dict().values() if not values.is_meta])

    @property
    def samples(self) -> int:
        """Positives and negatives."""
        return len(self._units) * self._loss.scores

    def learn(self, stop: Stop) -> float:
        """The steps of the epoch that are left."""
        training, units = self._task.training, self._units
        size = self._loss.units_of_a_step(training.batch_size, units.count / len(units))
        self._optimizer.set_rate(rate_of(training, self._epoch))
        self._network.train()
        order = units.order(training.seed, self._epoch)
        for start in range(self._step * size, len(order), size):
            self._seeds.begin(self._epoch, self._step)
            with self._compiling():
                self._total += self._learn(order[start : start + size])
            self._step += 1
            within(self._task.progress, self._epoch, self._task.last_epoch, min(1.0, self._step * size / len(order)))
            self.save_if_due(stop)
        mean_loss = self._total.item() / units.count
        self._total.zero_()
        return mean_loss

    def _learn(self, chosen: Tensor) -> Tensor:
        """One step; returns the sum of its losses, over pairs."""
        workers, loss = self._task.workers, self._loss
        share = workers.share(len(chosen))
        counts = share.stop > share.start
        if not counts and self._optimizer.reads_together:
            share = slice(0, 1)  # is looked up and counts for nothing
        user_B, item_B, rating_B = self._units.take(chosen[share])
        part = None if workers.alone or loss.by_user else (share.start, len(chosen))
        batch = Batch(user_B, item_B, rating_B, self._seeds.generator, part)
        self._optimizer.zero_grad()
        if workers.alone:
            value = self._loss_of(batch)
            value.backward()  # type: ignore[no-untyped-call]
            total = value.detach() * len(user_B)
        else:
            total = self._learn_together(batch, len(user_B) if counts else 0)
        self._optimizer.step()
        return total

    def _loss_of(self, batch: Batch) -> Tensor:
        if not self._task.speed.half:
            return self._loss(self._network, batch)
        with torch.autocast(batch.user_B.device.type, torch.bfloat16):
            return self._loss(self._network, batch)

    def _learn_together(self, batch: Batch, count: int) -> Tensor:
        """Gradients of the whole batch from those of the processes' shares, of which some may be empty."""
        workers, sums = self._task.workers, torch.zeros(2, device=self._total.device)
        if len(batch.user_B):
            total = self._loss_of(batch) * count
            total.backward()  # type: ignore[no-untyped-call]
            sums[0], sums[1] = total.detach(), count
        self._optimizer.average(workers, sums)
        if running := [each for each in self._network.buffers() if each.is_floating_point()]:  # of batch norms
            workers.sum(running)
            torch._foreach_div_(running, workers.world)
        return sums[0]

    def state(self) -> Mapping[str, Mapping[str, Tensor]]:
        """The optimizer's, and the epoch's loss so far."""
        return {"optimizer": self._optimizer.tensors(), "epoch": {"total": self._total}}

    def load(self, state: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Both."""
        self._optimizer.load(dict(state["optimizer"]))
        self._total.copy_(state["epoch"]["total"])


def _units(task: Task, loss: Loss) -> TrainingPairs | TrainingUsers:
    """What the loss takes in steps."""
    if loss.by_user:
        return TrainingUsers.of(task.positives, task.device)
    return TrainingPairs.of(task.positives, task.device, all_users=loss.takes_saturated_users)
