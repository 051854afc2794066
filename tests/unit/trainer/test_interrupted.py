"""A training that got SIGTERM or Ctrl-C leaves a checkpoint, and the next attempt goes on from it."""

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
from tests.unit.trainer.conftest import Job, Manifest

from recsys_trainer import cli
from recsys_trainer.checkpoints import FOLDER, INDEX
from recsys_trainer.errors import PeerError
from recsys_trainer.stopping import Interrupted, Terminated, postponed

TERMINATES_ITSELF = """
import os, signal, sys
from recsys_trainer import cli

def lines():
    def progress(epoch):
        if epoch.epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)
    return progress

cli.lines = lines
sys.exit(cli.main(["train"]))
"""
"""After its first epoch: whoever sent the signal from outside might come after the last."""

INTERRUPTS_ITSELF = """
import atexit, os, signal, sys
from recsys_trainer import cli

def lines():
    def progress(epoch):
        if epoch.epoch == 1:
            for _ in range(int(sys.argv[1])):
                signal.raise_signal(signal.SIGINT)
    return progress

cli.lines = lines
signal.signal(signal.SIGINT, signal.default_int_handler)  # as at a terminal, wherever the tests run
if "ONCE_MORE" in os.environ:
    atexit.register(signal.raise_signal, signal.SIGINT)
sys.exit(cli.main(sys.argv[2:]))
"""
"""The same by Ctrl-C, as often as the first argument says."""
ENDS = "note: Ctrl-C ends the step and saves; once more ends at once\n"


def settings(family: str) -> dict[str, Any]:
    if family == "NeuMF":
        return {"training.epochs": 6, "training.patience": 6}
    return {"model": {"architecture": family, "embeddingDim": 8}, "training": {"epochs": 20, "patience": 20}}


def terminated(job: Job, **changes: Any) -> None:
    """A training that got SIGTERM after its first epoch."""
    job("prepare", **changes)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", TERMINATES_ITSELF], env=environment, capture_output=True, check=False)
    assert run.returncode == 143, run.stderr.decode()
    assert run.stderr.decode().endswith("error: terminated by SIGTERM: saved; the same command goes on there\n")


@pytest.mark.parametrize("family", ["NeuMF", "ImplicitALS", "NMF"])
def test_sigterm_leaves_a_checkpoint_exits_with_143_and_the_next_attempt_ends_the_same(
    family: str,
    job: Job,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    changes = settings(family) | {"training.checkpointSeconds": 86400}
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


def interrupted(times: int, command: list[str], code: int = 130, **more: str) -> str:
    """What is said by a fit that Ctrl-C was pressed for after its first epoch."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | more
    whole = [sys.executable, "-c", INTERRUPTS_ITSELF, str(times), *command]
    run = subprocess.run(whole, env=environment, capture_output=True, check=False, text=True)
    assert run.returncode == code, run.stderr
    return run.stderr


@pytest.mark.parametrize("family", ["NeuMF", "ImplicitALS"])
def test_ctrl_c_saves_and_the_same_command_goes_on_there(family: str, write_manifest: Manifest, tmp_path: Path) -> None:
    manifest = write_manifest(**settings(family), **{"training.checkpointSeconds": 86400})
    whole, broken = (["fit", "-f", str(manifest), "--output", str(tmp_path / name)] for name in ("whole", "broken"))
    said = interrupted(1, broken)
    assert said.endswith(f"{ENDS}error: interrupted: saved; the same command goes on there\n")
    assert (tmp_path / "broken" / INDEX).exists()
    assert (cli.main(whole), cli.main(broken)) == (0, 0)
    found = [json.loads((tmp_path / name / "reports/training.json").read_text()) for name in ("whole", "broken")]
    assert [each["resumes"] for each in found] == [0, 1]
    assert found[0]["digest"] == found[1]["digest"]


def test_a_second_ctrl_c_ends_at_once(write_manifest: Manifest, tmp_path: Path) -> None:
    manifest = write_manifest(**{"training.checkpointSeconds": 86400})
    said = interrupted(2, ["fit", "-f", str(manifest), "--output", str(tmp_path / "out")])
    assert said.endswith(f"{ENDS}error: interrupted\n")
    assert not (tmp_path / "out" / INDEX).exists()


@pytest.mark.parametrize(
    ("times", "said_last"), [(1, "interrupted: saved; the same command goes on there"), (2, "interrupted")]
)
def test_ctrl_c_once_more_as_the_process_ends_is_no_traceback(
    write_manifest: Manifest, tmp_path: Path, times: int, said_last: str
) -> None:
    command = ["fit", "-f", str(write_manifest()), "--output", str(tmp_path / "out")]
    assert interrupted(times, command, -signal.SIGINT, ONCE_MORE="1").endswith(f"{ENDS}error: {said_last}\n")


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C as at a terminal, then again as it was."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_torchrun_passes_on_a_ctrl_c_that_its_processes_have_got_and_ends_them_at_the_next(
    ctrl_c: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    with pytest.raises(Terminated), postponed() as stop:  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert isinstance(stop.end(), Interrupted)
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize(("pressed", "raised"), [(True, KeyboardInterrupt), (False, PeerError)])
def test_that_another_process_was_faster_to_end_is_told_only_where_nobody_asked_for_it(
    ctrl_c: None, pressed: bool, raised: type[BaseException]
) -> None:
    with pytest.raises(raised), postponed():  # noqa: PT012
        if pressed:
            signal.raise_signal(signal.SIGINT)
        raise PeerError("gone")


def test_ctrl_c_that_the_shell_has_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with postponed() as stop:
            signal.raise_signal(signal.SIGINT)
            assert not stop.asked
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("setting", [{"model.regularization": 0.5}, {"training.seed": 1}])
def test_a_checkpoint_of_other_settings_is_not_gone_on_from(
    setting: dict[str, Any],
    job: Job,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminated(job, **settings("ImplicitALS"))
    capsys.readouterr()
    code, _ = job("train", **{**settings("ImplicitALS"), **setting})
    assert code == 0
    told = capsys.readouterr().err
    assert (
        "checkpoint.json is of another manifest or snapshot: it is ignored, training starts from the beginning" in told
    )
    summary = json.loads((tmp_path / "version/reports/training.json").read_text())
    assert (summary["resumes"], summary["history"][0]["epoch"]) == (0, 1)


INSTRUCTIONS = f"instructions: DEFAULT, then {torch.backends.cpu.get_cpu_capability()}"
MKL_SETTING = "librarySettings: MKL_CBWR=COMPATIBLE, then none"


@pytest.mark.parametrize(
    ("family", "name", "value", "differs"),
    [
        ("NeuMF", "ATEN_CPU_CAPABILITY", "default", INSTRUCTIONS),
        ("ImplicitALS", "ATEN_CPU_CAPABILITY", "default", INSTRUCTIONS),
        ("NeuMF", "MKL_CBWR", "COMPATIBLE", MKL_SETTING),
    ],
)
def test_other_instructions_go_on_near_an_uninterrupted_run_and_say_that_the_bits_are_not_the_same(
    family: str,
    name: str,
    value: str,
    differs: str,
    job: Job,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changes = settings(family)
    elsewhere = {"versionUri": f"file://{tmp_path}/whole"}
    for verb in ("prepare", "train"):
        job(verb, run_file=elsewhere, **changes)
    monkeypatch.setenv(name, value)  # the process that is terminated computes as an older CPU would
    terminated(job, **changes)
    monkeypatch.delenv(name)
    assert job("train", **changes)[0] == 0
    reports = (tmp_path / place / "reports/training.json" for place in ("whole", "version"))
    whole, found = (json.loads(report.read_text()) for report in reports)
    assert (found["resumes"], found["resumeExact"]) == (1, False)
    assert found["resumeDifferences"] == [differs]
    for figure, relative, absolute in (("loss", 0.02, 0.0), ("ndcg@10", 0.0, 0.02)):
        expected = [each[figure] for each in whole["history"]]
        assert [each[figure] for each in found["history"]] == pytest.approx(expected, rel=relative, abs=absolute)
