"""What the benchmark of a whole version says of its parts."""

from pathlib import Path
from typing import Any

import pytest
from benchmarks import whole_run
from benchmarks.sizes import Sizes


def parts(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "prepare": {"seconds": 10.0, "peakMib": 2048.0},
        "killed": {"seconds": 5.0, "epoch": 1, "step": 7},
        "train": {"seconds": 20.0, "peakMib": 4096.0, "positives": 3_000_000, "fitSeconds": 15.0, "resumes": 1},
        "load": {"seconds": 3.0, "peakMib": 1024.0, "answered": whole_run.ASKED},
    }
    for name, change in changes.items():
        found[name] |= change
    return found


def test_rate_time_and_memory_are_read_off() -> None:
    rate, seconds, memory = whole_run.table(Sizes(), 12.0, parts())
    assert (rate["value"], rate["ratio"], rate["ok"]) == (200_000, 0.75, True)
    assert (seconds["value"], memory["value"]) == (38.0, 4.0)


@pytest.mark.parametrize(
    "change", [{"train": {"resumes": 0}}, {"load": {"answered": 199}}, {"train": {"fitSeconds": 30.0}}]
)
def test_what_was_not_interrupted_or_does_not_answer_or_is_too_slow_is_said(change: dict[str, Any]) -> None:
    assert not whole_run.table(Sizes(), 12.0, parts(**change))[0]["ok"]


def test_an_epoch_of_any_size_saves_its_state_before_it_ends(tmp_path: Path) -> None:
    large = whole_run.run_spec(tmp_path, Sizes(10**7, 10**6, 10**8)).spec.training
    small = whole_run.run_spec(tmp_path, Sizes()).spec.training
    assert (large.checkpoint_seconds, small.checkpoint_seconds) == (33, 1)
