"""What `training.deterministic: true` costs: the same epochs with it (ours) and without it (peer), in turn.

The ratio is taken within each round; printed are its median, its range and how many rounds there were. Interactions are
synthetic (seeded).
"""

from statistics import median
from typing import Any

from benchmarks.large_tables import synthetic_positives
from benchmarks.modes import Rounds, Row, trained_in_turn, unit_of
from benchmarks.sizes import Sizes
from recsys_trainer.device import choose_device
from recsys_trainer.training_data import Positives

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
    found = trained_in_turn(
        model, lambda mode: {"batchSize": BATCH, "deterministic": mode, **training}, positives, rounds, device
    )
    return cost_row(f"{name}, {training['epochs']} epochs on {device}", unit_of(device), found)


def cost_row(name: str, unit: str, found: Rounds) -> Row:
    """The medians, and how often as long it takes."""
    times = sorted(ours / peer for ours, peer in found)
    ours, peer = (median(each) for each in zip(*found, strict=True))
    cost = f"{median(times):.2f} times as long, {times[0]:.2f} to {times[-1]:.2f}, n={len(times)}"
    return {
        "name": f"deterministic: {name}", "unit": f"{unit} ({cost})", "value": round(ours, 3), "peer": PEER,
        "peerValue": round(peer, 3), "ratio": round(peer / ours, 2), "atLeast": None, "ok": True, "rounds": found,
    }  # fmt: skip
