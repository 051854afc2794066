"""An interrupted run ends with the bits of an uninterrupted one, and nothing else is resumed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.trainer.test_families import data_for, model, questions, training
from tests.unit.trainer.test_jobs import Job, job  # noqa: F401  a fixture

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
    ("ExplicitALS", {}, {"epochs": 7}),
    ("NMF", {}, {"epochs": 7}),
    ("ProbabilisticMF", {"leastSquares": {"solver": "ConjugateGradient"}}, {"epochs": 7}),
]
ALTERNATING = CASES[6]


def run(case: tuple[str, dict[str, object], dict[str, object]], checkpoints: Checkpoints | None) -> Fitted:
    family, of_model, of_training = case
    positives = data_for(family)
    settings = training(family, **{"epochs": 2, **of_training})
    return fit(model(family, **of_model), settings, positives, questions(positives), "cpu", checkpoints=checkpoints)


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
    assert set(RECORDED) == {"device", "instructions", "precision", "threads", "torch", "trainer"}


def long(family: str) -> dict[str, Any]:
    """So long that whoever waits for the first epoch is there before the last."""
    if family == "NeuMF":
        return {"training.epochs": 25, "training.patience": 25}
    training = {"epochs": 300, "patience": 300}
    return {"model": {"architecture": family, "embeddingDim": 8}, "training": training}


def terminated(job: Job, **changes: Any) -> None:  # noqa: F811
    """A training that got SIGTERM after its first epoch."""
    job("prepare", **changes)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "recsys_trainer.cli", "train"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        assert '"epoch": 1' in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        assert process.wait(120) == 143


@pytest.mark.parametrize("family", ["NeuMF", "ImplicitALS", "NMF"])
def test_sigterm_leaves_a_checkpoint_exits_with_143_and_the_next_attempt_ends_the_same(
    family: str,
    job: Job,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    changes = long(family) | {"training.checkpointSeconds": 86400}
    elsewhere = {"versionUri": f"file://{tmp_path}/whole"}
    for verb in ("prepare", "train"):
        _, whole = job(verb, run_file=elsewhere, **changes)
    terminated(job, **changes)
    assert (tmp_path / "version" / INDEX).exists()
    capsys.readouterr()
    code, found = job("train", **changes, **{"training.deadlineSeconds": 60})
    assert '{"note": "resumed at epoch ' in capsys.readouterr().err
    assert (code, found.digest) == (0, whole.digest), "bitwise: the digest covers the weights"
    assert not (tmp_path / "version" / FOLDER).exists()
    summary = json.loads((tmp_path / "version/reports/training.json").read_text())
    assert (summary["resumes"], summary["resumeExact"]) == (1, True)


@pytest.mark.parametrize("setting", [{"model.regularization": 0.5}, {"training.seed": 1}])
def test_a_checkpoint_of_other_settings_is_not_gone_on_from(
    setting: dict[str, Any],
    job: Job,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminated(job, **long("ImplicitALS"))
    capsys.readouterr()
    code, _ = job("train", **{**long("ImplicitALS"), **setting})
    assert code == 0
    told = capsys.readouterr().err
    assert (
        "checkpoint.json is of another manifest or snapshot: it is ignored, training starts from the beginning" in told
    )
    summary = json.loads((tmp_path / "version/reports/training.json").read_text())
    assert (summary["resumes"], summary["history"][0]["epoch"]) == (0, 1)


@pytest.mark.parametrize("family", ["NeuMF", "ImplicitALS"])
def test_other_instructions_go_on_near_an_uninterrupted_run_and_say_that_the_bits_are_not_the_same(
    family: str,
    job: Job,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changes = long(family)
    elsewhere = {"versionUri": f"file://{tmp_path}/whole"}
    for verb in ("prepare", "train"):
        job(verb, run_file=elsewhere, **changes)
    monkeypatch.setenv(
        "ATEN_CPU_CAPABILITY", "default"
    )  # the process that is terminated computes as an older CPU would
    terminated(job, **changes)
    assert job("train", **changes)[0] == 0
    reports = (tmp_path / name / "reports/training.json" for name in ("whole", "version"))
    whole, found = (json.loads(report.read_text()) for report in reports)
    assert (found["resumes"], found["resumeExact"]) == (1, False)
    assert found["resumeDifferences"] == [f"instructions: DEFAULT, then {RECORDED['instructions']}"]
    for name, relative, absolute in (("loss", 0.02, 0.0), ("ndcg@10", 0.0, 0.02)):
        expected = [each[name] for each in whole["history"]]
        assert [each[name] for each in found["history"]] == pytest.approx(expected, rel=relative, abs=absolute)
