"""`training.compile`: the network of a step is one program, and computes what it computed before."""

from typing import Any, cast

import pytest
import torch
from tests.unit.trainer.test_families import data_for, model, questions, training
from torch._dynamo.utils import counters

from recsys_api.spec.model import WITH_LOSS
from recsys_trainer.errors import ManifestError
from recsys_trainer.fit import speed_of, validation_on
from recsys_trainer.fitting.compiling import COMPILED
from recsys_trainer.fitting.losses import Batch, build_loss
from recsys_trainer.fitting.pairs import TrainingPairs
from recsys_trainer.fitting.task import Fitted, Speed, Task
from recsys_trainer.models.matrix_factorization import MatrixFactorizationFamily
from recsys_trainer.models.network_family import NetworkFamily
from recsys_trainer.models.registry import FAMILIES

WHOLE = {**COMPILED, "backend": "aot_eager", "fullgraph": True}
"""Traced as for a GPU, forwards and backwards, and run without a compiler; a graph that breaks raises."""
LOSSES = ("BCE", "BPR", "SampledSoftmax")
ALL = [(family, loss) for family in WITH_LOSS for loss in LOSSES]
ALL += [("MatrixFactorization", "CrossEntropy"), ("MatrixFactorization", "CosineContrastive")]


def task_of(family: str, compiled: dict[str, Any] | None, **changes: object) -> Task:
    torch.compiler.reset()
    counters.clear()
    positives = data_for(family)
    settings = training(family, epochs=3, batchSize=150, **changes)
    asked = validation_on(questions(positives), positives.items, "cpu")
    return Task(model(family), settings, positives, asked, "cpu", speed=Speed(compiled=compiled))


def trained(family: str, compiled: dict[str, Any] | None) -> Fitted:
    return FAMILIES[family].fit(task_of(family, compiled, loss={"type": "BCE", "negatives": 4}))


def gradients(family: str, loss: str, compiled: dict[str, Any] | None) -> dict[str, torch.Tensor]:
    """Of one step."""
    task = task_of(family, None, loss={"type": loss})
    builder = cast("NetworkFamily | MatrixFactorizationFamily", FAMILIES[family])
    network, pairs = builder.build(task), TrainingPairs.of(task.positives, "cpu")
    if compiled is not None:
        network.compile(**compiled)
    user_B, item_B, _ = pairs.take(pairs.order(0, 1)[:30])
    batch = Batch(user_B, item_B, None, torch.Generator().manual_seed(1))
    build_loss(task)(network, batch).backward()  # type: ignore[no-untyped-call]
    return {name: values.grad for name, values in network.named_parameters() if values.grad is not None}


@pytest.mark.parametrize(("family", "loss"), ALL)
def test_a_compiled_step_has_the_gradients_of_a_step(family: str, loss: str) -> None:
    plain, compiled = (gradients(family, loss, options) for options in (None, WHOLE))
    assert counters["stats"]["unique_graphs"] > 0, "something was compiled"
    assert plain.keys() == compiled.keys()
    for name, values in plain.items():
        torch.testing.assert_close(compiled[name], values, rtol=1e-4, atol=1e-7)


def test_a_training_of_compiled_steps_learns_the_same() -> None:
    plain, compiled = trained("NeuMF", None), trained("NeuMF", WHOLE)
    for before, after in zip(plain.history, compiled.history, strict=True):
        assert after["loss"] == pytest.approx(before["loss"], rel=1e-4)
        assert after["ndcg@10"] == pytest.approx(before["ndcg@10"], abs=0.02)
    assert compiled.weights.keys() == plain.weights.keys()


def test_validation_asks_in_any_shape_and_compiles_nothing() -> None:
    """400 positives are 13 steps of 30 and one of 10."""
    trained("GMF", WHOLE)
    assert counters["stats"]["unique_graphs"] == 2


def test_what_cannot_be_compiled_names_the_setting_and_what_is_missing() -> None:
    def without_a_compiler(graph: object, inputs: object) -> None:
        raise RuntimeError("Failed to find C compiler")

    with pytest.raises(
        ManifestError, match=r"^spec\.training\.compile: .*Failed to find C compiler.*gcc.*remove compile$"
    ):
        trained("GMF", {**WHOLE, "backend": without_a_compiler})


@pytest.mark.parametrize(
    ("asked", "device", "expected"),
    [(True, "cuda", COMPILED), (True, "cpu", None), (False, "cuda", None), (None, "cuda", None)],
)
def test_steps_are_compiled_where_a_manifest_asks_for_it_and_a_gpu_is_there(
    asked: bool | None, device: str, expected: dict[str, Any] | None
) -> None:
    settings = training("GMF", compile=asked, gpusPerNode=1)
    assert speed_of(settings, device).compiled == expected
