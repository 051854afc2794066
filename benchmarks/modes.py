"""The same training in two modes, in turn: what else the machine does meanwhile touches both.

On a CPU by CPU time of all threads, on a GPU by the clock. Interactions are synthetic (seeded).
"""

import time
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

from benchmarks.large_tables import synthetic_positives
from benchmarks.sizes import Sizes
from recsys_api.spec.model import Model
from recsys_api.spec.training import Training
from recsys_trainer.device import choose_device, torch_settings
from recsys_trainer.fit import fit
from recsys_trainer.training_data import Positives

Row = dict[str, Any]
Rounds = list[tuple[float, float]]
"""(with, without) of each round."""
Case = tuple[str, dict[str, Any], dict[str, Any]]
"""(name, model, training)"""


def rows_of(cases: Iterable[Case], case_row: Callable[..., Row], sizes: Sizes, rounds: int) -> list[Row]:
    """A row for each case.

    Args:
        case_row: of (name, model, training, positives, rounds, device).
    """
    positives, device = synthetic_positives(sizes), choose_device()
    return [case_row(*case, positives, rounds, device) for case in cases]


def unit_of(device: str) -> str:
    """What is measured."""
    return "s" if device == "cuda" else "CPU-s"


def trained_in_turn(
    model: dict[str, Any], training: Callable[[bool], dict[str, Any]], positives: Positives, rounds: int, device: str
) -> Rounds:
    """What a fit takes.

    Args:
        training: of the mode.
    """
    clock = time.perf_counter if device == "cuda" else time.process_time
    settings = Model.model_validate(model)

    def train(mode: bool) -> float:
        asked = Training.model_validate(training(mode))
        with torch_settings(asked):
            began = clock()
            fit(settings, asked, positives, None, device)
            return clock() - began

    return in_turn(train, rounds)


def in_turn(measure: Callable[[bool], float], rounds: int) -> Rounds:
    """(with, without) of each round, the first of which changes; one round before them is thrown away."""
    found = []
    for number in range(rounds + 1):
        order = (True, False) if number % 2 else (False, True)
        seconds = {mode: measure(mode) for mode in order}
        found.append((seconds[True], seconds[False]))
    return found[1:]


def ratios_told(times: Sequence[float], what: str) -> str:
    """Their median, range and number, as in "1.50 times as long, 1.00 to 2.00, n=3"."""
    return f"{median(times):.2f} times as {what}, {min(times):.2f} to {max(times):.2f}, n={len(times)}"


def row_of(name: str, unit: str, peer: str, found: Rounds) -> Row:
    """The medians; the ratio is theirs."""
    ours, theirs = (median(each) for each in zip(*found, strict=True))
    return {
        "name": name, "unit": unit, "value": round(ours, 3), "peer": peer, "peerValue": round(theirs, 3),
        "ratio": round(theirs / ours, 2), "atLeast": None, "ok": True, "rounds": found,
    }  # fmt: skip
