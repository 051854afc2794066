"""Trains in children that kill themselves after random steps or sweeps, or while they write a checkpoint; prints what came of it.

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

import numpy as np
import torch
from tests.unit.trainer.test_families import model, positives_of, training, two_tastes

from recsys_trainer import checkpoints as saved
from recsys_trainer.fit import fit
from recsys_trainer.store import Store
from recsys_trainer.tensor_file import write_tensors
from recsys_trainer.training_data import Positives

KILLS, SAVES = 10, 24
"""At least so many saves make a training."""
USERS, ITEMS, ENTRIES = 3000, 400, 20
"""Enough for torch to share the work among threads."""
CASES: dict[str, dict[str, object]] = {
    "MatrixFactorization": {"optimizer": {"type": "RowWiseAdagrad"}, "loss": {"type": "BCE"}, "epochs": 2},
    **{family: {"epochs": SAVES} for family in ("ImplicitALS", "ExplicitALS", "NMF", "ProbabilisticMF")},
}


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


def data(family: str) -> Positives:
    if family == "MatrixFactorization":
        return two_tastes()
    random = np.random.default_rng(0)
    rows = [np.sort(random.choice(ITEMS, ENTRIES, replace=False)) for _ in range(USERS)]
    return positives_of(rows, random.integers(1, 6, USERS * ENTRIES).astype(np.float32), ITEMS)


def train(family: str, threads: int, to: Path, checkpoints: saved.Checkpoints | None) -> None:
    torch.set_num_threads(threads)
    settings = training(family, **CASES[family])
    found = fit(model(family), settings, data(family), None, "cpu", checkpoints=checkpoints)
    torch.save(found.weights, to)


def again(family: str, threads: int, to: Path, checkpoints: Callable[[], saved.Checkpoints]) -> None:
    train(family, threads, to, checkpoints())


def in_child(act: Callable[[], None]) -> int:
    """How a child ended that did it."""
    child = os.fork()
    if child == 0:
        act()
        os._exit(0)
    return os.waitpid(child, 0)[1]


def survived(family: str, threads: int, folder: Path) -> dict[str, object]:
    """How often it was killed, and whether its weights are those of a training that was not."""
    chance, kills, end = random.Random(threads), 0, -1
    whole, found = folder / "whole.pt", folder / "found.pt"
    assert in_child(lambda: train(family, threads, whole, None)) == 0
    while end != 0:
        life = chance.randrange(1, SAVES // KILLS + 1) if kills < KILLS else 0
        mortal = partial(Mortal, folder, life, chance.random() < 0.3)
        end = in_child(partial(again, family, threads, found, mortal))
        kills += end == signal.SIGKILL
        assert end in (0, signal.SIGKILL)
    expected, weights = torch.load(whole), torch.load(found)
    return {"kills": kills, "equal": all(torch.equal(expected[name], weights[name]) for name in expected)}


def main(threads: int, folder: Path) -> None:
    torch.use_deterministic_algorithms(True)  # here: it takes seconds and starts no thread
    results = {}
    for family in CASES:
        (folder / family).mkdir()
        results[family] = survived(family, threads, folder / family)
    print(json.dumps(results))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
