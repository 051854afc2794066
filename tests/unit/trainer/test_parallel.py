"""Two processes train as one would: the same batches, the same loss, one checkpoint, one exit code."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.trainer.conftest import Job, Manifest
from tests.unit.trainer.test_families import data_for, model, training
from tests.unit.trainer.trained_together import outcome
from torch.distributed import TCPStore

from recsys_trainer.errors import ManifestError, PeerError, UnreadableError
from recsys_trainer.fit import fit
from recsys_trainer.negatives import NegativeSampler
from recsys_trainer.parallel import ALONE, COMPLETE, Place, Workers, joined, place_of_process

SCRIPT = Path(__file__).with_name("trained_together.py")
SECONDS = 300


def test_who_a_process_is_comes_from_torchrun_or_from_the_job() -> None:
    torchrun = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "JOB_COMPLETION_INDEX": "0", "RECSYS_NODES": "2"}
    assert place_of_process(torchrun) == Place(3, 4, 1)
    assert place_of_process({"JOB_COMPLETION_INDEX": "1", "RECSYS_NODES": "2"}) == Place(1, 2, 0)
    assert place_of_process({"JOB_COMPLETION_INDEX": "0"}) == Place()
    assert place_of_process({}) == Place()


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"RANK": "x", "WORLD_SIZE": "2"}, "RANK=x: is no number; start the processes with torchrun"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK=2: must be below WORLD_SIZE=2"),
    ],
)
def test_an_environment_that_cannot_be_is_refused(environment: dict[str, str], line: str) -> None:
    with pytest.raises(ManifestError) as caught:
        place_of_process(environment)
    assert caught.value.line == line


@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_shares_of_a_batch_are_even_and_make_it_up(world: int) -> None:
    batch = list(range(17))
    parts = [batch[Workers(Place(rank, world)).share(len(batch))] for rank in range(world)]
    assert [each for part in parts for each in part] == batch
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_part_of_a_batch_gets_the_negatives_that_it_would_get_in_the_whole() -> None:
    positives = data_for("GMF")
    sampler = NegativeSampler.of(positives.indptr, positives.indices, positives.items, "cpu")
    users = torch.arange(positives.users)
    whole = sampler.draw(users, 4, torch.Generator().manual_seed(3))
    part = sampler.draw(users[10:25], 4, torch.Generator().manual_seed(3), (10, len(users)))
    assert torch.equal(part, whole[10:25])


def test_a_family_that_is_not_trained_in_steps_says_so() -> None:
    with pytest.raises(
        ManifestError,
        match=r"^spec.training.nodes: there are 2 processes, and ImplicitALS is trained in one; set nodes: 1",
    ):
        fit(
            model("ImplicitALS"),
            training("ImplicitALS"),
            data_for("ImplicitALS"),
            None,
            "cpu",
            workers=Workers(Place(0, 2)),
        )


def test_negatives_of_the_batch_itself_are_refused_where_nobody_has_the_whole_batch() -> None:
    settings = training("GMF", loss={"type": "SampledSoftmax", "sampling": "InBatch"})
    with pytest.raises(ManifestError, match=r"^spec.training.loss.sampling: is InBatch, and each of 2 processes"):
        fit(model("GMF"), settings, data_for("GMF"), None, "cpu", workers=Workers(Place(0, 2)))


def test_who_waits_in_vain_says_for_whom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(free_port()))
    with (
        pytest.raises(PeerError, match=r"^not all of 2 processes came; see whether its pod runs"),
        joined(Place(0, 2), "cpu", 0.1),
    ):
        pass
    monkeypatch.delenv("MASTER_PORT")
    with (
        pytest.raises(ManifestError, match=r"^MASTER_PORT: not set, and there are 2 processes"),
        joined(Place(1, 2), "cpu"),
    ):
        pass


def test_a_second_life_waits_for_a_new_meeting_point(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(port))
    old = TCPStore("127.0.0.1", port, 2, True, wait_for_workers=False)
    for key in ("0/0", "0/1", f"0/{COMPLETE}"):
        old.set(key, "")
    with pytest.raises(PeerError, match="rank 0 has not noticed it yet"), joined(Place(1, 2), "cpu", 0.1):
        pass


def test_processes_that_find_different_checkpoints_do_not_go_on() -> None:
    class Two(Workers):
        def _of_all(self, numbers: Sequence[int]) -> list[tuple[int, ...]]:
            return [(3, 7), tuple(numbers)]

    Two(Place(1, 2)).refuse_different((3, 7))
    with pytest.raises(UnreadableError, match="do not find the same checkpoint; all must read and write one store"):
        Two(Place(1, 2)).refuse_different((1, 0))


CASES: dict[str, dict[str, Any]] = {
    "tables with Adam": {"family": "NeuMF", "training": {"loss": {"type": "BCE", "negatives": 4}}},
    "rows with Adagrad": {
        "family": "MatrixFactorization",
        "training": {"optimizer": {"type": "RowWiseAdagrad"}, "loss": {"type": "BCE", "negatives": 4}},
    },
    "rows and layers": {"family": "MLP", "training": {"optimizer": {"type": "RowWiseAdagrad", "weightDecay": 0.01}}},
    "negatives that the batch shares": {
        "family": "MatrixFactorization",
        "training": {"loss": {"type": "SampledSoftmax"}},
    },
    "users of different size": {"family": "MatrixFactorization", "training": {"loss": {"type": "CrossEntropy"}}},
    "ratings and biases": {"family": "BiasedMF", "training": {"optimizer": {"type": "RowWiseAdagrad"}}},
    "a batch of one": {"family": "GMF", "training": {"batchSize": 5, "epochs": 1}},
    "batch norms of a share": {"family": "MLP", "model": {"batchNorm": True}, "training": {}, "within": 0.1},
    "pre-training": {"family": "NeuMF", "model": {"pretraining": {"epochs": 1}}, "training": {}},
}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def of_torchrun(rank: int) -> dict[str, str]:
    """Environment of one of two processes."""
    return {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}


@contextmanager
def both(
    command: list[str], environment: Callable[[int], dict[str, str]] = of_torchrun
) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes; none is left behind."""
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "GLOO_SOCKET_IFNAME": "lo"}
    each_has = [os.environ | common | environment(rank) for rank in range(2)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    started = [subprocess.Popen(command, env=has, text=True, **pipes) for has in each_has]
    try:
        yield started
    finally:
        for each in started:
            each.kill()
            each.communicate()


def ended(started: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """(exit code, standard output, standard error) of each."""
    said = [each.communicate(timeout=SECONDS) for each in started]
    return [(each.returncode, *texts) for each, texts in zip(started, said, strict=True)]


def test_two_processes_give_the_losses_and_weights_of_one(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), json.dumps(list(CASES.values())), str(tmp_path)]
    with both(command) as started:
        alone = [outcome(case, ALONE) for case in CASES.values()]
        assert [code for code, _, _ in ended(started)] == [0, 0]
    together, other = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    for name, whole, first, second in zip(CASES, alone, together, other, strict=True):
        within = CASES[name].get("within", 1e-4)
        assert first["losses"] == pytest.approx(whole["losses"], rel=within), name
        assert first["losses"] == second["losses"], name
        for tensor, values in whole["weights"].items():
            assert torch.equal(first["weights"][tensor], second["weights"][tensor]), f"{name}: {tensor}"
            if "within" not in CASES[name]:
                torch.testing.assert_close(first["weights"][tensor], values, rtol=1e-2, atol=1e-4)


def fit_command(manifest: Path, output: Path) -> list[str]:
    return [sys.executable, "-m", "recsys_trainer.cli", "fit", "-f", str(manifest), "--output", str(output)]


def test_a_fit_under_torchrun_writes_once_and_says_so(write_manifest: Manifest, tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={free_port()}"]
    command = [*torchrun, *fit_command(write_manifest(), tmp_path / "out")[1:]]
    environment = os.environ | {"GLOO_SOCKET_IFNAME": "lo"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("gates: none") == 1, "one of them prints"
    summary = json.loads((tmp_path / "out/reports/training.json").read_text())
    assert (summary["processes"], summary["message"]) == (2, "")
    assert not (tmp_path / "out/checkpoint").exists()


def test_two_pods_of_a_job_train_together_and_pod_0_reports(job: Job, tmp_path: Path) -> None:
    assert job("prepare", **{"training.nodes": 2})[0] == 0
    (tmp_path / "termination-log").unlink()

    def of_pod(index: int) -> dict[str, str]:
        log = str(tmp_path / f"log-{index}")
        return {"JOB_COMPLETION_INDEX": str(index), "RECSYS_NODES": "2", "RECSYS_TERMINATION_LOG": log}

    command = [sys.executable, "-m", "recsys_trainer.cli", "train"]
    with both(command, of_pod) as started:
        assert [code for code, _, _ in ended(started)] == [0, 0]
    result = json.loads((tmp_path / "log-0").read_text())
    assert (result["kind"], result["message"]) == ("train", "")
    assert not (tmp_path / "log-1").exists()
    late = subprocess.run(command, env=os.environ | of_pod(1), timeout=SECONDS, capture_output=True, check=False)
    assert late.returncode == 0, "a pod that starts again when all is done has nobody to wait for"


def line_with(text: str, process: subprocess.Popen[str]) -> str:
    """The first line of standard error that has a text."""
    assert process.stderr is not None
    while text not in (line := process.stderr.readline()):
        assert line, f"it ended without {text}"
    return line


@pytest.mark.parametrize("asked", [0, 1])
def test_sigterm_on_any_leaves_one_checkpoint_that_all_go_on_from(
    asked: int, write_manifest: Manifest, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    command = fit_command(write_manifest(**{"training.epochs": 1000, "training.patience": 1000}), output)
    for sign in ('"epoch"', "resumed at epoch"):
        with both(command) as started:
            assert "not on the same machine" not in line_with(sign, started[0])
            line_with('"epoch"', started[0])  # the end of an epoch: both take steps
            started[asked].send_signal(signal.SIGTERM)
            assert [code for code, _, _ in ended(started)] == [143, 143]
        files = sorted(each.suffix for each in (output / "checkpoint").iterdir())
        assert files == [".json", ".safetensors"], "the index and one state"


def test_who_loses_the_others_says_so_in_one_line(write_manifest: Manifest, tmp_path: Path) -> None:
    command = fit_command(write_manifest(**{"training.epochs": 1000, "training.patience": 1000}), tmp_path / "out")
    with both(command) as started:
        line_with('"epoch": 2', started[0])
        started[1].kill()
        code, _, said = ended(started[:1])[0]
    assert code == 1
    assert "error: another process of this training is gone" in said.splitlines()[-1]
