"""Every one of the 10,000 buckets is on the right side of every pattern."""

import re

import pytest

from recsys_operator.core import weights

BUCKETS = range(10_000)


@pytest.mark.parametrize("weight", [1, 5, 9, 25, 50, 99, 100])
@pytest.mark.parametrize("offset", [0, 1, 9, 10, 999, 1000, 4321, 7500, 9499, 9500, 9501, 9900, 9999])
def test_the_pattern_matches_exactly_the_buckets_of_the_range(offset: int, weight: int) -> None:
    pattern = re.compile(weights.range_regex(offset, weight))
    inside = {bucket for bucket in BUCKETS if pattern.fullmatch(f"{bucket:04d}")}
    assert inside == {(offset + n) % 10_000 for n in range(weight * 100)}


@pytest.mark.parametrize("offset", [0, 3333, 9876])
def test_in_range_agrees_with_the_pattern(offset: int) -> None:
    for weight in (1, 33, 100):
        pattern = re.compile(weights.range_regex(offset, weight))
        assert all(weights.in_range(b, offset, weight) == bool(pattern.fullmatch(f"{b:04d}")) for b in BUCKETS)


def test_the_range_only_grows_with_the_weight() -> None:
    smaller = {b for b in BUCKETS if weights.in_range(b, 9800, 5)}
    larger = {b for b in BUCKETS if weights.in_range(b, 9800, 25)}
    assert smaller < larger


def test_all_users_are_not_the_pattern_of_any_bucket() -> None:
    # the route's reader tells the candidate's rule from the rule for any bucket by its pattern
    assert {weights.range_regex(offset, 100) for offset in (0, 1984, 9999)} == {"[0-9][0-9][0-9][0-9]"}


def test_weight_zero_has_no_pattern() -> None:
    with pytest.raises(ValueError, match="leave the candidate's rule out"):
        weights.range_regex(100, 0)


def test_the_offset_differs_by_version_and_by_rollout() -> None:
    drawn = {weights.bucket_offset(f"uid-{n}", rollout) for n in range(20) for rollout in (1, 2)}
    assert len(drawn) > 35
    assert all(0 <= offset < 10_000 for offset in drawn)
    assert weights.bucket_offset("uid-1", 1) == weights.bucket_offset("uid-1", 1)


@pytest.mark.parametrize(
    ("stable", "weight", "needed"), [(4, 5, 1), (4, 25, 1), (4, 26, 2), (4, 100, 4), (1, 5, 1), (10, 50, 5), (3, 50, 2)]
)
def test_a_candidate_has_its_share_of_stables_pods(stable: int, weight: int, needed: int) -> None:
    assert weights.needed_replicas(stable, weight) == needed
