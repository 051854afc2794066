"""Fits the given cases as one of several processes, and leaves what came of it. Run by test_parallel.py."""

import json
import sys
from pathlib import Path
from typing import Any

import recsys_trainer  # noqa: F401  first: it sets OpenMP's wait policy before torch is loaded

sys.path.insert(0, str(Path(__file__).parents[3]))

import torch
from tests.unit.trainer.test_families import data_for, model, questions, training

from recsys_trainer.fit import fit
from recsys_trainer.parallel import Workers, joined, place_of_process


def outcome(case: dict[str, Any], workers: Workers) -> dict[str, Any]:
    family, positives = case["family"], data_for(case["family"])
    settings = training(family, **{"epochs": 2, "patience": 5, **case["training"]})
    shape = model(family, **case.get("model", {}))
    found = fit(shape, settings, positives, questions(positives), "cpu", workers=workers)
    return {
        "weights": found.weights,
        "losses": [epoch["loss"] for epoch in found.history],
        "ndcg": [epoch["ndcg@10"] for epoch in found.history],
    }


def main(cases: list[dict[str, Any]], folder: Path) -> None:
    torch.set_num_threads(1)
    place = place_of_process()
    with joined(place, "cpu", seconds=60) as workers:
        found = [outcome(case, workers) for case in cases]
    torch.save(found, folder / f"{place.rank}.pt")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]))
