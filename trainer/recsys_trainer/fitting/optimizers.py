"""The optimizers that the manifest can ask for, behind one interface whose state a checkpoint can hold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from recsys_trainer.fitting.row_wise import RowGradients, RowWiseAdagrad, summed_by_row
from recsys_trainer.models.base import Recommender
from recsys_trainer.parallel import Workers

if TYPE_CHECKING:
    from recsys_api.spec.training import Training

LEARNING_RATES = {"Adam": 0.003, "SGD": 0.001, "RowWiseAdagrad": 0.05}
Named = Iterable[tuple[str, nn.Parameter]]


class Optimizer(ABC):
    """Changes a network's parameters by their gradients."""

    reads_together: ClassVar[bool] = False
    """Whether a process must read in each step, because the others wait for it."""

    @abstractmethod
    def zero_grad(self) -> None:
        """Forget the gradients of the step before."""

    @abstractmethod
    def step(self) -> None:
        """Change the parameters."""

    @abstractmethod
    def average(self, workers: Workers, sums: Tensor) -> None:
        """Make the gradients those of all processes' shares together.

        Args:
            sums: [loss, pairs] of this share, of which the gradients are sums too; then those of all.
        """

    @abstractmethod
    def set_rate(self, rate: float) -> None:
        """The step size from now on."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Its state by name; the tensors themselves, not copies."""

    @abstractmethod
    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go on from a state that `tensors` gave."""


class Whole(Optimizer):
    """One of torch's, over whole parameters."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer

    def zero_grad(self) -> None:
        """Without a pass over the gradients."""
        self._optimizer.zero_grad(set_to_none=True)

    def step(self) -> None:
        """One fused kernel."""
        self._optimizer.step()

    def average(self, workers: Workers, sums: Tensor) -> None:
        """Of whole parameters: a parameter that this share did not use has a gradient of zeros."""
        parameters = [each for group in self._optimizer.param_groups for each in group["params"] if each.requires_grad]
        for each in parameters:
            if each.grad is None:
                each.grad = torch.zeros_like(each)
        gradients = [each.grad for each in parameters]
        workers.sum([*gradients, sums])
        torch._foreach_div_(gradients, sums[1])

    def set_rate(self, rate: float) -> None:
        """Of all parameters."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate

    def tensors(self) -> dict[str, Tensor]:
        """`<number of the parameter>.<name>`"""
        state = self._optimizer.state_dict()["state"]
        return {f"{number}.{name}": value for number, values in state.items() for name, value in values.items()}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Into torch's own layout."""
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            number, key = name.split(".", 1)
            state.setdefault(int(number), {})[key] = value
        self._optimizer.load_state_dict({**self._optimizer.state_dict(), "state": state})


class ByRow(Optimizer):
    """Row-wise Adagrad for the tables, plain Adagrad for layers and what else is dense."""

    def __init__(self, network: Recommender, rate: float, decay: float) -> None:
        self._tables = RowWiseAdagrad(rate, decay)
        self._gradients = RowGradients()
        self._averaged: list[tuple[nn.Parameter, Tensor, Tensor]] = []
        network.reader = self._gradients.read
        of_tables = set(network.tables)
        for name, table in network.named_parameters():
            if name in of_tables:
                table.requires_grad_(False)
                self._tables.add(name, table)
        dense = [each for name, each in network.named_parameters() if name not in of_tables and each.requires_grad]
        self._dense = Whole(torch.optim.Adagrad(dense, lr=rate, weight_decay=decay)) if dense else None

    def zero_grad(self) -> None:
        """Of the dense part; rows are read anew in each step."""
        if self._dense is not None:
            self._dense.zero_grad()

    def step(self) -> None:
        """Only rows that were read are changed."""
        for table, index_N, gradient_ND in self._averaged or self._gradients.by_table():
            self._tables.step(table, index_N, gradient_ND)
        self._gradients.clear()
        self._averaged = []
        if self._dense is not None:
            self._dense.step()

    def average(self, workers: Workers, sums: Tensor) -> None:
        """Each process sums its gradients by row first and sends the sums: as many rows as its share has different ones."""
        if self._dense is None:
            workers.sum([sums])
        else:
            self._dense.average(workers, sums)
        read = {table: rows for table, *rows in self._gradients.by_table()}
        for table in self._tables.tables():
            rows = summed_by_row(*read[table]) if table in read else _no_rows(table)
            index_N, gradient_ND = workers.gathered(*rows)
            if len(index_N):
                self._averaged.append((table, index_N, gradient_ND / sums[1]))

    def set_rate(self, rate: float) -> None:
        """Of rows and of the dense part."""
        self._tables.rate = rate
        if self._dense is not None:
            self._dense.set_rate(rate)

    def tensors(self) -> dict[str, Tensor]:
        """Running means by table, and the dense part's."""
        dense = {} if self._dense is None else self._dense.tensors()
        return {**self._tables.tensors(), **{f"dense.{name}": value for name, value in dense.items()}}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Both parts."""
        self._tables.load(tensors)
        if self._dense is not None:
            prefix = "dense."
            self._dense.load({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})


def _no_rows(table: nn.Parameter) -> tuple[Tensor, Tensor]:
    index = torch.zeros(0, dtype=torch.int64, device=table.device)
    return index, torch.zeros(0, table[0].numel(), device=table.device)


def build_optimizer(network: Recommender, training: Training) -> Optimizer:
    """The manifest's; Adam where it names none."""
    options = training.optimizer
    kind, decay = algorithm(training), options.weight_decay or 0.0
    rate = rate_of(training, epoch=1)
    if kind == "RowWiseAdagrad":
        return ByRow(network, rate, decay)
    build = torch.optim.SGD if kind == "SGD" else torch.optim.Adam
    return Whole(build(network.parameters(), lr=rate, weight_decay=decay, fused=True))


def rate_of(training: Training, epoch: int) -> float:
    """The step size of an epoch, from 1: with schedule Linear it falls in equal parts, and 0 would come after the last."""
    options = training.optimizer
    left = 1.0 - (epoch - 1) / training.epochs if options.schedule == "Linear" else 1.0
    return first_rate(training) * left


def first_rate(training: Training) -> float:
    """`training.optimizer.learningRate`, or the default of the algorithm."""
    return training.optimizer.learning_rate or LEARNING_RATES[algorithm(training)]


def algorithm(training: Training) -> str:
    """`training.optimizer.type`, or the default."""
    return training.optimizer.type or "Adam"
