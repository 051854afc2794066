"""Fitting a dot product in steps whose tables are split over the processes; what needs them whole asks a copy on disk.

Shapes: U users, I items, D factors.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from recsys_trainer.fitting.epochs import fit_in_epochs
from recsys_trainer.fitting.losses import Loss
from recsys_trainer.fitting.split import Split, SplitRows, copy_part, draw_start
from recsys_trainer.fitting.steps import Steps
from recsys_trainer.fitting.task import Fitted, Task
from recsys_trainer.models.base import EMBEDDING_STD, Recommender
from recsys_trainer.models.split_product import OnDisk, SplitProduct


def fit_split(task: Task, split: Split, loss: Loss) -> Fitted:
    """Train from start values, or from where an interrupted run has left it; the first process gets the weights, on disk.

    Raises:
        DataError: every user has touched every item.
        DivergedError: a loss is not finite.
        OutOfMemoryError: the disk is full.
        Terminated, Interrupted: SIGTERM or Ctrl-C arrived; the state is saved.
    """
    return fit_in_epochs(task, lambda: _SplitSteps(task, split, loss))


class _SplitSteps(Steps):
    saves_in_place = True  # on disk it is a copy already

    def __init__(self, task: Task, split: Split, loss: Loss) -> None:
        users, items = task.positives.users, task.positives.items
        width, decay = task.model.embedding_dim, task.training.optimizer.weight_decay or 0.0
        self._split = split
        self._whole_network: Recommender | None = None
        """As of the last step, where it was asked for."""
        sizes = {"user_factors": users, "item_factors": items}
        self._tables = {name: split.table(rows, width, decay) for name, rows in sizes.items()}
        torch.manual_seed(task.training.seed)  # after the tables are made, which draws values too
        for table in self._tables.values():
            draw_start(table, EMBEDDING_STD)
        optimizer = SplitRows(self._tables)
        network = SplitProduct(users, items, width, optimizer.read)
        network.dropout = task.model.dropout
        super().__init__(task, network, loss, optimizer)

    def _learn(self, chosen: Tensor) -> Tensor:
        self._whole_network = None
        return super()._learn(chosen)

    def whole(self) -> Recommender:
        """The network as the first process can ask it; the others get one without rows. All call it together."""
        if self._whole_network is None:
            parts = {name: self._collected(name, table.values_RD) for name, table in self._tables.items()}
            self._whole_network = OnDisk(**parts)
        return self._whole_network

    def _collected(self, name: str, part: Tensor) -> Tensor:
        table, workers = self._tables[name], self._task.workers
        found = self._split.on_disk((table.rows, *part.shape[1:])) if workers.first else part[:0]
        workers.collect(part, table.begin, found)
        return found

    def due(self) -> bool:
        """All collect what the first one saves."""
        return self._task.workers.any(super().due())

    def state(self) -> Mapping[str, Mapping[str, Tensor]]:
        """The optimizer's collected; all call it together."""
        found = super().state()
        sums = {name: self._collected(name, values) for name, values in found["optimizer"].items()}
        return {**found, "optimizer": sums}

    def take(self, name: str, values: Tensor) -> None:
        """The rows that lie here."""
        copy_part(self._tables[name], self._tables[name].values_RD, values)
