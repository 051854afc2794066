"""What each branch of NeuMF adds on ML-1M: the fitted network whole, and with one branch's share of the output weights at zero.

    python -m benchmarks.quality.ablation ncf_ml1m.npz --json benchmarks/results/quality-ablation.json

The manifest is examples/quality/ml-1m-neumf.yaml: its branches are trained alone and joined, so that without MLP the network ranks
as the GMF of its pre-training and without GMF as its MLP. Intervals are of the whole minus the network without the branch, over the
same users (drawn 2,000 times), a user's value being the mean over the seeds.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from benchmarks.quality import manifests
from benchmarks.quality.final import FIGURES, SEEDS, Floats, Row, means, of_users
from benchmarks.quality.ncf import Ncf
from benchmarks.quality.results import keep
from benchmarks.quality.scoring import scorer_of
from recsys_trainer.evaluation.bootstrap import interval
from recsys_trainer.fit import fit
from recsys_trainer.fitting.task import Weights
from recsys_trainer.training_data import Positives

MANIFEST = "ml-1m-neumf"
WHOLE = "both"
WITHOUT = {"without MLP": "mlp", "without GMF": "gmf"}


def without(weights: Weights, branch: str) -> Weights:
    """The same network to which a branch adds nothing."""
    width, out = weights["gmf_user"].shape[1], weights["out.weight"].clone()
    if branch == "gmf":
        out[:, :width] = 0.0
    else:
        out[:, width:] = 0.0
    return {**weights, "out.weight": out}


def measure(data: Ncf) -> list[Row]:
    """A row for each network, the whole one first."""
    spec = manifests.read(MANIFEST).spec
    positives, questions = data.judging()
    found: dict[str, list[dict[str, Floats]]] = {name: [] for name in (WHOLE, *WITHOUT)}
    for seed in SEEDS:
        training = spec.training.model_copy(update={"seed": seed})
        weights = fit(spec.model, training, positives, None, "cpu").weights
        for name in found:
            ablated = without(weights, WITHOUT[name]) if name in WITHOUT else weights
            found[name].append(of_users(scorer_of(spec.model, positives, ablated), data, questions))
            print(json.dumps({"seed": seed, "what": name, **means(found[name][-1:])}), flush=True)
    return [row(name, found, positives) for name in found]


def row(name: str, found: dict[str, list[dict[str, Floats]]], positives: Positives) -> Row:
    """Means, those of each seed, and what the whole network has more than this one."""
    told: Row = {"name": name, "n": positives.users, **means(found[name])}
    told["seeds"] = [means([each]) for each in found[name]]
    if name != WHOLE:
        told["both minus this"] = {
            figure: interval(np.mean([each[figure] for each in found[WHOLE]], axis=0)
                             - np.mean([each[figure] for each in found[name]], axis=0), 0)
            for figure in FIGURES
        }  # fmt: skip
    return told


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="What each branch of NeuMF adds on ML-1M.")
    parser.add_argument("data", type=Path, help="ncf_ml1m.npz")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for found in measure(Ncf.read(options.data)):
        keep(options.json, found, options.threads)
        gained = found.get("both minus this", {})
        intervals = "  ".join(f"{figure} [{low:+.4f}, {high:+.4f}]" for figure, (low, high) in gained.items())
        print(
            f"{found['name']:<12} HR@10 {found[FIGURES[0]]:.4f}  NDCG@10 {found[FIGURES[1]]:.4f}  both minus this: {intervals or '-'}"
        )


if __name__ == "__main__":
    main()
