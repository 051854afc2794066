"""Fitting: epochs over the training pairs with fresh negatives, the best epoch by validation NDCG@10 is kept.

Nothing of the test part comes in here. Shapes: B positives of a batch, C = 1 + negatives columns.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from recsys_api.recommender_model import Model, Training
from recsys_trainer.device import free_memory
from recsys_trainer.errors import DataError, DivergedError, OutOfMemoryError
from recsys_trainer.evaluation.metrics import metric_values
from recsys_trainer.evaluation.ranking import Questions, rank
from recsys_trainer.models import Recommender, build_model
from recsys_trainer.models.base import catalogue_logits
from recsys_trainer.negatives import NegativeSampler
from recsys_trainer.progress import EpochProgress, Progress, silent
from recsys_trainer.training_data import Positives

_COPIES = 5
"""Weights, gradients, two moments of Adam, and the best epoch's weights."""


@dataclass
class Fitted:
    """What fitting leaves."""

    weights: dict[str, Tensor]
    """float32 on the CPU, by artifact tensor name."""
    epochs: int
    """Epochs that were run."""
    best_epoch: int
    """Epoch whose weights these are, from 1."""
    seconds: float
    samples: int
    """Positives and negatives that went through the network."""
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def samples_per_second(self) -> float:
        """Over the fitting time, validation included."""
        return self.samples / self.seconds if self.seconds > 0 else 0.0


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
        DataError: every user has touched every item.
        DivergedError: loss, weight or score is not finite.
    """
    refuse_too_large(model, positives, device)
    torch.manual_seed(training.seed)
    network = build_model(model, positives.users, positives.items).to(device)
    optimizer = build_optimizer(network, training)
    user_P, item_P = trainable_pairs(positives, device)
    sampler = NegativeSampler.of(positives.indptr, positives.indices, positives.items, device)
    keeper = BestEpoch(training.patience)
    result = Fitted({}, 0, 0, 0.0, 0)

    for epoch in range(1, training.epochs + 1):
        began = time.perf_counter()
        network.train()
        total = torch.zeros((), device=device)
        for batch in shuffled_batches(len(user_P), training, epoch, device):
            users, items = user_P[batch.rows], item_P[batch.rows]
            negatives = sampler.draw(users, training.loss.negatives, batch.generator)
            logits_BC = network(users, torch.cat((items.unsqueeze(1), negatives), dim=1))
            loss = binary_cross_entropy(logits_BC)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach() * len(users)
        mean_loss = finite(total.item() / len(user_P), epoch)
        ndcg = validation_ndcg(network, validation, device)
        best = keeper.offer(epoch, ndcg, network)
        record(result, epoch, mean_loss, ndcg, len(user_P) * (1 + training.loss.negatives), began)
        progress(describe(result, training.epochs, best))
        if keeper.exhausted(epoch):
            break

    result.weights, result.best_epoch = keeper.weights, keeper.epoch
    refuse_not_finite(result.weights)
    return result


def refuse_too_large(model: Model, positives: Positives, device: str) -> None:
    """Refuse tables that cannot fit, before they are allocated."""
    tables = 2 if model.architecture == "NeuMF" else 1
    rows = positives.users + positives.items
    needed = _COPIES * 4 * tables * rows * model.embedding_dim + 40 * len(positives.indices)
    free = free_memory(device)
    if needed > free:
        raise OutOfMemoryError(
            f"model.embeddingDim: {rows:,} rows of {model.embedding_dim} need {needed / 2**20:,.0f} MiB to train and "
            f"{free / 2**20:,.0f} MiB are free; lower embeddingDim or raise training.resources memory"
        )


def build_optimizer(network: Recommender, training: Training) -> torch.optim.Optimizer:
    """Adam, fused: one kernel for all tables."""
    options = training.optimizer
    return torch.optim.Adam(
        network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay, fused=True
    )


def trainable_pairs(positives: Positives, device: str) -> tuple[Tensor, Tensor]:
    """(users, items) int64 [P] of all users that have something left to be a negative."""
    degree = np.diff(positives.indptr)
    keep = np.repeat(degree < positives.items, degree)
    if not keep.any():
        fix = "add items or use more interactions"
        raise DataError.at(
            "data", "", f"every user has touched all {positives.items} items, nothing can be ranked", fix
        )
    user_P = np.repeat(np.arange(positives.users, dtype=np.int64), degree)[keep]
    item_P = positives.indices.astype(np.int64)[keep]
    return torch.from_numpy(user_P).to(device), torch.from_numpy(item_P).to(device)


@dataclass(frozen=True)
class Batch:
    """Rows of the training pairs, and the generator that draws their negatives."""

    rows: Tensor
    generator: torch.Generator


def shuffled_batches(pairs: int, training: Training, epoch: int, device: str) -> Iterator[Batch]:
    """A pass over all pairs in an order that (seed, epoch) determines; dropout draws from the same pair's seed."""
    seed = int(np.random.SeedSequence((training.seed, epoch)).generate_state(1, np.uint64)[0] >> np.uint64(1))
    torch.manual_seed(seed)
    generator = torch.Generator(device=device).manual_seed(seed)
    order = torch.randperm(pairs, generator=generator, device=device)
    size = max(1, training.batch_size // (1 + training.loss.negatives))
    for start in range(0, pairs, size):
        yield Batch(order[start : start + size], generator)


def binary_cross_entropy(logits_BC: Tensor) -> Tensor:
    """Mean over positives (column 0) and negatives (the others)."""
    targets = torch.zeros_like(logits_BC)
    targets[:, 0] = 1.0
    return functional.binary_cross_entropy_with_logits(logits_BC, targets)


class NetworkScorer:
    """The network in memory as a scorer; for validation only, the test asks the artifact."""

    def __init__(self, network: Recommender, items: int, device: str) -> None:
        self._network, self.items = network, items
        self._all = torch.arange(items, device=device)

    def scores(self, user_B: Tensor) -> Tensor:
        """Logits [B, I]."""
        return catalogue_logits(self._network, user_B, self._all)


def validation_ndcg(network: Recommender, validation: Questions | None, device: str) -> float | None:
    """Mean NDCG@10, or None where there is nobody to ask about."""
    if validation is None or not len(validation.user_N):
        return None
    network.eval()
    items = next(table.shape[0] for name, table in network.named_parameters() if name.endswith("_item"))
    ranks = rank(validation, NetworkScorer(network, items, device), device)
    return float(metric_values(ranks, (10,))["ndcg@10"].mean())


class BestEpoch:
    """Keeps the weights of the best epoch and knows when to stop."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._best = -1.0
        self.epoch = 0
        self.weights: dict[str, Tensor] = {}

    def offer(self, epoch: int, ndcg: float | None, network: Recommender) -> bool:
        """Take the epoch's weights if they are better, or if nothing can tell."""
        if ndcg is not None and ndcg <= self._best:
            return False
        self._best, self.epoch = ndcg if ndcg is not None else self._best, epoch
        self.weights = {name: values.detach().cpu().clone() for name, values in network.state_dict().items()}
        return True

    def exhausted(self, epoch: int) -> bool:
        """Whether `patience` epochs brought nothing."""
        return epoch - self.epoch >= self._patience


def finite(loss: float, epoch: int) -> float:
    """The loss, if it is a number."""
    if not np.isfinite(loss):
        raise DivergedError(
            f"the loss of epoch {epoch} is {loss}; lower training.optimizer.learningRate or raise batchSize"
        )
    return loss


def refuse_not_finite(weights: dict[str, Tensor]) -> None:
    """Refuse weights that are not numbers."""
    for name, values in weights.items():
        if not torch.isfinite(values).all():
            raise DivergedError(f"tensor {name} is not finite; lower training.optimizer.learningRate")


def record(result: Fitted, epoch: int, loss: float, ndcg: float | None, samples: int, began: float) -> None:
    """Add an epoch to the result."""
    seconds = time.perf_counter() - began
    result.epochs, result.samples, result.seconds = epoch, result.samples + samples, result.seconds + seconds
    entry = {"epoch": epoch, "loss": loss, "seconds": seconds, "samplesPerSecond": samples / seconds}
    result.history.append(entry if ndcg is None else {**entry, "ndcg@10": ndcg})


def describe(result: Fitted, epochs: int, best: bool) -> EpochProgress:
    """The latest epoch for the progress line."""
    last = result.history[-1]
    return EpochProgress(
        result.epochs, epochs, last["loss"], last.get("ndcg@10"), last["samplesPerSecond"], last["seconds"], best
    )
