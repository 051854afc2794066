"""Full ranking with every metric and 2,000 resamples, in the shape of ML-1M, beside what this machine's multiplier allows.

The peer is a limit, measured in the same run: the time that the multiplications of the scores take at the rate of a large
single-precision matrix product, both by CPU time. By the clock all threads would have to do nothing else: beside other work
only the CPU time says what the code needs. Interactions are synthetic (seeded): as many users, items and interactions as ML-1M has,
with popularity that falls off as there; what they say does not matter for time.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from recsys_api.spec.model import Model
from recsys_trainer.evaluation.bootstrap import with_intervals
from recsys_trainer.evaluation.metrics import CUTOFFS, metric_values
from recsys_trainer.evaluation.ranking import Pairs, Questions, Scorer, survey
from recsys_trainer.fitting.best_epoch import NetworkScorer
from recsys_trainer.models.gmf import GMF
from recsys_trainer.models.neumf import NeuMF

Row = dict[str, Any]
USERS, ITEMS, SEEN, WANTED = 6040, 3706, 165, 16
CORES = 2
"""What the wanted seconds are for."""
PEER = "the same multiplications as one large product"
CASES = (
    ("dot product, d=64", {"architecture": "GMF", "embeddingDim": 64}, 64, 2.0),
    (
        "NeuMF 256-128-64, d=64",
        {"architecture": "NeuMF", "embeddingDim": 64, "hiddenLayers": [256, 128, 64]},
        64 + 256 * 128 + 128 * 64 + 64,
        25.0,
    ),
)
"""(name, model, multiply-adds for each score, seconds wanted on so many cores)."""


def rows() -> list[Row]:
    """Seconds of each, and of the limit."""
    rate = product_rate()
    questions = synthetic_questions()
    return [row for case in CASES for row in _rows(*case, questions, rate)]


def product_rate() -> float:
    """Multiply-adds a second of CPU time, all threads', of a single-precision product: the best of five."""
    left, right = torch.randn(2048, 2048), torch.randn(2048, 2048)
    return 2048**3 / min(_spent(lambda: left @ right)[1] for _ in range(5))


def synthetic_questions() -> Questions:
    """Every user asked about, with masks and wanted items."""
    random = np.random.default_rng(0)
    drawn = (random.random((USERS, SEEN + WANTED)) ** 2.5 * ITEMS).astype(np.int64)
    user = np.repeat(np.arange(USERS), SEEN), np.repeat(np.arange(USERS), WANTED)
    wanted = Pairs.ordered(user[1], drawn[:, SEEN:].ravel())
    return Questions(np.arange(USERS), Pairs.ordered(user[0], drawn[:, :SEEN].ravel()), wanted, np.full(USERS, WANTED))


def evaluate(questions: Questions, scorer: Scorer) -> None:
    """What an evaluation does for one scorer."""
    found = survey(questions, scorer, lists=20)
    with_intervals(metric_values(found.ranks, CUTOFFS), 0)


def _rows(name: str, model: dict[str, Any], work: int, wanted: float, questions: Questions, rate: float) -> list[Row]:
    torch.manual_seed(0)
    settings, threads = Model.model_validate(model), torch.get_num_threads()
    family = NeuMF if settings.architecture == "NeuMF" else GMF
    network = family(USERS, ITEMS, settings).eval()
    scorer = NetworkScorer(network, ITEMS, "cpu")
    evaluate(questions, scorer)
    rounds = [_spent(lambda: evaluate(questions, scorer)) for _ in range(5 if work < 1000 else 2)]
    limit = USERS * ITEMS * work / rate
    by_clock, by_cpu = (min(values) for values in zip(*rounds, strict=True))
    times = ("s", by_clock, limit / threads, wanted), ("CPU-s", by_cpu, limit, wanted * CORES)
    return [
        {
            "name": f"full ranking, ML-1M's shape, {name}, {threads} threads, best of {len(rounds)}",
            "unit": f"{unit} ({limit / by_cpu:.0%} of the product's rate)",
            "value": round(value, 2), "peer": PEER, "peerValue": round(least, 2), "ratio": round(least / value, 2),
            "atLeast": None, "wanted": most, "ok": value <= most, "rounds": rounds,
        }
        for unit, value, least, most in times
    ]  # fmt: skip


def _spent(act: Callable[[], object]) -> tuple[float, float]:
    """(seconds, CPU seconds of all threads)."""
    began, cpu = time.perf_counter(), time.process_time()
    act()
    return time.perf_counter() - began, time.process_time() - cpu
