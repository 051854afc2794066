"""Look for settings of a family: random draws, judged by full-ranking NDCG@10 on the validation part; predictors of ratings by RMSE.

    python -m benchmarks.quality.search ml-1m/NAME ncf_ml1m.npz --trials FILE.jsonl
    python -m benchmarks.quality.search ml-100k/NAME ml-100k.inter --trials FILE.jsonl

One JSON line for each trial is appended to the file; a search that is started again draws the same settings and passes over
those that are there. A trial ends early where at some epoch it is worse than the median of the earlier trials (Golovin et al.
2017, Google Vizier). The test part is not read.
"""

import argparse
import json
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.quality.ease import REGULARIZATIONS, Ease
from benchmarks.quality.ncf import Ncf
from benchmarks.quality.scoring import network_of
from benchmarks.quality.space import Settings
from benchmarks.quality.spaces import SPACES
from benchmarks.quality.temporal_data import Ratings, searching
from recsys_api.spec.model import Model
from recsys_api.spec.training import Training
from recsys_trainer.errors import DivergedError
from recsys_trainer.evaluation.metrics import metric_values
from recsys_trainer.evaluation.ranking import Questions, rank
from recsys_trainer.fit import fit
from recsys_trainer.fitting.best_epoch import NetworkScorer
from recsys_trainer.fitting.task import Weights
from recsys_trainer.models.ratings import predict_ratings
from recsys_trainer.models.registry import FAMILIES
from recsys_trainer.progress import EpochProgress
from recsys_trainer.training_data import Positives

Trial = dict[str, Any]
EASE = ("ml-1m/EASE", "ml-100k/EASE")
MEDIAN_OF = 4
"""Earlier trials that a median needs."""


class HopelessError(Exception):
    """The trial is worse than the median of the earlier ones."""


@dataclass
class Watch:
    """Looks at the epochs of a trial."""

    rungs: tuple[int, ...]
    earlier: list[Trial]
    curve: list[float] = field(default_factory=list)

    def __call__(self, epoch: EpochProgress) -> None:
        """After each epoch."""
        if epoch.ndcg is None:
            return
        self.curve.append(epoch.ndcg)
        at = len(self.curve)
        others = [max(trial["curve"][:at]) for trial in self.earlier if len(trial["curve"]) >= at]
        if at in self.rungs and len(others) >= MEDIAN_OF and max(self.curve) < statistics.median(others):
            raise HopelessError


@dataclass(frozen=True)
class Parts:
    """What trains, and what chooses."""

    positives: Positives
    questions: Questions
    ratings: Ratings | None = None


def load(name: str, data: Path) -> Parts:
    """The parts that a name speaks of."""
    return Parts(*Ncf.read(data).searching()) if name.startswith("ml-1m/") else Parts(*searching(data))


def objective(model: Model, weights: Weights, parts: Parts) -> dict[str, float]:
    """NDCG@10, and RMSE where the family predicts ratings."""
    network = network_of(model, parts.positives, weights)
    ranks = rank(parts.questions, NetworkScorer(network, parts.positives.items, "cpu"))
    found = {"ndcg@10": float(metric_values(ranks, (10,))["ndcg@10"].mean())}
    if parts.ratings is not None and FAMILIES[model.architecture].needs_ratings:
        user, item = torch.from_numpy(parts.ratings.user_R), torch.from_numpy(parts.ratings.item_R)
        error = predict_ratings(network, user, item).numpy() - parts.ratings.rating_R
        found["rmse"] = float((error**2).mean() ** 0.5)
    return found


def try_settings(settings: Settings, parts: Parts, watch: Watch) -> Trial:
    """Fit and say what came of it."""
    began, outcome = time.perf_counter(), "complete"
    model, training = Model.model_validate(settings["model"]), Training.model_validate(settings["training"])
    found = {"ndcg@10": 0.0}
    try:
        fitted = fit(model, training, parts.positives, parts.questions if watch.rungs else None, "cpu", watch)
        found = objective(model, fitted.weights, parts)
    except HopelessError:
        outcome = "ended early"
    except DivergedError as error:
        outcome = error.line
    found["ndcg@10"] = max(found["ndcg@10"], *watch.curve, 0.0)
    return {
        **settings,
        **found,
        "epoch": int(np.argmax(watch.curve)) + 1 if watch.curve else training.epochs,
        "outcome": outcome,
        "seconds": round(time.perf_counter() - began, 1),
        "curve": [round(value, 5) for value in watch.curve],
    }


def search(name: str, parts: Parts, file: Path) -> None:
    """Until the budget is spent."""
    space, random = SPACES[name], np.random.default_rng(0)
    found = [trial for trial in read_trials(file) if trial["name"] == name]
    known = {_key(trial) for trial in found}
    for _ in range(space.trials):
        settings = space.draw(random)
        if _key(settings) in known:
            continue
        if sum(trial["seconds"] for trial in found) > space.seconds:
            break
        trial = {"name": name, **try_settings(settings, parts, Watch(space.rungs, found))}
        known.add(_key(settings))
        found.append(trial)
        append(file, trial)


def search_ease(name: str, parts: Parts, file: Path) -> None:
    """Every regularization."""
    ease = Ease(parts.positives)
    for regularization in REGULARIZATIONS:
        began = time.perf_counter()
        found = ease.ndcg(parts.questions, regularization)
        seconds = round(time.perf_counter() - began, 1)
        append(file, {"name": name, "regularization": regularization, "ndcg@10": found, "seconds": seconds})


def read_trials(file: Path) -> list[Trial]:
    """What was tried."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def append(file: Path, trial: Trial) -> None:
    """One line, also on the terminal."""
    with file.open("a") as lines:
        lines.write(json.dumps(trial) + "\n")
    print(json.dumps({name: value for name, value in trial.items() if name != "curve"}), flush=True)


def _key(settings: Settings) -> str:
    return json.dumps([settings["model"], settings["training"]], sort_keys=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Look for settings on the validation part.")
    parser.add_argument("name", choices=[*EASE, *SPACES])
    parser.add_argument("data", type=Path, help="ncf_ml1m.npz or ml-100k.inter")
    parser.add_argument("--trials", type=Path, required=True, help="JSON lines, appended to")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    (search_ease if options.name in EASE else search)(options.name, load(options.name, options.data), options.trials)


if __name__ == "__main__":
    main()
