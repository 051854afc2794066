"""NeuMF: samples a second of ours beside RecBole and beside a plain DataLoader recipe, on ML-100K.

The net of all three: 64 factors for each of the four tables, layers 256-128-64, 4 negatives, Adam, float32. Ours does per epoch
what the trainer does, start and copy of the weights included.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.peers import race
from benchmarks.peers.environment import RECBOLE, ensure
from benchmarks.peers.race import Measured, Race, Row
from benchmarks.peers.worker import Worker, variables

BATCH, LARGER = 2048, (8192, 16384, 32768)
WORKERS = 0
RECBOLE_NAME, RECIPE_NAME = "RecBole 1.2.1", f"PyTorch DataLoader recipe, {WORKERS} workers"


def rows(data: Path, threads: int, rounds: int, share: float) -> list[Row]:
    """Both peers, at one batch size and at each side's best.

    Args:
        share: of an epoch that a round of a peer is.
    """
    python, given = Path(sys.executable), variables(threads)
    here = [str(data), str(threads)]
    with (
        Worker(python, "ours_neumf", here, given) as ours,
        Worker(ensure(RECBOLE), "recbole_neumf", here[1:], given) as recbole,
        Worker(python, "dataloader_recipe", here, given) as recipe,
    ):
        equal = run(ours, recbole, (BATCH, BATCH), rounds, share)
        plain = run(ours, recipe, (BATCH, BATCH), rounds, share)
        best = best_batch(ours, share), best_batch(recbole, share)
        each = run(ours, recbole, best, rounds, share)
    found = compared(f"batch {BATCH:,}", equal, RECBOLE_NAME, 3.0, threads)
    found += compared(f"best batch ({best[0]:,}, theirs {best[1]:,})", each, RECBOLE_NAME, 6.0, threads)
    found += compared(f"batch {BATCH:,}", plain, RECIPE_NAME, 8.0, threads)
    return [
        *found,
        of_the_products(f"batch {BATCH:,}", equal, threads),
        of_the_products(f"batch {best[0]:,}", each, threads),
    ]


def best_batch(worker: Worker, share: float) -> int:
    """By CPU time, one round of each."""
    rates = {}
    for batch in LARGER:
        rates[batch] = race.cpu_rate(said(worker, {"batch": batch, "share": share}))
    return max(rates, key=lambda batch: rates[batch])


def run(ours: Worker, peer: Worker, batches: tuple[int, int], rounds: int, share: float) -> Race:
    """In turn."""
    mine, theirs = ({"batch": batch, "workers": WORKERS, "share": share} for batch in batches)
    return race.interleaved(lambda: said(ours, mine), lambda: said(peer, theirs), rounds)


def said(worker: Worker, request: dict[str, Any]) -> Measured:
    """An answer, also on standard error: a run on a busy machine is long."""
    found = worker.ask(request)
    print(f"benchmarks: {worker.name} {json.dumps({**request, **found})}", file=sys.stderr, flush=True)
    return found


def compared(what: str, found: Race, peer: str, at_least: float, threads: int) -> list[Row]:
    """By the clock and by CPU time."""
    name = f"NeuMF on ML-100K, {what}, {threads} threads, median of {len(found.ours)}"
    by_clock, by_cpu = found.median(race.rate), found.median(race.cpu_rate)
    return [
        {**race.row(name, unit, values, peer, at_least, more_is_better=True), "rounds": asdict(found)}
        for unit, values in (("samples/s", by_clock), ("samples/CPU-s", by_cpu))
    ]


def of_the_products(what: str, found: Race, threads: int) -> Row:
    """Of what a large product reaches in the same run, both by CPU time: what could be gained if all else took no time."""
    mine = median(race.cpu_rate(measured) * measured["multiplyAdds"] for measured in found.ours)
    limit = median(measured["productRate"] for measured in found.ours)
    name = f"NeuMF on ML-100K, {what}, {threads} threads, the layers' products"
    peer = "one large product"
    return race.row(name, "G multiply-adds/CPU-s", (mine / 1e9, limit / 1e9), peer, 0.6, more_is_better=True)
