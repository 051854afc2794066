"""What runs on a GPU keeps to it: on a device that is only told apart (another_device.py), since there is none here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks.gpu import measure
from tests.unit.trainer.another_device import Device, DeviceTensor, MixedError, NotDeterministicError
from tests.unit.trainer.conftest import Job
from tests.unit.trainer.test_checkpoints import CASES, CrashError, run, saving
from tests.unit.trainer.test_families import ALL, ITEMS, data_for, exported_model, model, questions, training

from recsys_trainer import checkpoints
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


@pytest.mark.parametrize(
    ("family", "settings", "in_a_step"),
    [
        ("NeuMF", {}, 0), ("GMF", {}, 0), ("BiasedMF", {}, 0),
        ("MatrixFactorization", {"loss": {"type": "BPR"}}, 0),
        ("MatrixFactorization", {"loss": {"type": "CosineContrastive"}}, 0),
        ("MatrixFactorization", {"loss": {"type": "SampledSoftmax"}}, 1),
        ("MatrixFactorization", {"loss": {"type": "CrossEntropy"}}, 2),
    ],
    ids=lambda value: "".join(value.get("loss", {}).values()) if isinstance(value, dict) else None,
)  # fmt: skip
def test_how_often_a_step_waits_for_the_device(
    device: Device, family: str, settings: dict[str, Any], in_a_step: int
) -> None:
    """A softmax asks how many users and pairs it has; the other losses let the CPU run ahead, so that a GPU never idles."""
    waits = []
    for epochs in (1, 2):
        before = device.waits
        fit(model(family), training(family, epochs=epochs, **settings), data_for(family), None, "cuda")
        waits.append(device.waits - before)
    steps = 2 if in_a_step else 0
    assert waits[1] - waits[0] == 1 + in_a_step * steps, "once for the epoch's loss"


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


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("number", [0, 3, 7])
def test_an_interrupted_run_goes_on_there(
    number: int, background: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In row-wise steps, in NeuMF's with batch norms, in sweeps."""
    monkeypatch.setattr(checkpoints, "BACKGROUND_BYTES", 0 if background else 2**40)
    whole = run(CASES[number], None, "cuda")
    with pytest.raises(CrashError):
        run(CASES[number], saving(tmp_path, crash_after=5), "cuda")
    found = run(CASES[number], saving(tmp_path), "cuda")
    assert all(torch.equal(values, found.weights[name]) for name, values in whole.weights.items())


@pytest.mark.usefixtures("device")
def test_the_benchmark_of_a_gpu_runs_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time on such a machine is dear."""
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setitem(measure.COPIED_BYTES, "cuda", 2**16)
    options = measure.Options(60, 40, 600, batch=200, epochs=1, model=measure.Model(4, 8, (16, 8)))
    found = {row["name"].rpartition(": ")[2]: row for row in measure.rows(options, "cuda")}
    assert found["samples/s"]["value"] > 0
    assert [name for name, row in found.items() if not row["ok"]] == ["samples/s"], "no negative is a positive"


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
