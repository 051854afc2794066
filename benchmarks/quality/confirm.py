"""The best trials of a family again, with other seeds: where few users judge, one draw of start values may be lucky.

    python -m benchmarks.quality.confirm ml-100k/NeuMF ml-100k/NeuMF-small --data ml-100k.inter --trials FILE.jsonl

Each of the best settings is fitted for as many epochs as were its best, with every seed, and judged on the validation part at the
end. The settings with the greatest mean are taken. The test part is not read.
"""

import argparse
import statistics
from pathlib import Path

import torch

from benchmarks.quality.search import Parts, Trial, Watch, append, load, read_trials, try_settings


def best_trials(trials: list[Trial], names: list[str], count: int) -> list[Trial]:
    """The most promising ones of all these spaces."""
    complete = [trial for trial in trials if trial["name"] in names and trial["outcome"] == "complete"]
    return sorted(complete, key=lambda trial: -float(trial["ndcg@10"]))[:count]


def confirm(trial: Trial, parts: Parts, seeds: range) -> Trial:
    """The trial's settings with every seed."""
    found = []
    for seed in seeds:
        training = trial["training"] | {"epochs": trial["epoch"], "seed": seed}
        settings = {"model": trial["model"], "training": training}
        found.append(float(try_settings(settings, parts, Watch((), []))["ndcg@10"]))
    told = {"name": f"{trial['name']}, confirmed", "model": trial["model"], "training": trial["training"]}
    return told | {
        "epoch": trial["epoch"], "outcome": "confirmed", "searched": trial["ndcg@10"], "seeds": list(seeds),
        "ndcg@10": round(statistics.fmean(found), 5), "each": [round(value, 5) for value in found],
    }  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="The best trials again, with other seeds.")
    parser.add_argument("names", nargs="+", help="spaces of one family")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--trials", type=Path, required=True, help="JSON lines of the search, appended to")
    parser.add_argument("--best", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    parts = load(options.names[0], options.data)
    for trial in best_trials(read_trials(options.trials), options.names, options.best):
        append(options.trials, confirm(trial, parts, range(1, options.seeds + 1)))


if __name__ == "__main__":
    main()
