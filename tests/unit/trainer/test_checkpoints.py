"""An interrupted run ends with the bits of an uninterrupted one, and nothing else is resumed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.trainer.test_families import data_for, model, questions, training, two_opinions

from recsys_api.spec.training import Training
from recsys_trainer import checkpoints
from recsys_trainer.checkpoints import FOLDER, INDEX, Checkpoints, Identity
from recsys_trainer.fit import fit
from recsys_trainer.fitting.task import Fitted
from recsys_trainer.store import Store
from recsys_trainer.training import environment

HERE = {"threads": "1"}
MARK = Identity("this run", HERE)


class CrashError(Exception):
    """The process is gone."""


def saving(folder: Path, told: list[str] | None = None, mark: Identity = MARK, crash_after: int = 0) -> Checkpoints:
    """Saves after every step; after some of them the process is gone."""
    saves = iter(range(1, crash_after + 1)) if crash_after else iter(())

    class Mortal(Checkpoints):
        def save(self, *arguments: Any, **options: Any) -> None:
            super().save(*arguments, **options)
            self._background.settle()
            if next(saves, None) == crash_after:
                raise CrashError

    ticks: Iterator[float] = iter(float(each) for each in range(10**9))
    tell = (lambda line: None) if told is None else told.append
    return Mortal(Store(f"file://{folder}"), mark, 1.0, tell, lambda: next(ticks))


CASES: list[tuple[str, dict[str, object], dict[str, object]]] = [
    ("MatrixFactorization", {}, {"optimizer": {"type": "RowWiseAdagrad"}, "loss": {"type": "BCE"}}),
    ("MatrixFactorization", {"dropout": 0.2}, {"loss": {"type": "CosineContrastive", "negatives": 4}}),
    ("BiasedMF", {}, {"optimizer": {"type": "RowWiseAdagrad"}}),
    ("NeuMF", {"batchNorm": True, "pretraining": {"epochs": 1}}, {}),
    ("MLP", {"dropout": 0.3}, {"optimizer": {"type": "RowWiseAdagrad"}}),
    ("GMF", {}, {"optimizer": {"type": "SGD"}}),
    (
        "ImplicitALS",
        {"embeddingDim": 2, "regularization": 0.1},
        {"epochs": 20, "patience": 20},
    ),  # its objective rises too
    ("ImplicitALS", {"leastSquares": {"solver": "BlockCoordinate"}}, {"epochs": 12, "patience": 6}),
    ("ImplicitALS", {"leastSquares": {"confidenceScale": 2.0}}, {"epochs": 12, "patience": 6}),
    ("ExplicitALS", {}, {"epochs": 7}),
    ("NMF", {}, {"epochs": 7}),
    ("ProbabilisticMF", {"leastSquares": {"solver": "ConjugateGradient"}}, {"epochs": 7}),
]
ALTERNATING = CASES[6]


def run(
    case: tuple[str, dict[str, object], dict[str, object]], checkpoints: Checkpoints | None, device: str = "cpu"
) -> Fitted:
    family, of_model, of_training = case
    positives = two_opinions() if "confidenceScale" in str(of_model) else data_for(family)
    settings = training(family, **{"epochs": 2, **of_training})
    return fit(model(family, **of_model), settings, positives, questions(positives), device, checkpoints=checkpoints)


@pytest.mark.parametrize(("background", "saves"), [(False, 3), (True, 3), (False, 2)])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{len(str(case))}")
def test_whatever_is_trained_goes_on_bit_by_bit(
    case: Any, background: bool, saves: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "BACKGROUND_BYTES", 0 if background else 2**40)
    whole, found, told, crashes = run(case, None), None, list[str](), 0
    while found is None:
        try:
            found = run(case, saving(tmp_path, told, crash_after=saves))
        except CrashError:
            crashes += 1
    assert crashes == len(told) > 1
    for name, values in whole.weights.items():
        assert torch.equal(values, found.weights[name]), name
    steady = [{name: entry[name] for name in ("epoch", "loss", "ndcg@10")} for entry in whole.history]
    assert [{name: entry[name] for name in steady[0]} for entry in found.history] == steady
    assert (found.samples, found.best_epoch) == (whole.samples, whole.best_epoch)


@pytest.mark.parametrize("threads", [1, 2])
def test_sigkill_at_random_steps_sweeps_and_writes_changes_no_bit(threads: int, tmp_path: Path) -> None:
    script = Path(__file__).with_name("killed_training.py")
    command = [sys.executable, str(script), str(threads), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    families = ("MatrixFactorization", "ImplicitALS", "ExplicitALS", "NMF", "ProbabilisticMF")
    assert json.loads(done.stdout) == {family: {"kills": 10, "equal": True} for family in families}


def crashed(folder: Path) -> None:
    with pytest.raises(CrashError):
        run(CASES[0], saving(folder, crash_after=5))


def test_a_finished_run_before_export_is_not_trained_again(tmp_path: Path) -> None:
    checkpoints = saving(tmp_path)
    first = run(CASES[0], checkpoints)
    again = run(CASES[0], saving(tmp_path, told := []))
    assert told == [f"resumed at epoch {first.epochs + 1}, step 0"]
    assert torch.equal(first.weights["user_factors"], again.weights["user_factors"])


def test_one_file_is_left_at_any_time_and_none_after_the_end(tmp_path: Path) -> None:
    crashed(tmp_path)
    assert len(list((tmp_path / FOLDER).iterdir())) == 2
    checkpoints = saving(tmp_path)
    checkpoints.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_fit_that_is_saved_as_it_ends_leaves_no_state_of_its_way(tmp_path: Path) -> None:
    checkpoints = saving(tmp_path)
    checkpoints.begin()
    checkpoints.save({"epoch": 1, "step": 2}, {"w": torch.ones(3)}, now=True)
    checkpoints.finish({"epochs": 1}, {"w": torch.zeros(3)}, now=True)
    names = {path.name for path in (tmp_path / FOLDER).iterdir()}
    assert names == {"checkpoint.json", "0-finished.safetensors"}


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "index", "format", "foreign"])
def test_what_is_damaged_or_foreign_is_ignored_with_one_line(damage: str, tmp_path: Path) -> None:
    crashed(tmp_path)
    (file,) = (tmp_path / FOLDER).glob("*.safetensors")
    content, index = file.read_bytes(), tmp_path / INDEX
    if damage == "flip":
        file.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    elif damage == "cut":
        file.write_bytes(content[:-1])
    elif damage == "gone":
        file.unlink()
    elif damage == "index":
        index.write_text(index.read_text()[:-1])
    elif damage == "format":
        index.write_text(json.dumps(json.loads(index.read_text()) | {"format": "recsys.dev/checkpoint/v0"}))
    mark = Identity("another run", HERE) if damage == "foreign" else MARK
    checkpoints = saving(tmp_path, told := [], mark)
    found = run(CASES[0], checkpoints)
    assert len(told) == 1
    assert told[0].endswith("it is ignored, training starts from the beginning")
    assert checkpoints.index.resumes == 0
    assert torch.equal(found.weights["user_factors"], run(CASES[0], None).weights["user_factors"])


RECORDED = environment(Training(), "cpu")


@pytest.mark.parametrize("case", [CASES[0], ALTERNATING], ids=lambda case: case[0])
@pytest.mark.parametrize("name", RECORDED)
def test_whatever_differs_is_named_and_training_goes_on(name: str, case: Any, tmp_path: Path) -> None:
    with pytest.raises(CrashError):
        run(case, saving(tmp_path, mark=Identity("this run", {**RECORDED, name: "other"}), crash_after=1))
    here = saving(tmp_path, told := [], Identity("this run", RECORDED), crash_after=1)
    with pytest.raises(CrashError):
        run(case, here)
    differs = f"{name}: other, then {RECORDED[name]}"
    assert len(told) == 1
    assert told[0].startswith("resumed at epoch ")
    assert told[0].endswith(f"; not the bits of an uninterrupted run ({differs})")
    back = saving(tmp_path, mark=Identity("this run", RECORDED))
    assert (back.index.exact, back.index.differences, back.index.resumes) == (False, [differs], 2), "it is remembered"


def test_what_a_checkpoint_does_not_record_differs(tmp_path: Path) -> None:
    crashed(tmp_path)
    found = saving(tmp_path, mark=Identity(MARK.key, HERE | {"instructions": "AVX2"}))
    assert found.index.differences == ["instructions: not recorded, then AVX2"]


def test_what_bits_depend_on_is_recorded() -> None:
    assert set(RECORDED) == {
        "device", "instructions", "libraries", "librarySettings", "precision", "threads", "torch", "trainer",
    }  # fmt: skip
