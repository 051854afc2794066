"""Splits: what is where, and that nothing leaks."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_api.spec.data import Split
from recsys_trainer.data.idlist import Ids
from recsys_trainer.data.interactions import Interactions
from recsys_trainer.data.split import TEST, TRAIN, VALIDATION, split_parts
from recsys_trainer.errors import DataError


def data(users: list[int], times: list[int]) -> Interactions:
    order = np.argsort(times, kind="stable")
    user = np.array(users, dtype=np.int32)[order]
    names = [f"u{row}" for row in range(int(user.max()) + 1)]
    items = np.arange(len(users), dtype=np.int32)
    return Interactions(
        Ids.of(names), Ids.of([f"i{row}" for row in items]), user, items, np.array(times, dtype=np.int64)[order]
    )


def test_temporal_takes_shares_of_all_interactions_in_time_order() -> None:
    parts = split_parts(data([0] * 100, list(range(100))), Split(test_fraction=0.1, validation_fraction=0.2))
    assert parts.tolist() == [TRAIN] * 70 + [VALIDATION] * 20 + [TEST] * 10


@pytest.mark.parametrize("strategy", ["Temporal", "Random"])
def test_a_tenth_is_held_out_for_each_part_where_no_share_is_given(strategy: Literal["Temporal", "Random"]) -> None:
    known, shares = data([0] * 100, list(range(100))), {"test_fraction": 0.1, "validation_fraction": 0.1}
    parts = split_parts(known, Split(strategy=strategy))
    assert np.bincount(parts).tolist() == [80, 10, 10]
    assert parts.tolist() == split_parts(known, Split(strategy=strategy, **shares)).tolist()


def test_ties_at_a_boundary_go_to_the_earlier_part() -> None:
    times = [*range(85), *[85] * 7, *[92] * 3, *range(95, 100)]
    parts = split_parts(data([0] * 100, times), Split())
    assert set(parts[85:92]) == {VALIDATION}
    assert parts.tolist().count(TEST) == 8
    times[88:93] = [88] * 5
    assert set(split_parts(data([0] * 100, sorted(times)), Split())[88:93]) == {VALIDATION}


@given(st.lists(st.integers(0, 30), min_size=10, max_size=200))
def test_temporal_parts_follow_each_other_in_time(times: list[int]) -> None:
    known = data([0] * len(times), times)
    try:
        parts = split_parts(known, Split(test_fraction=0.2, validation_fraction=0.2))
    except DataError:
        return  # too many ties: test_an_empty_part_is_refused_with_the_fix
    by_part = [known.timestamp_I[parts == part] for part in (TRAIN, VALIDATION, TEST)]
    assert by_part[0].max() < by_part[1].min()
    assert by_part[1].max() < by_part[2].min()


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.integers(1, 20), st.integers(1, 20))
def test_durations_cut_at_times_before_the_last_interaction(times: list[int], test: int, validation: int) -> None:
    last = max(times)
    expected = [
        TEST if last - time < test else VALIDATION if last - time < test + validation else TRAIN
        for time in sorted(times)
    ]
    split = Split(test_seconds=test, validation_seconds=validation)
    if len(set(expected)) < 3:
        with pytest.raises(DataError, match=r"part of .* is empty: testSeconds is"):
            split_parts(data([0] * len(times), times), split)
    else:
        assert split_parts(data([0] * len(times), times), split).tolist() == expected


def test_a_tie_at_a_durations_end_goes_to_the_earlier_part() -> None:
    split = Split(test_seconds=10, validation_seconds=5)
    parts = split_parts(data([0] * 7, [80, 85, 85, 86, 90, 91, 100]), split)
    assert parts.tolist() == [TRAIN] * 3 + [VALIDATION] * 2 + [TEST] * 2


@pytest.mark.parametrize(
    ("times", "seconds", "words"),
    [
        ([0, 50, 100], (60, 41), "the training part of 3 .* lower testSeconds and validationSeconds to at most 100"),
        ([0, 50, 100], (60, 10), "the validation part of 3 .* raise validationSeconds"),
        ([0, 1, 1], (1, 1), "the training part of 3 .* spans 1 seconds.* use finer timestamps"),
        ([0, 50, 100], (7, 99), "testSeconds is 7, validationSeconds 99, and the data spans 100 seconds, from 1970-01"),
    ],
)
def test_an_empty_part_is_explained_by_durations_and_span(
    times: list[int], seconds: tuple[int, int], words: str
) -> None:
    split = Split(test_seconds=seconds[0], validation_seconds=seconds[1])
    with pytest.raises(DataError, match=rf"^data\.split: .*{words}"):
        split_parts(data([0] * len(times), times), split)


def test_leave_one_out_tests_each_users_last_and_validates_the_one_before() -> None:
    parts = split_parts(data([0, 1, 0, 0, 1, 1, 2, 2], list(range(8))), Split(strategy="LeaveOneOut"))
    assert parts.tolist() == [TRAIN, TRAIN, VALIDATION, TEST, VALIDATION, TEST, TRAIN, TRAIN]


def test_random_is_drawn_with_the_seed() -> None:
    known = data([0] * 1000, list(range(1000)))
    first, again, other = (split_parts(known, Split(strategy="Random", seed=seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    assert np.bincount(first).tolist() == [800, 100, 100]


@pytest.mark.parametrize(
    ("strategy", "times", "fix"),
    [
        ("Temporal", [5] * 100, "finer timestamps"),
        ("Temporal", [1, 2, 3], "; raise data.split.testFraction and validationFraction, or add data"),
        ("LeaveOneOut", [1, 2], "Temporal or Random"),
        ("Random", [1, 2], "raise"),
    ],
)
def test_an_empty_part_is_refused_with_the_fix(strategy: str, times: list[int], fix: str) -> None:
    with pytest.raises(DataError, match=fix):
        split_parts(data([0] * len(times), times), Split.model_validate({"strategy": strategy}))
