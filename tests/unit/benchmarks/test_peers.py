"""The arithmetic of the races against peers; the peers themselves are installed by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.held_out import csr, held_out
from benchmarks.peers.curve import Curve, StopFitError
from benchmarks.peers.data import DataFileError, ml_1m
from benchmarks.peers.environment import IMPLICIT, RECBOLE, folder_of
from benchmarks.peers.ours_neumf import multiply_adds
from benchmarks.peers.race import interleaved, paired_difference, rate, row
from benchmarks.peers.ranks import ndcg
from benchmarks.peers.spaces import SPACES, TRIALS, Logarithmic
from benchmarks.peers.tuning import best_of, reaching, read_trials, search
from benchmarks.peers.worker import timed

from recsys_trainer.training_data import Positives


def test_sides_take_turns_and_the_first_round_does_not_count() -> None:
    turns: list[str] = []

    def side(name: str) -> dict[str, float]:
        turns.append(name)
        return {"samples": 10.0, "seconds": float(len(turns))}

    race = interleaved(lambda: side("A"), lambda: side("B"), 3)
    assert "".join(turns) == "ABABABAB"
    assert [each["seconds"] for each in race.ours] == [3, 5, 7]
    assert race.median(lambda measured: measured["seconds"]) == (5, 6)
    assert race.median(rate) == (2, 10 / 6)


@pytest.mark.parametrize(
    ("more_is_better", "ratio", "ok"), [(True, 4.0, True), (False, 0.25, False)], ids=["rate", "time"]
)
def test_a_ratio_above_one_means_that_ours_is_better(more_is_better: bool, ratio: float, ok: bool) -> None:
    found = row("what", "s", (8.0, 2.0), "peer", 3.0, more_is_better=more_is_better)
    assert (found["ratio"], found["ok"]) == (ratio, ok)


def test_an_interval_of_differences_needs_both_sides_user_by_user() -> None:
    mean, low, high = paired_difference([1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0])
    assert mean == 0.5
    assert low == pytest.approx(0.5 - 1.96 * (1 / 3) ** 0.5 / 2)
    assert high == pytest.approx(1 - low)


def test_draws_stay_within_their_range_and_are_the_same_each_time() -> None:
    for space in (space for spaces in SPACES.values() for space in spaces.values()):
        draws = space.draws()
        assert draws == space.draws() != space.draws(seed=1)
        assert len(draws) == TRIALS
        for name, values in space.drawn.items():
            if isinstance(values, Logarithmic):
                assert all(values.low * 0.95 <= draw[name] <= values.high * 1.05 for draw in draws)


class Answers:
    """Stands for a worker: the higher the setting, the better and the sooner."""

    asked = 0

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked += 1
        value = next(iter(request["settings"].values()))
        return {"curve": [{"epoch": epoch, "ndcg": min(0.9, value * epoch)} for epoch in (1, 2)]}


def test_a_search_goes_on_where_it_stopped(tmp_path: Path) -> None:
    file, workers = tmp_path / "trials.jsonl", {"ours": Answers(), "peer": Answers()}
    whole = search(SPACES["als"], workers, tmp_path / "part.npz", file)
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:30]) + "\n")
    again = search(SPACES["als"], workers, tmp_path / "part.npz", file)
    assert [json.dumps(trial) for trial in again] == [json.dumps(trial) for trial in whole] == lines
    assert [worker.asked for worker in workers.values()] == [TRIALS + 25, TRIALS + 25]
    assert read_trials(file) == whole


def test_the_best_look_of_all_trials_is_the_target_and_fewest_epochs_reach_it() -> None:
    slow = {"curve": [{"epoch": 5, "ndcg": 0.1}, {"epoch": 10, "ndcg": 0.3}]}
    fast = {"curve": [{"epoch": 1, "ndcg": 0.2}, {"epoch": 2, "ndcg": 0.25}]}
    assert best_of([slow, fast]) == (slow, 10, 0.3)
    assert reaching([slow, fast], 0.22) == [(fast, 2), (slow, 10)]
    assert reaching([slow, fast], 0.4) == []


def test_a_curve_ends_when_the_last_looks_found_nothing_better() -> None:
    values = iter([0.1, 0.3, 0.2, 0.25])
    curve = Curve(lambda: next(values), every=2, patience=2)
    for epoch in range(1, 8):
        curve(epoch)
    with pytest.raises(StopFitError):
        curve(8)
    assert [point["epoch"] for point in curve.points] == [2, 4, 6, 8]


def test_ranks_leave_training_items_out_and_skip_users_without_a_wanted_item() -> None:
    user, item = np.array([[1.0], [1.0], [-1.0]]), np.array([[4.0], [3.0], [2.0], [1.0]])
    indptr, indices = np.array([0, 1, 1, 1]), np.array([0], dtype=np.int32)
    found = ndcg(user, item, indptr, indices, np.array([1, -1, 2]))
    assert found.tolist() == [1.0, 1 / np.log2(3)]


def test_one_training_item_of_each_user_who_has_two_is_held_out() -> None:
    user, item = np.array([0, 0, 0, 1, 2, 2]), np.array([5, 6, 7, 5, 8, 9])
    keep, wanted = held_out(user, item, 3)
    assert np.bincount(user[keep]).tolist() == [2, 1, 1]
    assert wanted[1] == -1
    for of, left_out in zip(user[~keep], item[~keep], strict=True):
        assert wanted[of] == left_out


def test_other_packages_are_another_environment(tmp_path: Path) -> None:
    assert folder_of(RECBOLE, tmp_path) != folder_of(IMPLICIT, tmp_path)
    assert all("==" in package for peer in (RECBOLE, IMPLICIT) for package in peer.packages)


def test_a_missing_data_file_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"--data .*no ml-1m/ncf_ml1m\.npz; give the folder"):
        ml_1m(tmp_path, "test")


def test_time_is_the_acts_own() -> None:
    result, spent = timed(lambda: 7)
    assert result == 7
    assert spent.keys() == {"seconds", "cpuSeconds"}


def test_products_of_a_sample_count_each_user_and_item_of_the_batch_once() -> None:
    rows = np.arange(3, dtype=np.int32), np.arange(40, dtype=np.int32)
    positives = Positives(*rows, *csr(np.arange(3), np.arange(3), 3), 0)
    layers = 3 * (256 * 128 + 128 * 64)
    rows_read = (multiply_adds(positives, 15) - layers) * 15 / (3 * 64 * 256)
    assert round(rows_read, 6) in range(3 + 3, 3 + 15 + 1)
