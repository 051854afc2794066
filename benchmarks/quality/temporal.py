"""ML-100K cut by time, with the committed settings: every family beside popularity, plain and of late, and the other plain models.

    python -m benchmarks.quality.temporal ml-100k.inter --json benchmarks/results/quality-ml-100k.json

Manifests are examples/quality/ml-100k-*.yaml. A model is fitted on the training and the validation part and judged once for each
seed, by full ranking over the warm test users. Intervals are of paired differences in NDCG@10 to popularity and to popularity of
late: users are drawn, 2,000 times, and a model's value of a user is the mean over the seeds. Predictors of ratings are also
judged by RMSE, beside mean and biases.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.quality import manifests
from benchmarks.quality.results import keep
from benchmarks.quality.scoring import network_of
from benchmarks.quality.temporal_data import Ratings, ratings_of, snapshot_of
from recsys_api.spec.evaluation import Baselines
from recsys_api.spec.model import WITH_RATINGS
from recsys_trainer.artifact.export import popularity
from recsys_trainer.artifact.served import Served
from recsys_trainer.baselines.build import build_baselines
from recsys_trainer.baselines.rating_bias import RatingBias
from recsys_trainer.data.snapshot import Snapshot
from recsys_trainer.data.split import TEST, VALIDATION
from recsys_trainer.evaluation.bootstrap import interval
from recsys_trainer.evaluation.evaluate import PopularityScorer
from recsys_trainer.evaluation.metrics import metric_values
from recsys_trainer.evaluation.questions import TestPart, build_questions, build_test_part
from recsys_trainer.evaluation.ranking import Scorer, rank
from recsys_trainer.evaluation.ratings import with_user_intervals
from recsys_trainer.fit import fit
from recsys_trainer.models.base import Recommender
from recsys_trainer.models.ratings import predict_ratings
from recsys_trainer.training_data import Positives, build_positives

Floats = npt.NDArray[np.float64]
Row = dict[str, Any]
SEEDS = (0, 1, 2)
METRIC = "ndcg@10"
PLAIN, OF_LATE = "popularity", "recentPopularity"


@dataclass(frozen=True)
class Bench:
    """What every row is judged on."""

    snapshot: Snapshot
    positives: Positives
    test: TestPart
    ratings: Ratings

    @classmethod
    def of(cls, inter: Path) -> "Bench":
        """From a RecBole file."""
        snapshot = snapshot_of(inter)
        positives = build_positives(snapshot, VALIDATION)
        test = build_test_part(snapshot, "All", VALIDATION)
        return cls(snapshot, positives, test, ratings_of(snapshot, positives, TEST))

    def served(self, network: Recommender) -> Served:
        """As an artifact serves it."""
        users = self.snapshot.users.take(self.positives.user_of)
        items = self.snapshot.items.take(self.positives.item_of)
        popular = popularity(self.positives)
        indptr, indices = self.positives.indptr, self.positives.indices
        found = popular["items"].astype(np.int32), popular["scores"].astype(np.float32)
        return Served(users, items, network, *found, indptr, indices)

    def ndcg(self, scorer: Scorer, served: Served) -> Floats:
        """Of every warm user."""
        questions = build_questions(self.snapshot, self.test, served, VALIDATION)
        values: Floats = metric_values(rank(questions, scorer), (10,))[METRIC][self.test.warm_N]
        return values

    def rmse(self, predicted_R: torch.Tensor) -> Row:
        """With its interval."""
        error = predicted_R.double().numpy() - self.ratings.rating_R.astype(np.float64)
        found = with_user_intervals(error, self.ratings.user_R.astype(np.int32), 0)["rmse"]
        return {"rmse": found.value, "rmse low": found.low, "rmse high": found.high, "ratings": found.n}


def measure(name: str, bench: Bench, plain: dict[str, Floats]) -> Row:
    """A manifest's row."""
    spec, values = manifests.read(name).spec, []
    errors: list[Row] = []
    for seed in SEEDS:
        training = spec.training.model_copy(update={"seed": seed})
        fitted = fit(spec.model, training, bench.positives, None, "cpu")
        network = network_of(spec.model, bench.positives, fitted.weights)
        served = bench.served(network)
        values.append(bench.ndcg(served, served))
        if spec.model.architecture in WITH_RATINGS:
            user, item = torch.from_numpy(bench.ratings.user_R), torch.from_numpy(bench.ratings.item_R)
            errors.append(bench.rmse(predict_ratings(network, user, item)))
    row = described(name, np.mean(values, axis=0), plain)
    row |= {"architecture": spec.model.architecture, "seeds": [float(each.mean()) for each in values]}
    if not errors:
        return row
    seeds = [each["rmse"] for each in errors]
    return row | {"rmse": float(np.mean(seeds)), "rmse seeds": seeds, "ratings": errors[0]["ratings"]}


def described(name: str, values: Floats, plain: dict[str, Floats]) -> Row:
    """Mean and intervals of a model's NDCG@10."""
    low, high = interval(values, 0)
    row = {"name": name, "n": len(values), METRIC: float(values.mean()), "low": low, "high": high}
    for other in (PLAIN, OF_LATE):
        difference = interval(values - plain[other], 0)
        row[f"minus {other}"] = {"low": difference[0], "high": difference[1]}
    return row


def baselines(bench: Bench) -> tuple[dict[str, Floats], Row]:
    """(NDCG@10 of every warm user by plain model, RMSE of mean and biases)."""
    positives = bench.positives
    nothing = network_of(
        manifests.read("ml-100k-pure-svd").spec.model.model_copy(update={"embedding_dim": 1}),
        positives,
        {"user_factors": torch.zeros(positives.users, 1), "item_factors": torch.zeros(positives.items, 1)},
    )
    served = bench.served(nothing)
    built = build_baselines(served, bench.snapshot, VALIDATION, Baselines()).scorers
    scorers: dict[str, Scorer] = {PLAIN: PopularityScorer(served), **built}
    bias, user, item = RatingBias.of(served, bench.snapshot, VALIDATION), bench.ratings.user_R, bench.ratings.item_R
    error = bench.rmse(bias.ratings(torch.from_numpy(user), torch.from_numpy(item)))
    return {name: bench.ndcg(scorer, served) for name, scorer in scorers.items()}, error


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="ML-100K cut by time, with the committed settings.")
    parser.add_argument("data", type=Path, help="ml-100k.inter")
    parser.add_argument("names", nargs="*", help="default: every examples/quality/ml-100k-*.yaml")
    parser.add_argument("--json", type=Path, required=True, help="rows of other names in it are kept")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    bench = Bench.of(options.data)
    plain, bias = baselines(bench)
    for name, values in plain.items():
        row = described(name, values, plain)
        keep(options.json, {**row, **bias} if name == "ratingBias" else row, options.threads)
    for name in options.names or manifests.names("ml-100k"):
        keep(options.json, measure(name, bench, plain), options.threads)
    print(table(json.loads(options.json.read_text())["rows"], bias["rmse"]))


def table(rows: list[Row], bias: float) -> str:
    """For a person."""
    lines = [
        f"NDCG@10, {rows[0]['n']} warm users; intervals are 95 %",
        f"{'what':<30}{'NDCG@10':>8}  {'interval':<16} {'minus popularity':<20} {'minus that of late':<20} {'RMSE':>7}",
    ]
    for row in rows:
        differences = [row[f"minus {other}"] for other in (PLAIN, OF_LATE)]
        shown = [f"[{each['low']:+.3f}, {each['high']:+.3f}]" for each in differences]
        rmse = f"{row['rmse']:>7.4f}" if "rmse" in row else f"{'-':>7}"
        lines.append(
            f"{row['name']:<30}{row[METRIC]:>8.4f}  [{row['low']:.3f}, {row['high']:.3f}]   {shown[0]:<20} "
            f"{shown[1]:<20} {rmse}{verdict(row, bias)}"
        )
    return "\n".join(lines)


def verdict(row: Row, bias: float) -> str:
    """What is wanted and not so."""
    if row.get("architecture") in WITH_RATINGS:
        return "" if row["rmse"] < bias else "  not better than mean and biases"
    below = "architecture" in row and row[f"minus {PLAIN}"]["high"] < 0
    return "  below popularity" if below else ""


if __name__ == "__main__":
    main()
