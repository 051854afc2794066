"""Saving beside the training: what is saved is the state of then, and nobody waits for it but who must."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from recsys_trainer import checkpoints
from recsys_trainer.background import Background
from recsys_trainer.checkpoints import FOLDER, INDEX, Checkpoints, Identity
from recsys_trainer.errors import UnreadableError
from recsys_trainer.store import Store
from recsys_trainer.tensor_file import write_tensors

SECONDS = 20.0


class Gate:
    """Writing waits for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open, self.entered, self.error = threading.Event(), threading.Event(), None
        monkeypatch.setattr(checkpoints, "BACKGROUND_BYTES", 0)
        monkeypatch.setattr(checkpoints, "write_tensors", self._write)

    error: Exception | None

    def _write(self, file: Any, tensors: Any, look: Callable[[], None]) -> str:
        self.entered.set()
        if threading.current_thread() is not threading.main_thread():
            while not self.open.wait(0.01):
                look()
            if self.error is not None:
                raise self.error
        return write_tensors(file, tensors, look)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def begun(folder: Path) -> Checkpoints:
    """Every look at the clock a second passes."""
    ticks = iter(range(10**6))
    saved = Checkpoints(Store(f"file://{folder}"), Identity("run", {}), 1.0, clock=lambda: float(next(ticks)))
    saved.begin()
    return saved


def state(value: float) -> dict[str, torch.Tensor]:
    return {"table": torch.full((3,), value)}


def found(folder: Path) -> tuple[Any, float]:
    """(step, value) that another process would go on from."""
    resumed = begun(folder).resumed()
    assert resumed is not None
    meta, tensors = resumed
    return meta["step"], float(dict(tensors)["table"][0])


def test_what_is_saved_is_the_state_of_then(gate: Gate, tmp_path: Path) -> None:
    saved, tensors, meta = begun(tmp_path), state(1.0), {"epoch": 1, "step": 5, "history": [1]}
    saved.save(meta, tensors)
    assert gate.entered.wait(SECONDS)
    tensors["table"].fill_(2.0)
    meta["history"].append(2)  # type: ignore[attr-defined]
    assert not saved.due(), "one at a time"
    gate.open.set()
    saved.finish({}, {})
    assert found(tmp_path) == (5, 1.0)
    assert json.loads((tmp_path / INDEX).read_text())["current"]["meta"]["history"] == [1]


def test_who_must_end_does_not_wait_for_an_older_state(gate: Gate, tmp_path: Path) -> None:
    saved = begun(tmp_path)
    saved.save({"epoch": 1, "step": 5}, state(1.0))
    assert gate.entered.wait(SECONDS)
    saved.save({"epoch": 1, "step": 6}, state(2.0), now=True)
    assert found(tmp_path) == (6, 2.0)
    assert len(list((tmp_path / FOLDER).iterdir())) == 2, "nothing is left of the other"


def test_a_save_that_fails_ends_the_training(gate: Gate, tmp_path: Path) -> None:
    saved, gate.error = begun(tmp_path), UnreadableError("no space is left; free some")
    saved.save({"epoch": 1, "step": 5}, state(1.0))
    gate.open.set()
    with pytest.raises(UnreadableError, match="no space is left"):
        saved.finish({}, {})


def test_without_memory_for_a_copy_the_training_waits(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "free_memory", lambda _: 20)
    saved = begun(tmp_path)
    saved.save({"epoch": 1, "step": 5}, state(1.0))
    assert found(tmp_path) == (5, 1.0)


def test_a_work_that_was_given_up_leaves_no_error_and_no_mark() -> None:
    background, began = Background(), threading.Event()

    def work() -> None:
        began.set()
        while True:
            background.look()

    background.start(work)
    assert began.wait(SECONDS)
    background.cancel()
    assert not background.busy
    background.start(background.look)
    background.settle()
