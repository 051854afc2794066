"""Steps of matrix factorization on large tables: d=64, BCE with 4 negatives, row-wise Adagrad, beside what memory allows.

The peer is a limit, measured in the same run on the same tables: reading the rows of a batch at random and writing them back,
as often as the training has positives. Interactions are synthetic (seeded): item popularity falls off as 1/rank, the activity
of users is log-normal. Time is that of steps, with negatives and order; drawing the order of an epoch is a row of its own.
"""

import contextlib
import resource
import time
from typing import Any

import recsys_trainer  # noqa: F401  first: it sets torch's pages before torch is loaded

import numpy as np  # isort: skip
import torch  # isort: skip
from torch import Tensor  # isort: skip
from torch.nn import functional  # isort: skip

from benchmarks.sizes import Sizes
from benchmarks.whole_rows import whole_rows
from recsys_api.spec.model import Model
from recsys_api.spec.training import Training
from recsys_trainer.fitting.losses import Batch, Loss, build_loss
from recsys_trainer.fitting.pairs import TrainingPairs
from recsys_trainer.fitting.steps import fit_in_steps
from recsys_trainer.fitting.task import Task
from recsys_trainer.models.base import EMBEDDING_STD, Recommender, start_factors
from recsys_trainer.models.dot import DotProduct
from recsys_trainer.training_data import Positives

Row = dict[str, Any]
WIDTH, NEGATIVES, WARM_UP, BLOCK = 64, 4, 3, 100_000
BATCH = 65_536
"""training.batchSize."""
SECONDS = 20.0
"""To measure."""
PEER = "reading and writing the same rows at random"


class EnoughError(Exception):
    """The time is over."""


class Timed(Loss):
    """A loss that looks at the clock."""

    def __init__(self, loss: Loss, seconds: float) -> None:
        self._loss, self._seconds, self.scores = loss, seconds, loss.scores
        self.positives, self._steps = 0, 0
        self.began = self.cpu_began = 0.0

    def compared(self, network: Recommender, batch: Batch) -> tuple[Tensor, Tensor]:
        """Counts what the steps before this one have done."""
        self._steps += 1
        if self._steps == WARM_UP:
            self.positives, self.began, self.cpu_began = 0, time.perf_counter(), time.process_time()
        elif self._steps > WARM_UP and time.perf_counter() - self.began > self._seconds:
            raise EnoughError
        self.positives += len(batch.user_B)
        return self._loss.compared(network, batch)


def synthetic_positives(sizes: Sizes) -> Positives:
    """A CSR with distinct items in each row, made block by block: its own size is the most that it takes."""
    random, indices, degrees = np.random.default_rng(0), [], []
    mean = sizes.interactions / sizes.users
    for begin in range(0, sizes.users, BLOCK):
        users = min(BLOCK, sizes.users - begin)
        activity = random.lognormal(0.0, 1.0, users)
        drawn = np.maximum(1, random.poisson(mean * activity / np.exp(0.5)))
        user = np.repeat(np.arange(users, dtype=np.int64), drawn)
        rank = (sizes.items ** random.random(len(user))).astype(np.int64) - 1
        keys = np.unique(user * sizes.items + rank * 7_368_787 % sizes.items)
        degrees.append(np.bincount(keys // sizes.items, minlength=users))
        indices.append((keys % sizes.items).astype(np.int32))
    indptr = np.concatenate(([0], np.cumsum(np.concatenate(degrees)))).astype(np.int64)
    return whole_rows(indptr, np.concatenate(indices), sizes.items)


def rows(sizes: Sizes, batch: int = BATCH, seconds: float = SECONDS) -> list[Row]:
    """The rate, and what the memory allows."""
    positives = synthetic_positives(sizes)
    training = Training.model_validate(
        {"epochs": 1, "batchSize": batch, "loss": {"type": "BCE", "negatives": NEGATIVES},
         "optimizer": {"type": "RowWiseAdagrad"}}
    )  # fmt: skip
    model = Model(architecture="MatrixFactorization", embedding_dim=WIDTH, regularization=0)
    task = Task(model, training, positives, None, "cpu")
    network = DotProduct(*(start_factors(each, WIDTH, EMBEDDING_STD) for each in (sizes.users, sizes.items)))
    timed = Timed(build_loss(task), seconds)
    with contextlib.suppress(EnoughError):
        fit_in_steps(task, network, timed)
    wall, cpu = time.perf_counter() - timed.began, time.process_time() - timed.cpu_began
    rate = timed.positives / wall
    limit, limit_cpu = memory_rates(network, batch // (1 + NEGATIVES))
    began = time.perf_counter()
    TrainingPairs.of(positives, "cpu").order(0, 1)
    order = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    name = f"MF d={WIDTH}, BCE, {NEGATIVES} negatives, {sizes.users:,} users x {sizes.items:,} items"
    return [
        _row(name, f"positives/s ({timed.positives:,} in {wall:.0f} s)", rate, limit),
        _row(f"{name}: of one CPU", "positives/CPU-s", timed.positives / cpu, limit_cpu),
        _row(f"{name}: order of {len(positives.indices):,} pairs", "s", order, None),
        _row(f"{name}: peak resident memory", "GiB", peak, None),
    ]


def memory_rates(network: DotProduct, positives: int) -> tuple[float, float]:
    """Positives a second, and a CPU-second, whose rows are read and written and nothing else.

    Args:
        positives: of one step; each has its negatives beside it.
    """
    generator = torch.Generator().manual_seed(0)
    users, items = network.user_factors.detach(), network.item_factors.detach()
    tables = (users, positives), (items, positives * (1 + NEGATIVES))
    walls, cpus = [], []
    for _ in range(7):
        drawn = [(table, torch.randint(len(table), (count,), generator=generator)) for table, count in tables]
        began, cpu = time.perf_counter(), time.process_time()
        for table, index in drawn:
            table.index_copy_(0, index, functional.embedding(index, table))
        walls.append(time.perf_counter() - began)
        cpus.append(time.process_time() - cpu)
    return positives / float(np.median(walls)), positives / float(np.median(cpus))


def _row(name: str, unit: str, value: float, peer: float | None) -> Row:
    return {
        "name": name, "unit": unit, "value": round(value, 2 if value < 1000 else None),
        "peer": None if peer is None else PEER, "peerValue": None if peer is None else round(peer),
        "ratio": None if peer is None else round(peer / value, 2), "atLeast": None, "ok": True,
    }  # fmt: skip
