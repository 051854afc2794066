"""What `training.precision: BFloat16` gains: the same epochs with it (ours) and in Float32 (peer), in turn.

On a CPU without units for bfloat16 it is no gain; the row says whether there are some.
"""

from statistics import median
from typing import Any

import torch

from benchmarks.modes import Case, Rounds, Row, ratios_told, row_of, rows_of, trained_in_turn, unit_of
from benchmarks.sizes import Sizes
from recsys_trainer.training_data import Positives

SIZES, ROUNDS = Sizes(users=2000, items=2000, interactions=100_000), 5
WIDE = {"architecture": "NeuMF", "embeddingDim": 64, "hiddenLayers": [256, 128, 64], "regularization": 0}
CASES: tuple[Case, ...] = (
    ("NeuMF 256-128-64, batch 2,048", WIDE, {"batchSize": 2048, "loss": {"negatives": 4}}),
    ("NeuMF 256-128-64, batch 16,384", WIDE, {"batchSize": 16384, "loss": {"negatives": 4}}),
    (
        "MatrixFactorization d=256, softmax over the catalogue",
        {"architecture": "MatrixFactorization", "embeddingDim": 256},
        {"batchSize": 8192, "loss": {"type": "CrossEntropy"}},
    ),
)


def rows(sizes: Sizes = SIZES, rounds: int = ROUNDS) -> list[Row]:
    """A row for each case."""
    return rows_of(CASES, case_row, sizes, rounds)


def case_row(
    name: str, model: dict[str, Any], training: dict[str, Any], positives: Positives, rounds: int, device: str
) -> Row:
    """Both precisions of one case."""
    names = {True: "BFloat16", False: "Float32"}
    found = trained_in_turn(
        model, lambda half: {"epochs": 1, "precision": names[half], **training}, positives, rounds, device
    )
    return gain_row(f"{name}, an epoch on {device}", unit_of(device), found)


def gain_row(name: str, unit: str, found: Rounds) -> Row:
    """The medians, and how many times as fast it is."""
    times = [peer / ours for ours, peer in found]
    units = "with" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "without"
    gain = f"{ratios_told(times, 'fast')}, CPU {units} bfloat16"
    return row_of(f"precision: {name}", f"{unit} ({gain})", "Float32", found) | {"ratio": round(median(times), 2)}
