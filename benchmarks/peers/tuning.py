"""The search: trial by trial, both sides in turn, one JSON line each; started again it goes on where it stopped."""

import json
from pathlib import Path
from typing import Any

from benchmarks.peers.spaces import TRIALS, Space
from benchmarks.peers.worker import Worker

Trial = dict[str, Any]


def read_trials(file: Path) -> list[Trial]:
    """What was tried."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def of_side(trials: list[Trial], side: str) -> list[Trial]:
    """Those of one side."""
    return [trial for trial in trials if trial["side"] == side]


def search(
    spaces: dict[str, Space], workers: dict[str, Worker], part: Path, file: Path, count: int = TRIALS
) -> list[Trial]:
    """Until every side has the first `count` of its trials."""
    done = read_trials(file)
    draws = {side: space.draws() for side, space in spaces.items()}
    tried = {(trial["side"], trial["number"]) for trial in done}
    for number, side in ((number, side) for number in range(count) for side in spaces):
        if (side, number) not in tried:
            trial = attempt(spaces[side], workers[side], side, number, draws[side][number], part)
            done.append(trial)
            with file.open("a") as lines:
                lines.write(json.dumps(trial) + "\n")
    return [trial for trial in done if trial["number"] < count]


def attempt(space: Space, worker: Worker, side: str, number: int, settings: dict[str, Any], part: Path) -> Trial:
    """One trial."""
    limits = {"epochs": space.epochs, "every": space.every, "patience": space.patience}
    answer = worker.ask({"part": str(part), "settings": settings, "look": True, **limits})
    curve = [{**point, "ndcg": round(point["ndcg"], 5)} for point in answer["curve"]]
    best = max((point["ndcg"] for point in curve), default=0.0)
    print(f"{side} {number + 1}/{TRIALS} {settings} NDCG@10 {best:.4f}", flush=True)
    return {"side": side, "number": number, "settings": settings, "curve": curve}


def best_of(trials: list[Trial]) -> tuple[Trial, int, float]:
    """(trial, epoch, NDCG@10) of the best look of all."""
    looks = ((trial, point["epoch"], point["ndcg"]) for trial in trials for point in trial["curve"])
    return max(looks, key=lambda look: look[2])


def reaching(trials: list[Trial], target: float) -> list[tuple[Trial, int]]:
    """(trial, first epoch) of those that reach a target, fewest epochs first."""
    found = []
    for trial in trials:
        epochs = [point["epoch"] for point in trial["curve"] if point["ndcg"] >= target]
        found += [(trial, min(epochs))] if epochs else []
    return sorted(found, key=lambda each: each[1])
