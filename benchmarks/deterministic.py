"""What `training.deterministic: true` costs: the same epochs with it (ours) and without it (peer), in turn.

On a CPU by CPU time of all threads, on a GPU by the clock. The ratio is taken within each round, so that what else the machine
does meanwhile touches both; printed are its median, its range and how many rounds there were. Interactions are synthetic (seeded).
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.large_tables import synthetic_positives
from benchmarks.sizes import Sizes
from recsys_api.spec.model import Model
from recsys_api.spec.training import Training
from recsys_trainer.device import choose_device, torch_settings
from recsys_trainer.fit import fit
from recsys_trainer.training_data import Positives

Row = dict[str, Any]
SIZES, ROUNDS, BATCH = Sizes(users=2000, items=1000, interactions=60_000), 7, 8192
PEER = "training.deterministic: false"
CASES: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("NeuMF 64-32, d=32", {"architecture": "NeuMF", "embeddingDim": 32, "hiddenLayers": [64, 32]}, {"epochs": 2}),
    (
        "MatrixFactorization, d=64, BCE, RowWiseAdagrad",
        {"architecture": "MatrixFactorization", "embeddingDim": 64},
        {"epochs": 4, "loss": {"type": "BCE"}, "optimizer": {"type": "RowWiseAdagrad"}},
    ),
    ("ImplicitALS, d=64", {"architecture": "ImplicitALS", "embeddingDim": 64}, {"epochs": 4}),
)
"""(name, model, training)"""


def rows(sizes: Sizes = SIZES, rounds: int = ROUNDS) -> list[Row]:
    """A row for each case."""
    positives, device = synthetic_positives(sizes), choose_device()
    return [case_row(*case, positives, rounds, device) for case in CASES]


def case_row(
    name: str, model: dict[str, Any], training: dict[str, Any], positives: Positives, rounds: int, device: str
) -> Row:
    """Both modes of one case."""
    clock = time.perf_counter if device == "cuda" else time.process_time
    settings = Model.model_validate(model)

    def train(deterministic: bool) -> float:
        asked = Training.model_validate({"batchSize": BATCH, "deterministic": deterministic, **training})
        with torch_settings(asked):
            began = clock()
            fit(settings, asked, positives, None, device)
            return clock() - began

    unit = "s" if device == "cuda" else "CPU-s"
    return cost_row(f"{name}, {training['epochs']} epochs on {device}", unit, in_turn(train, rounds))


def in_turn(measure: Callable[[bool], float], rounds: int) -> list[tuple[float, float]]:
    """(with, without) of each round, the first of which changes; one round before them is thrown away."""
    found = []
    for number in range(rounds + 1):
        order = (True, False) if number % 2 else (False, True)
        seconds = {deterministic: measure(deterministic) for deterministic in order}
        found.append((seconds[True], seconds[False]))
    return found[1:]


def cost_row(name: str, unit: str, found: list[tuple[float, float]]) -> Row:
    """The medians, and how often as long it takes."""
    times = sorted(ours / peer for ours, peer in found)
    ours, peer = (median(each) for each in zip(*found, strict=True))
    cost = f"{median(times):.2f} times as long, {times[0]:.2f} to {times[-1]:.2f}, n={len(times)}"
    return {
        "name": f"deterministic: {name}", "unit": f"{unit} ({cost})", "value": round(ours, 3), "peer": PEER,
        "peerValue": round(peer, 3), "ratio": round(peer / ours, 2), "atLeast": None, "ok": True, "rounds": found,
    }  # fmt: skip
