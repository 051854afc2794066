"""What runs on a GPU keeps to it: on a device that is only told apart (another_device.py), since there is none here."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tests.unit.trainer.another_device import Device, DeviceTensor, MixedError, NotDeterministicError
from tests.unit.trainer.conftest import Job
from tests.unit.trainer.test_families import ALL, ITEMS, data_for, exported_model, model, questions, training

from recsys_trainer.evaluation.metrics import metric_values
from recsys_trainer.evaluation.ranking import rank
from recsys_trainer.fit import fit
from recsys_trainer.fitting.best_epoch import NetworkScorer
from recsys_trainer.models.registry import FAMILIES

LOSSES: list[dict[str, Any]] = [
    {"type": "BCE"}, {"type": "BPR"}, {"type": "CosineContrastive"}, {"type": "CrossEntropy"},
    {"type": "SampledSoftmax", "sampling": "Popularity"}, {"type": "SampledSoftmax", "sampling": "InBatch"},
]  # fmt: skip
OPTIMIZERS = ["SGD", "RowWiseAdagrad"]


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    with Device(monkeypatch.setattr) as found:
        yield found


def learns(family: str, **changes: Any) -> None:
    """It is trained on the GPU, and judged there; its artifact is on the CPU. Few steps: each operation takes long here."""
    positives, settings = data_for(family), training(family, **{"epochs": 4, "patience": 4, **changes})
    found = fit(model(family), settings, positives, questions(positives), "cuda")
    losses = [entry["loss"] for entry in found.history if "loss" in entry]
    assert losses == sorted(losses, reverse=True)
    for values in found.weights.values():
        assert not isinstance(values, DeviceTensor)
        assert torch.isfinite(values).all()
    network = FAMILIES[family].load(exported_model(family, positives, found), found.weights).eval()
    with torch.no_grad():
        ranks = rank(questions(positives), NetworkScorer(network, ITEMS, "cpu"), "cpu")
    best = max(entry["ndcg@10"] for entry in found.history)
    assert float(metric_values(ranks, (10,))["ndcg@10"].mean()) == pytest.approx(best, abs=1e-6)


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("family", ALL)
def test_every_family_is_trained_there(family: str) -> None:
    learns(family)


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: "-".join(loss.values()))
def test_every_loss_is_minimized_there(loss: dict[str, Any]) -> None:
    learns("MatrixFactorization", loss=loss)


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("family", ["GMF", "NeuMF"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_steps_there(optimizer: str, family: str) -> None:
    rate = {"SGD": 5.0, "RowWiseAdagrad": 0.2}[optimizer]
    learns(family, optimizer={"type": optimizer, "learningRate": rate})


def test_a_step_does_not_wait_for_the_device(device: Device) -> None:
    """A wait for each step would leave the GPU idle between them."""
    waits = []
    for epochs in (1, 2):
        before = device.waits
        fit(model("NeuMF"), training("NeuMF", epochs=epochs), data_for("NeuMF"), None, "cuda")
        waits.append(device.waits - before)
    assert waits[1] - waits[0] <= 1, "an epoch waits once: for its loss"


@pytest.mark.usefixtures("device")
def test_the_jobs_of_a_version_use_it(job: Job) -> None:
    gates = [{"name": "floor", "metric": {"name": "NDCG", "k": 10}, "atLeast": "0.01"}]
    changes = {"training.gpusPerNode": 1, "evaluation.gates": gates}
    results = {}
    for verb in ("prepare", "train", "evaluate"):
        code, results[verb] = job(verb, **changes)
        assert (code, results[verb].error) == (0, "")
    assert results["train"].device == "cuda"
    assert results["evaluate"].gates[0].outcome == "Pass"


def test_tensors_of_both_places_are_told(device: Device) -> None:
    """The device itself: without this nothing above could fail."""
    there, here = torch.ones(3, 2, device="cuda"), torch.ones(3, 2)
    assert (there + torch.tensor(1.0)).cpu().tolist() == [[2.0, 2.0]] * 3
    with pytest.raises(MixedError):
        there + here
    with pytest.raises(MixedError):
        there[torch.tensor([0])]
    before = device.waits
    assert there.sum().item() == 6.0
    assert device.waits == before + 1
    torch.use_deterministic_algorithms(True)
    try:
        with pytest.raises(NotDeterministicError):
            there.cumsum(0)
    finally:
        torch.use_deterministic_algorithms(False)
