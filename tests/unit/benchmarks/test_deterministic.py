"""What deterministic mode costs is measured in turn and printed with its range."""

import pytest
import torch
from benchmarks import deterministic, modes
from benchmarks.sizes import Sizes


def test_modes_are_measured_in_turn_and_the_first_round_is_thrown_away() -> None:
    asked, seconds = [], iter(range(1, 9))

    def measure(deterministic: bool) -> float:
        asked.append(deterministic)
        return float(next(seconds))

    assert modes.in_turn(measure, 3) == [(3.0, 4.0), (6.0, 5.0), (7.0, 8.0)]
    assert asked == [False, True, True, False, False, True, True, False]


def test_the_row_has_the_median_and_the_range_of_the_rounds_ratios() -> None:
    row = deterministic.cost_row("it", "s", [(2.0, 1.0), (3.0, 2.0), (4.0, 4.0)])
    assert row["unit"] == "s (1.50 times as long, 1.00 to 2.00, n=3)"
    assert (row["value"], row["peerValue"], row["ratio"]) == (3.0, 2.0, 0.67)


def test_each_mode_is_the_one_that_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, real = list[bool](), modes.fit

    def fit(*arguments: object) -> object:
        seen.append(torch.are_deterministic_algorithms_enabled())
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(modes, "fit", fit)
    positives = modes.synthetic_positives(Sizes(40, 30, 300))
    found = [deterministic.case_row(*case, positives, 1, "cpu") for case in deterministic.CASES]
    assert seen == [False, True, True, False] * len(deterministic.CASES)
    assert all(row["value"] > 0 < row["peerValue"] for row in found)
