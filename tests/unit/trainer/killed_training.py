"""Trains in children that kill themselves at random steps, or in the middle of writing a checkpoint; prints what came of it.

Run by test_checkpoints.py. The parent computes nothing with torch, so that its children have threads of their own.
"""

import json
import os
import random
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import recsys_trainer  # noqa: F401  first: it sets OpenMP's wait policy before torch is loaded

sys.path.insert(0, str(Path(__file__).parents[3]))

import torch
from tests.unit.trainer.test_families import data_for, model, training

from recsys_trainer import checkpoints as saved
from recsys_trainer.fit import fit
from recsys_trainer.store import Store
from recsys_trainer.tensor_file import write_tensors

KILLS, STEPS = 10, 24


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal(saved.Checkpoints):
    """Dies after some saves, or while it writes one."""

    def __init__(self, folder: Path, life: int, while_writing: bool) -> None:
        identity = saved.Identity("run", {})
        super().__init__(Store(f"file://{folder}"), identity, 1e-9)
        self._life, self._while_writing = life, while_writing

    def save(self, *arguments: Any, **options: Any) -> None:
        self._life -= 1
        if self._life == 0 and self._while_writing:
            saved.write_tensors = cut  # the half of a file
        super().save(*arguments, **options)
        if self._life == 0:
            die()


def cut(file: Any, *arguments: Any) -> str:
    digest = write_tensors(file, *arguments)
    file.truncate(file.tell() // 2)
    die()
    return digest


def train(threads: int, to: Path, checkpoints: saved.Checkpoints | None) -> None:
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    settings = training("MatrixFactorization", optimizer={"type": "RowWiseAdagrad"}, loss={"type": "BCE"}, epochs=2)
    found = fit(model("MatrixFactorization"), settings, data_for("GMF"), None, "cpu", checkpoints=checkpoints)
    torch.save(found.weights, to)


def again(threads: int, to: Path, checkpoints: Callable[[], saved.Checkpoints]) -> None:
    train(threads, to, checkpoints())


def in_child(act: Callable[[], None]) -> int:
    """How a child ended that did it."""
    child = os.fork()
    if child == 0:
        act()
        os._exit(0)
    return os.waitpid(child, 0)[1]


def main(threads: int, folder: Path) -> None:
    chance, kills, end = random.Random(threads), 0, -1
    assert in_child(lambda: train(threads, folder / "whole.pt", None)) == 0
    while end != 0:
        life = chance.randrange(1, STEPS // KILLS + 1) if kills < KILLS else 0
        mortal = partial(Mortal, folder, life, chance.random() < 0.3)
        end = in_child(partial(again, threads, folder / "found.pt", mortal))
        kills += end == signal.SIGKILL
        assert end in (0, signal.SIGKILL)
    whole, found = torch.load(folder / "whole.pt"), torch.load(folder / "found.pt")
    print(json.dumps({"kills": kills, "equal": all(torch.equal(whole[name], found[name]) for name in whole)}))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
