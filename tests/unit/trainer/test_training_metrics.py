"""/metrics of a training while it runs."""

import io
import re
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.loopbacks import IPV4, LOOPBACKS
from tests.unit.trainer.conftest import Job, Manifest
from tests.unit.trainer.test_parallel import both, ended, free_port

from recsys_api.listening import EVERYWHERE, in_url
from recsys_api.telemetry import METRICS_PORT_VARIABLE
from recsys_trainer import cli
from recsys_trainer.crowding import Waits
from recsys_trainer.progress import Bar, EpochProgress, silent, within
from recsys_trainer.training_metrics import LOOPBACK, TrainingMetrics, published

NOT_KNOWN = {"recsys_training_loss", "recsys_training_epoch", "recsys_training_validation_ndcg"}
OTHER_LOOPBACK = "127.0.0.2"
"""Reaches who listens everywhere, and not who listens at 127.0.0.1."""


def scraped(port: int, host: str = LOOPBACK) -> dict[str, float]:
    with urlopen(f"http://{in_url(host)}:{port}/metrics", timeout=30) as answer:
        page = answer.read().decode()
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    assert not [sample for sample in samples if sample.name.startswith("recsys_") and sample.labels]
    return {sample.name: sample.value for sample in samples if not sample.labels}


class Watching(io.StringIO):
    """Standard error that looks at something whenever an epoch is told."""

    def __init__(self, look: Callable[[], Any]) -> None:
        super().__init__()
        self._look = look
        self.seen: list[Any] = []

    def write(self, text: str) -> int:
        if '"epoch":' in text:
            self.seen.append(self._look())
        return super().write(text)


def refused(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex((LOOPBACK, port)) != 0


def ignored(note: str) -> None:
    raise AssertionError(note)


def test_what_is_not_known_is_no_series() -> None:
    told: list[EpochProgress] = []
    port = free_port()
    with published(told.append, port, LOOPBACK, ignored) as progress:
        before = scraped(port)
        within(progress, 1, 3, 0.25)
        assert scraped(port)["recsys_training_epoch_progress_ratio"] == 0.25
        progress(EpochProgress(1, 3, 0.5, None, 1000.0, 2.0, best=True))
        after = scraped(port)
        progress(EpochProgress(2, 3, 0.4, 0.25, 500.0, 2.0, best=True, rmse=0.9))
        last = scraped(port)
    assert before["recsys_training_samples_total"] == 0
    waited = [each.pop("recsys_training_cpu_wait_seconds_total") for each in (before, after, last)]
    assert 0 <= waited[0] <= waited[1] <= waited[2]
    assert before["process_resident_memory_bytes"] > 2**20
    assert not NOT_KNOWN & set(before)
    assert after["recsys_training_epoch_progress_ratio"] == 0
    assert "recsys_training_validation_ndcg" not in after
    shown = {name.removeprefix("recsys_training_"): value for name, value in last.items() if "training" in name}
    assert shown == {
        "epoch": 2, "epochs": 3, "epoch_seconds": 2, "epoch_progress_ratio": 0, "samples_total": 3000,
        "samples_per_second": 500, "loss": 0.4, "validation_ndcg": 0.25, "validation_rmse": 0.9,
    }  # fmt: skip
    assert [epoch.epoch for epoch in told] == [1, 2]
    assert refused(port), "it ends with the training"


class Overtaken(Waits):
    """Another scrape begins just before its first look."""

    def __init__(self, tasks: Path, scrape: Callable[[], Any]) -> None:
        super().__init__(tasks)
        self.other = threading.Thread(target=scrape)

    def seconds(self) -> float:
        if self.other.ident is None:
            self.other.start()
            self.other.join(timeout=0.2)  # it is over, or it waits for this one
        return super().seconds()


def test_scrapes_at_the_same_instant_count_a_wait_once(tmp_path: Path) -> None:
    def waited() -> float:
        (found,) = [each for each in metrics.collect() if each.name == "recsys_training_cpu_wait_seconds"]
        return found.samples[0].value

    said = tmp_path / "1/schedstat"
    said.parent.mkdir()
    said.write_text("0 7000000000 0")
    waits = Overtaken(tmp_path, waited)
    metrics = TrainingMetrics(silent, waits)
    said.write_text("0 8000000000 0")
    assert waited() == 1
    waits.other.join()
    said.write_text("0 10000000000 0")
    assert waited() == 3


@pytest.mark.parametrize(("address", "hosts"), [(EVERYWHERE, LOOPBACKS), (LOOPBACK, (IPV4,))])
def test_the_page_is_there_by_every_family_of_its_address(address: str, hosts: tuple[str, ...]) -> None:
    port = free_port()
    with published(silent, port, address, ignored):
        assert [scraped(port, host)["recsys_training_samples_total"] for host in hosts] == [0] * len(hosts)


def test_a_bar_is_still_drawn() -> None:
    stream = io.StringIO()
    with published(Bar(stream, lambda: 1.0), free_port(), LOOPBACK, ignored) as progress:
        within(progress, 1, 3, 0.5)
    assert "50%" in stream.getvalue()


def test_a_fit_answers_on_this_machine_alone_while_it_trains(
    write_manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    watching = Watching(lambda: scraped(port))
    monkeypatch.setattr(sys, "stderr", watching)
    command = ["fit", "-f", str(write_manifest()), "--output", str(tmp_path / "out"), "--metrics-port", str(port)]
    assert cli.main(command) == 0
    assert [page["recsys_training_epoch"] for page in watching.seen] == [1, 2, 3]
    samples = [page["recsys_training_samples_total"] for page in watching.seen]
    assert samples == [samples[0], 2 * samples[0], 3 * samples[0]]
    assert 0 < watching.seen[2]["recsys_training_validation_ndcg"] < 1
    assert refused(port)


def test_without_the_option_nothing_listens(
    write_manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv(METRICS_PORT_VARIABLE, str(port))  # of a pod; a person asks by the option
    watching = Watching(lambda: refused(port))
    monkeypatch.setattr(sys, "stderr", watching)
    assert cli.main(["fit", "-f", str(write_manifest()), "--output", str(tmp_path / "out")]) == 0
    assert watching.seen == [True] * 3


def test_a_training_pod_answers_everybody(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    assert job("prepare")[0] == 0
    port = free_port()
    watching = Watching(lambda: scraped(port, OTHER_LOOPBACK))
    monkeypatch.setattr(sys, "stderr", watching)
    monkeypatch.setenv(METRICS_PORT_VARIABLE, str(port))
    assert job("train")[0] == 0
    assert [page["recsys_training_epoch"] for page in watching.seen] == [1, 2, 3]


@pytest.mark.parametrize(
    ("busy", "line"),
    [
        (True, r'\{"note": "no metrics: port \d+ cannot be had \(Address already in use\); choose a free one"\}'),
        (
            False,
            r'\{"note": "no metrics: RECSYS_METRICS_PORT=70000 is no port; set a number up to 65535, 0 for none"\}',
        ),
    ],
)
def test_a_port_that_cannot_be_had_ends_no_training(
    job: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], busy: bool, line: str
) -> None:
    assert job("prepare")[0] == 0
    with socket.create_server(("0.0.0.0", 0)) as listening:
        monkeypatch.setenv(METRICS_PORT_VARIABLE, str(listening.getsockname()[1]) if busy else "70000")
        capsys.readouterr()
        assert job("train")[0] == 0
    notes = [each for each in capsys.readouterr().err.splitlines() if "note" in each]
    assert len(notes) == 1
    assert re.fullmatch(line, notes[0])


def test_a_port_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["fit", "-f", "x", "--output", "y", "--metrics-port", "65536"])
    assert caught.value.code == 2
    assert "65536 is no port; give a number up to 65535, 0 for none" in capsys.readouterr().err


def test_of_several_processes_the_first_one_answers(write_manifest: Manifest, tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "recsys_trainer.cli", "fit", "-f", str(write_manifest(**{"training.epochs": 1}))),
        *("--output", str(tmp_path / "out"), "--metrics-port", str(free_port())),
    ]
    with both(command) as started:
        found = ended(started)
    assert [code for code, _, _ in found] == [0, 0]
    assert not [error for _, _, error in found if "no metrics" in error], "a second one would find the port taken"
