"""The same training in two modes, in turn: what else the machine does meanwhile touches both.

On a CPU by CPU time of all threads, on a GPU by the clock.
"""

import time
from collections.abc import Callable
from typing import Any

from recsys_api.spec.model import Model
from recsys_api.spec.training import Training
from recsys_trainer.device import torch_settings
from recsys_trainer.fit import fit
from recsys_trainer.training_data import Positives

Row = dict[str, Any]
Rounds = list[tuple[float, float]]
"""(with, without) of each round."""


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
