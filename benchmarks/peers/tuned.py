"""Both sides tuned alike on ML-1M: how long to the peer's best validation NDCG@10, and who is better on the test part.

A time is that of a fit without looking, over the epochs that the search found; the test follows a fit on training and validation
part together, with each side's best settings and number of epochs.
"""

import sys
import tempfile
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import race
from benchmarks.peers.data import ml_1m
from benchmarks.peers.environment import IMPLICIT, ensure
from benchmarks.peers.race import Row
from benchmarks.peers.spaces import SPACES
from benchmarks.peers.tuning import Trial, best_of, of_side, reaching, search
from benchmarks.peers.worker import Worker, variables

PEERS = {"als": "implicit 0.7.3 ALS", "bpr": "implicit 0.7.3 BPR"}


def rows(name: str, data: Path, threads: int, rounds: int, trials: Path, count: int) -> list[Row]:
    """Search where that is not done, then race and test."""
    spaces, given = SPACES[name], variables(threads)
    with tempfile.TemporaryDirectory() as folder:
        parts = {part: Path(folder) / f"{part}.npz" for part in ("validation", "test")}
        for part, file in parts.items():
            np.savez(file, allow_pickle=False, **ml_1m(data, part))
        with (
            Worker(ensure(IMPLICIT), spaces["peer"].worker, [str(threads)], given) as peer,
            Worker(Path(sys.executable), spaces["ours"].worker, [str(threads)], given) as ours,
        ):
            workers = {"ours": ours, "peer": peer}
            found = search(spaces, workers, parts["validation"], trials, count)
            what = f"{name.upper()} on ML-1M, d=64, {threads} threads, {count} trials each"
            return [
                *to_the_peers_best(what, PEERS[name], found, workers, parts["validation"], rounds),
                test(what, PEERS[name], found, workers, parts["test"]),
            ]


def to_the_peers_best(
    what: str, peer: str, trials: list[Trial], workers: dict[str, Worker], part: Path, rounds: int
) -> list[Row]:
    """Seconds, by the clock and of CPU time."""
    theirs, epoch, target = best_of(of_side(trials, "peer"))
    reached = reaching(of_side(trials, "ours"), target)
    if not reached:
        return [{**race.row(f"{what}, reaches NDCG@10 {target:.4f}", "trials", (0, 1), peer, 1, more_is_better=True)}]
    mine, mine_epoch = reached[0]
    found = race.interleaved(
        lambda: fit(workers["ours"], mine, mine_epoch, part),
        lambda: fit(workers["peer"], theirs, epoch, part),
        rounds,
    )
    name = f"{what}, to NDCG@10 {target:.4f} ({mine_epoch} epochs, theirs {epoch}), median of {rounds}"
    return [
        race.row(name, unit, found.median(itemgetter(key)), peer, 1.0, more_is_better=False)
        for key, unit in (("seconds", "s"), ("cpuSeconds", "CPU-s"))
    ]


def test(what: str, peer: str, trials: list[Trial], workers: dict[str, Worker], part: Path) -> Row:
    """NDCG@10 of all users, paired."""
    values = {}
    for side, worker in workers.items():
        trial, epoch, _ = best_of(of_side(trials, side))
        values[side] = fit(worker, trial, epoch, part, scores=True)["ndcg"]
    mean, low, high = race.paired_difference(values["ours"], values["peer"])
    means = float(np.mean(values["ours"])), float(np.mean(values["peer"]))
    name = f"{what}, test: difference {mean:+.4f} [{low:+.4f}, {high:+.4f}]"
    row = race.row(name, "NDCG@10", means, peer, 1.0, more_is_better=True)
    return {**row, "ok": high >= 0, "low": low, "high": high, "n": len(values["ours"])}


def fit(worker: Worker, trial: Trial, epochs: int, part: Path, *, scores: bool = False) -> dict[str, Any]:
    """Without looking."""
    request = {"part": str(part), "settings": trial["settings"], "epochs": epochs, "patience": 1000}
    return worker.ask({**request, "look": False, "scores": scores})
