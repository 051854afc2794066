"""Fitting in optimizer steps: epochs over the training pairs in a new order each time; the best epoch is kept."""

import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from recsys_api.recommender_model import Training
from recsys_trainer.errors import DataError
from recsys_trainer.fitting.best_epoch import BestEpoch, validation_ndcg
from recsys_trainer.fitting.losses import Batch, Loss
from recsys_trainer.fitting.task import Fitted, Task, finite
from recsys_trainer.models.base import Recommender
from recsys_trainer.training_data import Positives

LEARNING_RATE = 0.001
FIX = "lower training.optimizer.learningRate or raise batchSize"
Pairs = tuple[Tensor, Tensor, Tensor | None]


def fit_in_steps(task: Task, network: Recommender, loss: Loss) -> Fitted:
    """Train a network from where it stands.

    Raises:
        DataError: every user has touched every item.
        DivergedError: a loss is not finite.
    """
    training, device = task.training, task.device
    optimizer = build_optimizer(network, training)
    user_P, item_P, rating_P = trainable_pairs(task.positives, device, all_users=loss.takes_saturated_users)
    keeper, result = BestEpoch(training.patience), Fitted()

    for epoch in range(1, training.epochs + 1):
        began = time.perf_counter()
        set_rate(optimizer, training, epoch)
        network.train()
        total = torch.zeros((), device=device)
        for rows, generator in shuffled(
            len(user_P), loss.positives_of_a_step(training.batch_size), training, epoch, device
        ):
            batch = Batch(user_P[rows], item_P[rows], None if rating_P is None else rating_P[rows], generator)
            value = loss(network, batch)
            optimizer.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += value.detach() * len(rows)
        mean_loss = finite(total.item() / len(user_P), epoch, FIX)
        ndcg = validation_ndcg(network, task.validation, task.positives.items, device)
        best = keeper.offer(epoch, ndcg, network)
        result.record(epoch, mean_loss, ndcg, len(user_P) * loss.scores, began)
        task.progress(result.describe(training.epochs, best))
        if keeper.exhausted(epoch):
            break

    result.weights, result.best_epoch = keeper.weights, keeper.epoch
    return result


def build_optimizer(network: Recommender, training: Training) -> torch.optim.Optimizer:
    """Adam or SGD, fused: one kernel for all tables."""
    options = training.optimizer
    rate, decay = options.learning_rate or LEARNING_RATE, options.weight_decay or 0.0
    if options.type == "SGD":
        return torch.optim.SGD(network.parameters(), lr=rate, weight_decay=decay, fused=True)
    return torch.optim.Adam(network.parameters(), lr=rate, weight_decay=decay, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, training: Training, epoch: int) -> None:
    """The step size of an epoch, from 1: with schedule Linear it falls in equal parts, and 0 would come after the last."""
    left = 1.0 - (epoch - 1) / training.epochs if training.optimizer.schedule == "Linear" else 1.0
    for group in optimizer.param_groups:
        group["lr"] = (training.optimizer.learning_rate or LEARNING_RATE) * left


def trainable_pairs(positives: Positives, device: str, *, all_users: bool = False) -> Pairs:
    """(users int64, items int64, ratings float32 or None) [P], of users that have something left to be a negative.

    Args:
        all_users: of all users.
    """
    degree = np.diff(positives.indptr)
    keep = np.repeat((degree < positives.items) | all_users, degree)
    if not keep.any():
        fix = "add items or use more interactions"
        raise DataError.at(
            "data", "", f"every user has touched all {positives.items} items, nothing can be ranked", fix
        )
    user_P = np.repeat(np.arange(positives.users, dtype=np.int64), degree)[keep]
    item_P = positives.indices.astype(np.int64)[keep]
    rating_P = None if positives.ratings is None else torch.from_numpy(positives.ratings[keep]).to(device)
    return torch.from_numpy(user_P).to(device), torch.from_numpy(item_P).to(device), rating_P


def shuffled(
    pairs: int, size: int, training: Training, epoch: int, device: str
) -> Iterator[tuple[Tensor, torch.Generator]]:
    """A pass over all pairs in an order that (seed, epoch) determines; dropout draws from the same pair's seed."""
    seed = int(np.random.SeedSequence((training.seed, epoch)).generate_state(1, np.uint64)[0] >> np.uint64(1))
    torch.manual_seed(seed)
    generator = torch.Generator(device=device).manual_seed(seed)
    order = torch.randperm(pairs, generator=generator, device=device)
    for start in range(0, pairs, size):
        yield order[start : start + size], generator
