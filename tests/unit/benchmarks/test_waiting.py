"""Ways to wait are measured in turn beside the same others, each in a process that has decided nothing else."""

import json

import pytest
from benchmarks import waiting
from benchmarks.sizes import Sizes


def test_each_way_has_its_variables_and_its_median(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[dict[str, str]]()
    rates = iter([40.0, 20.0, 10.0, 60.0, 25.0, 30.0, 50.0, 30.0, 20.0])

    def rate(environment: dict[str, str]) -> float:
        asked.append(environment)
        return next(rates)

    monkeypatch.setattr(waiting, "rate", rate)
    spinning, sleeping = waiting.beside(0, 3)
    assert asked == [{}, {"GOMP_SPINCOUNT": "300000"}, {"OMP_WAIT_POLICY": "PASSIVE"}] * 3
    assert (spinning["value"], spinning["peerValue"], spinning["ratio"]) == (50, 25, 2.0)
    assert (sleeping["value"], sleeping["peerValue"], sleeping["ratio"]) == (50, 20, 2.5)
    assert sleeping["rounds"] == [[40.0, 10.0], [60.0, 30.0], [50.0, 20.0]]


def test_others_are_busy_and_end_with_the_measurement() -> None:
    with waiting.busy(2) as processes:
        assert [process.poll() for process in processes] == [None, None]
    assert all(process.poll() is not None for process in processes)


def test_the_process_that_is_measured_says_its_rate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(waiting, "SIZES", Sizes(40, 30, 300))
    waiting.main()
    assert json.loads(capsys.readouterr().out) > 0
