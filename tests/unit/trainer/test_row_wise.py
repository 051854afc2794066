"""Row-wise Adagrad against its definition, in every family and loss, and without anything of a table's size."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.trainer.test_families import ITEMS, data_for, exported_model, model, questions, training, two_tastes
from tests.unit.trainer.test_losses import CHOICES
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from recsys_api.spec.model import Model
from recsys_api.spec.training import Training
from recsys_trainer.evaluation.metrics import metric_values
from recsys_trainer.evaluation.ranking import rank
from recsys_trainer.fit import fit, validation_on
from recsys_trainer.fitting.best_epoch import NetworkScorer
from recsys_trainer.fitting.losses import Batch, build_loss
from recsys_trainer.fitting.optimizers import build_optimizer
from recsys_trainer.fitting.row_wise import RowWiseAdagrad, summed_by_row, write_rows
from recsys_trainer.fitting.task import Task
from recsys_trainer.models.dot import DotProduct
from recsys_trainer.models.registry import FAMILIES

ADAGRAD = {"type": "RowWiseAdagrad", "learningRate": 0.1}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(1, 3))
def test_gradients_of_the_same_row_are_summed(index: list[int], width: int) -> None:
    index_N = torch.tensor(index)
    gradient_ND = torch.randint(-9, 9, (len(index), width)).float()
    row_U, sum_UD = summed_by_row(index_N, gradient_ND)
    assert row_U.tolist() == sorted(set(index))
    torch.testing.assert_close(sum_UD, torch.zeros(6, width).index_add_(0, index_N, gradient_ND)[row_U])


@pytest.mark.parametrize("mode", [0, 1, 2])
@pytest.mark.parametrize("shape", [(60_000, 8), (60_000,)])
def test_rows_are_written_by_all_threads_and_the_mode_stays(mode: int, shape: tuple[int, ...]) -> None:
    before, found = torch.get_deterministic_debug_mode(), torch.zeros(shape)
    row_U = torch.randperm(60_000)[:40_000]
    values = torch.randn(40_000, *shape[1:])
    torch.set_deterministic_debug_mode(mode)
    try:
        write_rows(found, row_U, values)
        assert torch.get_deterministic_debug_mode() == mode
    finally:
        torch.set_deterministic_debug_mode(before)
    assert torch.equal(found, torch.zeros(shape).index_copy_(0, row_U, values))


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_a_row_moves_by_its_gradient_over_the_root_of_its_mean_squares(decay: float) -> None:
    table = nn.Parameter(torch.randn(5, 3), requires_grad=False)
    expected, sums = table.detach().double().clone(), torch.zeros(5, dtype=torch.float64)
    optimizer = RowWiseAdagrad(0.3, decay)
    optimizer.add("table", table)
    for index in ([4, 1, 4], [1, 1], [0]):
        gradient = torch.randn(len(index), 3)
        optimizer.step(table, torch.tensor(index), gradient)
        for row in set(index):
            of_row = sum(gradient[at].double() for at, each in enumerate(index) if each == row) + decay * expected[row]
            sums[row] += of_row.square().mean()
            expected[row] -= 0.3 * of_row / sums[row].sqrt()
    torch.testing.assert_close(table.detach(), expected.float())
    torch.testing.assert_close(optimizer.tensors()["table"], sums.float())


@pytest.mark.parametrize(("family", "loss"), [*CHOICES, ("BiasedMF", "")])
def test_every_family_and_loss_learns_with_it_and_moves_every_tensor(family: str, loss: str) -> None:
    positives = data_for(family)
    options = {"loss": {"type": loss}} if loss else {}
    runs = [
        fit(model(family), training(family, optimizer=ADAGRAD, epochs=epochs, **options), positives, None, "cpu")
        for epochs in (1, 12)
    ]
    losses = [entry["loss"] for entry in runs[1].history]
    assert losses[-1] < losses[0]
    for name, values in runs[0].weights.items():
        assert not torch.equal(values, runs[1].weights[name]) or name == "global_bias"


@pytest.mark.parametrize(("family", "loss"), [("MatrixFactorization", "BCE"), ("NeuMF", "BCE"), ("MLP", "BPR")])
def test_it_finds_the_taste(family: str, loss: str) -> None:
    positives, asked = two_tastes(), questions(two_tastes())
    settings_ = training(family, optimizer=ADAGRAD, loss={"type": loss, "negatives": 8})
    found = fit(model(family), settings_, positives, asked, "cpu")
    network = FAMILIES[family].load(exported_model(family, positives, found), found.weights).eval()
    with torch.no_grad():
        ranks = rank(asked, NetworkScorer(network, ITEMS, "cpu"))
    assert float(metric_values(ranks, (10,))["ndcg@10"].mean()) > 0.9


class Largest(TorchDispatchMode):
    """The most values that any operation returned, views apart."""

    def __init__(self) -> None:
        super().__init__()
        self.values = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = {each.untyped_storage().data_ptr() for each in args if isinstance(each, torch.Tensor)}
        for each in result if isinstance(result, tuple | list) else (result,):
            if isinstance(each, torch.Tensor) and each.untyped_storage().data_ptr() not in given:
                self.values = max(self.values, each.numel())
        return result


@pytest.mark.parametrize("loss", ["BCE", "BPR", "SampledSoftmax", "CosineContrastive"])
def test_a_step_makes_nothing_of_the_size_of_a_table(loss: str) -> None:
    positives, rows = two_tastes(), 50_000
    task = Task(
        Model(architecture="MatrixFactorization", embedding_dim=4),
        Training.model_validate({"loss": {"type": loss, "negatives": 3}, "optimizer": ADAGRAD}), positives, None, "cpu",
    )  # fmt: skip
    network = DotProduct(torch.randn(rows, 4), torch.randn(rows, 4), item_bias=torch.zeros(rows))
    before = network.exported()
    optimizer, minimized = build_optimizer(network, task.training), build_loss(task)
    items = torch.from_numpy(positives.indices[positives.indptr[:-1]].astype(np.int64))
    batch = Batch(torch.arange(len(items)), items, None, torch.Generator().manual_seed(0))
    with Largest() as largest:
        optimizer.zero_grad()
        minimized(network, batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert largest.values < rows
    for name, values in network.exported().items():
        changed = (values != before[name]).flatten(1).any(1) if values.dim() == 2 else values != before[name]
        assert 0 < int(changed.sum()) <= max(len(items), ITEMS), "only what the batch touched"


def test_tables_are_in_memory_once_and_twice_where_epochs_are_compared() -> None:
    positives, asked = two_tastes(), validation_on(questions(two_tastes()), ITEMS, "cpu")
    whole = 4 * 1000 * (positives.users + positives.items)
    needed = [
        FAMILIES["MatrixFactorization"].needed_bytes(
            Task(Model(architecture="MatrixFactorization", embedding_dim=1000), Training.model_validate(of), positives, who, "cpu")
        )
        for of, who in (({"optimizer": ADAGRAD}, None), ({"optimizer": ADAGRAD}, asked), ({}, asked))
    ]  # fmt: skip
    assert [round(each / whole) for each in needed] == [1, 2, 5]
