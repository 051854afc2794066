"""Fitting in optimizer steps that take users with all they did: for losses that score a user's whole catalogue at once.

The epoch then costs users x items scores, whatever the users did, where steps over pairs in any order cost as much for each pair.
"""

import time

import torch
from torch import Tensor

from recsys_trainer.fitting.best_epoch import BestEpoch, validation_ndcg
from recsys_trainer.fitting.losses import CATALOGUE_SCORES, Batch, Loss
from recsys_trainer.fitting.steps import FIX, build_optimizer, set_rate, shuffled, trainable_pairs
from recsys_trainer.fitting.task import Fitted, Task, finite
from recsys_trainer.models.base import Recommender


def fit_in_user_steps(task: Task, network: Recommender, loss: Loss) -> Fitted:
    """Train a network from where it stands; `training.batchSize` is about met, by users of mean length.

    Raises:
        DataError: every user has touched every item.
        DivergedError: a loss is not finite.
    """
    training, device = task.training, task.device
    optimizer = build_optimizer(network, training)
    user_P, item_P, _ = trainable_pairs(task.positives, device)
    users = Users(user_P, item_P)
    keeper, result = BestEpoch(training.patience), Fitted()
    size = users.of_a_step(training.batch_size, task.positives.items)

    for epoch in range(1, training.epochs + 1):
        began = time.perf_counter()
        set_rate(optimizer, training, epoch)
        network.train()
        total = torch.zeros((), device=device)
        for chosen, generator in shuffled(users.count, size, training, epoch, device):
            batch = users.batch(chosen, generator)
            value = loss(network, batch)
            optimizer.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += value.detach() * len(batch.user_B)
        mean_loss = finite(total.item() / len(user_P), epoch, FIX)
        ndcg = validation_ndcg(network, task.validation, task.positives.items, device)
        best = keeper.offer(epoch, ndcg, network)
        result.record(epoch, mean_loss, ndcg, len(user_P), began)
        task.progress(result.describe(training.epochs, best))
        if keeper.exhausted(epoch):
            break

    result.weights, result.best_epoch = keeper.weights, keeper.epoch
    return result


class Users:
    """The training pairs by user."""

    def __init__(self, user_P: Tensor, item_P: Tensor) -> None:
        self._user_P, self._item_P = user_P, item_P
        _, self._length_V = torch.unique_consecutive(user_P, return_counts=True)
        self._start_V = self._length_V.cpu().cumsum(0).to(user_P.device) - self._length_V
        self.count = len(self._length_V)

    def of_a_step(self, batch_size: int, items: int) -> int:
        """Users whose pairs are about `batch_size`, and whose scores fit."""
        mean = len(self._user_P) / self.count
        return max(1, min(round(batch_size / mean), CATALOGUE_SCORES // items))

    def batch(self, chosen_V: Tensor, generator: torch.Generator) -> Batch:
        """All pairs of some of the users."""
        length_V = self._length_V[chosen_V]
        before_V = length_V.cpu().cumsum(0).to(length_V.device) - length_V
        offset_B = torch.repeat_interleave(self._start_V[chosen_V] - before_V, length_V)
        rows_B = torch.arange(len(offset_B), device=offset_B.device) + offset_B
        return Batch(self._user_P[rows_B], self._item_P[rows_B], None, generator)
