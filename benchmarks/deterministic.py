"""What `training.deterministic: true` costs: the same epochs with it (ours) and without it (peer), in turn.

The ratio is taken within each round; printed are its median, its range and how many rounds there were.
"""

from typing import Any

from benchmarks.modes import Case, Rounds, Row, ratios_told, row_of, rows_of, trained_in_turn, unit_of
from benchmarks.sizes import Sizes
from recsys_trainer.training_data import Positives

SIZES, ROUNDS, BATCH = Sizes(users=2000, items=1000, interactions=60_000), 7, 8192
PEER = "training.deterministic: false"
CASES: tuple[Case, ...] = (
    ("NeuMF 64-32, d=32", {"architecture": "NeuMF", "embeddingDim": 32, "hiddenLayers": [64, 32]}, {"epochs": 2}),
    (
        "MatrixFactorization, d=64, BCE, RowWiseAdagrad",
        {"architecture": "MatrixFactorization", "embeddingDim": 64},
        {"epochs": 4, "loss": {"type": "BCE"}, "optimizer": {"type": "RowWiseAdagrad"}},
    ),
    ("ImplicitALS, d=64", {"architecture": "ImplicitALS", "embeddingDim": 64}, {"epochs": 4}),
)


def rows(sizes: Sizes = SIZES, rounds: int = ROUNDS) -> list[Row]:
    """A row for each case."""
    return rows_of(CASES, case_row, sizes, rounds)


def case_row(
    name: str, model: dict[str, Any], training: dict[str, Any], positives: Positives, rounds: int, device: str
) -> Row:
    """Both modes of one case."""
    found = trained_in_turn(
        model, lambda mode: {"batchSize": BATCH, "deterministic": mode, **training}, positives, rounds, device
    )
    return cost_row(f"{name}, {training['epochs']} epochs on {device}", unit_of(device), found)


def cost_row(name: str, unit: str, found: Rounds) -> Row:
    """The medians, and how often as long it takes."""
    cost = ratios_told([ours / peer for ours, peer in found], "long")
    return row_of(f"deterministic: {name}", f"{unit} ({cost})", PEER, found)
