"""The NCF paper's protocol on ML-1M (leave-one-out, 99 sampled negatives) through our own families, beside the references.

    python -m benchmarks.quality_ncf ncf_ml1m.npz [--only NAME …]

The protocol is an anchor to the literature and chooses nothing: sampled metrics rank models wrongly. It is right when the popularity
row comes out exactly. The wanted item must beat its negatives strictly; where it is among them it is removed. A fit runs all of its
epochs: there is no validation part, and nothing is chosen by the test.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from recsys_api.artifact import ArtifactModel
from recsys_api.recommender_model import Model, Training
from recsys_trainer.fit import fit
from recsys_trainer.models.registry import FAMILIES
from recsys_trainer.training_data import Positives

Floats = npt.NDArray[np.float32]
TOP = 10


@dataclass(frozen=True)
class Row:
    """A model and what the reference has for it."""

    name: str
    model: dict[str, Any]
    training: dict[str, Any]
    hr: float
    ndcg: float
    tolerance: float


ALS = {"architecture": "ImplicitALS", "regularization": 0.007, "leastSquares": {"unobservedWeight": 0.3}}
ROWS = (
    Row("ImplicitALS d=64", {**ALS, "embeddingDim": 64}, {"epochs": 12}, 0.722, 0.444, 0.004),
    Row("ImplicitALS d=192", {**ALS, "embeddingDim": 192}, {"epochs": 12}, 0.7308, 0.4531, 0.004),
)


def read(path: Path) -> tuple[Positives, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(training positives, wanted item [U], negatives [U, 99])."""
    data = np.load(path)
    user, item = data["train_user"].astype(np.int64), data["train_item"].astype(np.int64)
    wanted, negatives = data["test_item"].astype(np.int64), data["test_neg"].astype(np.int64)
    users, items = len(wanted), len(data["item_to_movieid"])
    order = np.lexsort((item, user))
    indptr = np.concatenate(([0], np.cumsum(np.bincount(user, minlength=users)))).astype(np.int64)
    rows = np.arange(users, dtype=np.int32), np.arange(items, dtype=np.int32)
    return Positives(*rows, indptr, item[order].astype(np.int32), 0), wanted, negatives


def judge(wanted_U: Floats, negative_UN: Floats, is_wanted_UN: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """(HR@10, NDCG@10) from the scores of the wanted items and of their negatives."""
    above_U = ((negative_UN > wanted_U[:, None]) & ~is_wanted_UN).sum(axis=1)
    gain_U = np.where(above_U < TOP, 1 / np.log2(above_U + 2.0), 0.0)
    return float((above_U < TOP).mean()), float(gain_U.mean())


def popularity(
    positives: Positives, wanted: npt.NDArray[np.int64], negatives: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """The protocol's own test."""
    counts = positives.counts().astype(np.float32)
    return judge(counts[wanted], counts[negatives], negatives == wanted[:, None])


def fitted_scores(row: Row, positives: Positives, items_UC: npt.NDArray[np.int64]) -> tuple[Floats, float]:
    """(scores [U, C] of the chosen items, seconds of the fit)."""
    model, began = Model.model_validate(row.model), time.perf_counter()
    weights = fit(model, Training.model_validate(row.training), positives, None, "cpu").weights
    seconds = time.perf_counter() - began
    said = ArtifactModel(
        architecture=model.architecture,
        embedding_dim=model.embedding_dim,
        hidden_layers=model.hidden_layers,
        users=positives.users,
        items=positives.items,
    )
    network = FAMILIES[model.architecture].load(said, weights).eval()
    with torch.no_grad():
        parts = [
            network(user_B, torch.from_numpy(items_UC)[user_B])
            for user_B in torch.split(torch.arange(positives.users), 512)
        ]
    return torch.cat(parts).numpy(), seconds


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="The NCF protocol on ML-1M, beside the references.")
    parser.add_argument("data", type=Path, help="ncf_ml1m.npz")
    parser.add_argument("--only", nargs="*", default=[row.name for row in ROWS], help="names of rows")
    options = parser.parse_args()
    positives, wanted, negatives = read(options.data)
    print(
        f"{'what':<20} {'HR@10':>7} {'NDCG@10':>8}   {'reference':<14} {'seconds':>8}   {torch.get_num_threads()} threads"
    )
    hr, ndcg = popularity(positives, wanted, negatives)
    exact = "" if (f"{hr:.4f}", f"{ndcg:.4f}") == ("0.4538", "0.2545") else "  the protocol is wrong"
    print(f"{'popularity':<20} {hr:>7.4f} {ndcg:>8.4f}   {'.4538 .2545':<14}{exact}")
    for row in (row for row in ROWS if row.name in options.only):
        scores, seconds = fitted_scores(row, positives, np.column_stack((wanted, negatives)))
        hr, ndcg = judge(scores[:, 0], scores[:, 1:], negatives == wanted[:, None])
        off = max(abs(hr - row.hr), abs(ndcg - row.ndcg)) > row.tolerance
        reference = f"{row.hr:.4f} {row.ndcg:.4f}"
        print(
            f"{row.name:<20} {hr:>7.4f} {ndcg:>8.4f}   {reference:<14} {seconds:>7.1f}{'  off' if off else ''}",
            flush=True,
        )


if __name__ == "__main__":
    main()
