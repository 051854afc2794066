"""What a manifest gets that names a family and nothing else, beside EASE tuned on the same users and beside plain settings.

    python -m benchmarks.quality.defaults FOLDER --set ml-100k --json FILE.json

FOLDER holds ml-100k and ml-1m. One random training interaction of each user judges (seed 1), by full-ranking NDCG@10; EASE may
choose among its penalties by the same interactions, the families choose their epoch by them. The test part is not read.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import torch

from benchmarks.held_out import csr, held_out
from benchmarks.peers.data import ml_100k, needed
from benchmarks.quality.ease import REGULARIZATIONS, Ease
from benchmarks.quality.ncf import Ncf, questions
from benchmarks.quality.search import Parts
from benchmarks.whole_rows import whole_rows
from recsys_api.spec.model import WITH_LOSS, Model
from recsys_api.spec.training import Training
from recsys_trainer.fit import fit

Row = dict[str, Any]
Settings = tuple[dict[str, Any], dict[str, Any]]
FAMILIES = (*WITH_LOSS, "ImplicitALS", "PureSVD", "NMF")
"""Those that learn from interactions."""
SEEDS = 3


def load(folder: Path, data_set: str) -> Parts:
    """What trains, and what judges."""
    if data_set == "ml-1m":
        return Parts(*Ncf.read(needed(folder, "ml-1m/ncf_ml1m.npz")).searching())
    user, item = ml_100k(folder)
    users, items = int(user.max()) + 1, int(item.max()) + 1
    keep, wanted = held_out(user, item, users)
    positives = whole_rows(*csr(user[keep], item[keep], users), items)
    asked = np.flatnonzero(wanted >= 0)
    return Parts(positives, questions(positives, asked, wanted[asked]))


def plain(family: str) -> Settings:
    """As torch and the NCF paper have it: Adam's own step size, no penalty, 4 negatives; of softmax products, not cosines."""
    if family == "MatrixFactorization":
        return {"architecture": family, "similarity": "Dot"}, {"optimizer": {"learningRate": 0.001}}
    return {"architecture": family, "regularization": 0}, {
        "optimizer": {"learningRate": 0.001}, "loss": {"type": "BCE", "negatives": 4},
    }  # fmt: skip


def rows(parts: Parts, families: list[str], seeds: int = SEEDS) -> Iterator[Row]:
    """One for each family and kind of settings."""
    ease = best_ease(parts)
    for family in families:
        kinds: dict[str, Settings] = {"alone": ({"architecture": family}, {})}
        if family in WITH_LOSS:
            kinds["plain"] = plain(family)
        for name, settings in kinds.items():
            yield row(f"{family}, {name}", settings, parts, seeds) | {"peer": "EASE, tuned", "peerValue": ease}


def best_ease(parts: Parts) -> float:
    """NDCG@10 with the best of its penalties."""
    ease = Ease(parts.positives)
    return max(ease.ndcg(parts.questions, penalty) for penalty in REGULARIZATIONS)


def row(name: str, settings: Settings, parts: Parts, seeds: int) -> Row:
    """The best epoch's NDCG@10 over seeds, and what a fit costs."""
    found, seconds, model = [], [], Model.model_validate(settings[0])
    for seed in range(seeds):
        training = Training.model_validate({**settings[1], "seed": seed})
        began = time.process_time()
        fitted = fit(model, training, parts.positives, parts.questions, "cpu")
        seconds.append(time.process_time() - began)
        found.append(max(epoch["ndcg@10"] for epoch in fitted.history))
    return {"name": name, "value": fmean(found), "each": found, "cpuSeconds": median(seconds)}


def line(row: Row) -> str:
    """For a terminal."""
    low, high = min(row["each"]), max(row["each"])
    return (
        f"{row['name']}: NDCG@10 {row['value']:.4f} ({low:.4f}-{high:.4f}, n={len(row['each'])}), {row['peer']} "
        f"{row['peerValue']:.4f}, ratio {row['value'] / row['peerValue']:.2f}; {row['cpuSeconds']:.0f} CPU-s a fit"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Families with nothing said but their name.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", choices=["ml-100k", "ml-1m"], default="ml-100k")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=FAMILIES)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found = []
    for each in rows(load(options.folder, options.set), options.families, options.seeds):
        found.append(each)
        print(line(each), file=sys.stderr, flush=True)
    if options.json:
        options.json.write_text(json.dumps({"set": options.set, "rows": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
