"""ML-1M with the committed settings: refit on all training interactions, and the test, once for each seed.

    python -m benchmarks.quality.final ncf_ml1m.npz [NAME …] --json benchmarks/results/quality-ml-1m.json

Names are those of examples/quality/ml-1m-*.yaml. The sampled protocol is He et al.'s own, with their negatives; the full ranking
leaves out what the user has trained on. The interval is of the difference to EASE in full-ranking NDCG@10: users are drawn,
2,000 times, and a model's value of a user is the mean over the seeds.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.quality import manifests
from benchmarks.quality.ease import Ease
from benchmarks.quality.ncf import Ncf, judge_users, popularity
from benchmarks.quality.results import keep
from benchmarks.quality.scoring import scorer_of
from benchmarks.quality.search import read_trials
from benchmarks.quality.wanted import WANTED
from recsys_trainer.evaluation.bootstrap import interval
from recsys_trainer.evaluation.metrics import metric_values
from recsys_trainer.evaluation.ranking import Pairs, Questions, Scorer, survey
from recsys_trainer.fit import fit
from recsys_trainer.training_data import Positives

Floats = npt.NDArray[np.float64]
Row = dict[str, Any]
SEEDS = (0, 1, 2)
FIGURES = ("sampled hr@10", "sampled ndcg@10", "hr@10", "ndcg@10")


def of_users(scorer: Scorer, data: Ncf, questions: Questions) -> dict[str, Floats]:
    """The figures of every user, [U]."""
    columns = np.column_stack((data.wanted_U, data.negatives_UN))
    probes = Pairs(np.repeat(np.arange(data.users), columns.shape[1]), columns.ravel())
    found = survey(questions, scorer, probes=probes)
    score = found.probe_P.reshape(columns.shape)
    sampled = judge_users(score[:, 0], score[:, 1:], data.negatives_UN == data.wanted_U[:, None])
    full = metric_values(found.ranks, (10,))
    return dict(zip(FIGURES, (*sampled, full["hr@10"], full["ndcg@10"]), strict=True))


def means(values: list[dict[str, Floats]]) -> dict[str, float]:
    """Of every figure, over users and seeds."""
    return {figure: float(np.mean([each[figure] for each in values])) for figure in FIGURES}


def read_off(scorer: Scorer, data: Ncf, questions: Questions) -> tuple[dict[str, float], Floats]:
    """(the figures, full-ranking NDCG@10 of every user)."""
    found = of_users(scorer, data, questions)
    return means([found]), found["ndcg@10"]


def measure(name: str, data: Ncf, parts: tuple[Positives, Questions], of_ease: Floats) -> Iterator[Row]:
    """A manifest's row, after each seed."""
    spec, (positives, questions) = manifests.read(name).spec, parts
    seeds: list[Row] = []
    values: list[Floats] = []
    for seed in SEEDS:
        began = time.perf_counter()
        fitted = fit(spec.model, spec.training.model_copy(update={"seed": seed}), positives, None, "cpu")
        seconds = round(time.perf_counter() - began, 1)
        figures, of_user = read_off(scorer_of(spec.model, positives, fitted.weights), data, questions)
        values.append(of_user)
        seeds.append({"seed": seed, "seconds": seconds, "epochs": fitted.epochs, **figures})
        print(json.dumps(seeds[-1]), flush=True)
        low, high = interval(np.mean(values, axis=0) - of_ease, 0)
        yield {"name": name, "n": data.users, **means(seeds), "minus EASE": {"low": low, "high": high}, "seeds": seeds}


def tuned_ease(trials: Path) -> float:
    """The regularization that is best on the validation part."""
    found = [trial for trial in read_trials(trials) if trial["name"] == "ml-1m/EASE"]
    return float(max(found, key=lambda trial: trial["ndcg@10"])["regularization"])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="ML-1M with the committed settings.")
    parser.add_argument("data", type=Path, help="ncf_ml1m.npz")
    parser.add_argument("names", nargs="*", help="default: every examples/quality/ml-1m-*.yaml")
    parser.add_argument("--trials", type=Path, default=Path("benchmarks/results/quality-search.jsonl"))
    parser.add_argument("--json", type=Path, required=True, help="rows of other names in it are kept")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = Ncf.read(options.data)
    parts, regularization = data.judging(), tuned_ease(options.trials)
    figures, of_ease = read_off(Ease(parts[0]).fit(regularization), data, parts[1])
    keep(options.json, {"name": f"EASE {regularization:g}", "n": data.users, **figures}, options.threads)
    hr, ndcg = popularity(data)
    keep(
        options.json,
        {"name": "popularity", "n": data.users, FIGURES[0]: hr, FIGURES[1]: ndcg},
        options.threads,
    )
    for name in options.names or manifests.names("ml-1m"):
        for row in measure(name, data, parts, of_ease):
            keep(options.json, row, options.threads)
    print(table(json.loads(options.json.read_text())["rows"]))


def table(rows: list[Row]) -> str:
    """For a person."""
    lines = [
        f"{'what':<32}{'sampled HR@10':>15}{'NDCG@10':>9}  {'at least':<16}{'full NDCG@10':>13}  minus EASE, 95 %",
    ]
    for row in rows:
        hr, ndcg = (row[name] for name in FIGURES[:2])
        full = f"{row['ndcg@10']:>13.4f}" if "ndcg@10" in row else f"{'-':>13}"
        difference = row.get("minus EASE")
        against = f"[{difference['low']:+.4f}, {difference['high']:+.4f}]" if difference else "-"
        wanted = WANTED.get(row["name"])
        least = "-" if wanted is None else f"{wanted.hr:.4f} {wanted.ndcg:.4f}"
        met = "" if wanted is None or wanted.met(hr, ndcg) else "  below what is wanted"
        lines.append(f"{row['name']:<32}{hr:>15.4f}{ndcg:>9.4f}  {least:<16}{full}  {against}{met}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
