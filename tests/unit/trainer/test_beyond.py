"""Coverage, concentration, novelty, diversity, lift, groups and the sampled protocol against naive counts."""

from itertools import combinations
from math import log2, sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_api.report import UserGroups
from recsys_trainer.data.interactions import Groups
from recsys_trainer.evaluation.beyond import beyond_accuracy
from recsys_trainer.evaluation.groups import by_item_group, by_user_group
from recsys_trainer.evaluation.ranking import Pairs, Questions, survey
from recsys_trainer.evaluation.ratings import with_user_intervals
from recsys_trainer.evaluation.sampled import NEGATIVES, sampled_values

USERS, ITEMS = 30, 25


def training(seed: int) -> tuple[list[set[int]], np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    random = np.random.default_rng(seed)
    had = [set(random.integers(0, ITEMS, 6).tolist()) for _ in range(USERS)]
    indptr = np.concatenate(([0], np.cumsum([len(each) for each in had]))).astype(np.int64)
    return had, indptr, np.array([item for each in had for item in sorted(each)], dtype=np.int32)


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_every_figure_is_what_its_definition_says(seed: int) -> None:
    had, indptr, indices = training(seed)
    random = np.random.default_rng(seed)
    lists = np.stack([random.permutation(ITEMS)[:20] for _ in range(12)]).astype(np.int32)
    lists[0, 7:] = -1
    user = random.integers(0, USERS, 12)
    found = {name: figure.value for name, figure in beyond_accuracy(lists, user, indptr, indices, ITEMS, 0).items()}
    first = [[item for item in row[:10].tolist() if item >= 0] for row in lists]
    counts = [sum(item in each for each in had) for item in range(ITEMS)]
    shown = sorted(sum(item in row for row in first) for item in range(ITEMS))
    apart = sum(abs(a - b) for a in shown for b in shown) / (2 * ITEMS * sum(shown))
    assert found["coverage@10"] == sum(each > 0 for each in shown) / ITEMS
    assert found["gini@10"] == pytest.approx(apart)
    novelty = [np.mean([-log2(max(1, counts[item]) / USERS) for item in row]) for row in first]
    assert found["novelty@10"] == pytest.approx(np.mean(novelty))
    lift = [
        np.mean([counts[item] for item in row]) / np.mean([counts[item] for item in had[of]]) - 1
        for row, of in zip(first, user, strict=True)
    ]
    assert found["popularitylift@10"] == pytest.approx(np.mean(lift))
    owners = [{user for user in range(USERS) if item in had[user]} for item in range(ITEMS)]
    cosine = lambda a, b: len(owners[a] & owners[b]) / sqrt(max(1, len(owners[a])) * max(1, len(owners[b])))  # noqa: E731
    distance = [1 - np.mean([cosine(a, b) for a, b in combinations(row, 2)]) for row in first]
    assert found["diversity@10"] == pytest.approx(np.mean(distance), abs=1e-6)


def test_one_item_for_everybody_is_the_extreme() -> None:
    _, indptr, indices = training(0)
    lists = np.zeros((50, 1), dtype=np.int32)
    found = beyond_accuracy(lists, np.zeros(50, dtype=np.int64), indptr, indices, ITEMS, 0)
    assert found["coverage@10"].value == 1 / ITEMS
    assert found["gini@10"].value == pytest.approx(1 - 1 / ITEMS)
    assert found["diversity@10"].value == 0.0
    assert beyond_accuracy(lists[:0], np.zeros(0, dtype=np.int64), indptr, indices, ITEMS, 0) == {}


def test_lists_without_any_item_are_like_nothing() -> None:
    _, indptr, indices = training(0)
    lists = np.full((3, 20), -1, dtype=np.int32)
    found = beyond_accuracy(lists, np.arange(3), indptr, indices, ITEMS, 0)
    assert found["coverage@10"].value == found["novelty@10"].value == found["diversity@10"].value == 0


class Fixed:
    items = ITEMS * 10

    def __init__(self, scores: torch.Tensor) -> None:
        self._scores = scores

    def scores(self, user_B: torch.Tensor) -> torch.Tensor:
        return self._scores[user_B]


@given(st.integers(0, 2**32), st.integers(1, 200))
@settings(max_examples=30, deadline=None)
def test_lists_are_the_best_unseen_with_ties_by_row_and_ranks_are_those_of_whole_rows(seed: int, levels: int) -> None:
    random = np.random.default_rng(seed)
    scores = torch.from_numpy(random.integers(0, levels, (9, Fixed.items)).astype(np.float32))
    seen = Pairs.ordered(np.repeat(np.arange(9), 40), random.integers(0, Fixed.items, 360))
    wanted = Pairs.ordered(np.repeat(np.arange(9), 8), random.integers(0, Fixed.items, 72))
    found = survey(Questions(np.arange(9), seen, wanted, np.full(9, 8)), Fixed(scores), lists=20, probes=wanted)
    assert found.probe_P.tolist() == scores[wanted.user_R, wanted.item_R].tolist()
    ranks = {}
    for user in range(9):
        row = scores[user].clone()
        row[seen.item_R[seen.user_R == user]] = -torch.inf
        order = sorted(range(Fixed.items), key=lambda item: (-row[item].item(), item))
        assert found.top_NL[user].tolist() == [item for item in order[:20] if row[item] > -torch.inf]
        for item in wanted.item_R[wanted.user_R == user]:
            above = int((row > row[item]).sum())
            if row[item] > -torch.inf and above < 100:
                ranks[user, above] = int((row == row[item]).sum())
    got = zip(found.ranks.user_G.tolist(), found.ranks.greater_G.tolist(), found.ranks.tied_G.tolist(), strict=True)
    assert {(user, above): tied for user, above, tied in got} == ranks


def test_a_negative_is_ahead_only_with_a_higher_score() -> None:
    rows = np.zeros((4, NEGATIVES + 1), dtype=np.float32)
    rows[1, 1:] = 1  # all ahead
    rows[2, 1:4] = 1  # three ahead: place 4
    rows[3, 0] = 1
    values = sampled_values(rows.ravel())
    assert values["hr@10"].tolist() == [1, 0, 1, 1]
    assert values["ndcg@10"].tolist() == [1, 0, 1 / log2(5), 1]


def test_groups_share_what_is_shown_and_differ_by_what_they_get() -> None:
    groups = Groups(("big", "small"), np.array([0, 0, 1, -1], dtype=np.int32))
    lists = np.array([[0, 1, 2], [0, 2, -1]], dtype=np.int32)
    found = by_item_group(groups, np.arange(4, dtype=np.int32), lists, np.array([0, 0, 1, 2], dtype=np.int32))
    assert set(found) == {"big", "small", "(none)"}
    assert (found["big"].lists, found["big"].training, found["big"].catalogue) == (0.6, 0.75, 0.5)
    assert found["small"].exposure == pytest.approx((0.5 + 1 / log2(3)) / (2 * (1 + 1 / log2(3)) + 0.5))


def test_a_group_that_is_called_none_is_one_with_those_without_a_group() -> None:
    groups = Groups(("(none)", "a"), np.array([0, 1, -1, -1], dtype=np.int32))
    values = {name: np.array([1.0, 1.0, 0.0, 0.0]) for name in ("ndcg@10", "recall@20", "hr@10")}
    users = by_user_group(groups, np.arange(4), values, 0).metrics
    assert {name: (block["hr@10"].n, block["hr@10"].value) for name, block in users.items()} == {
        "(none)": (3, pytest.approx(1 / 3)), "a": (1, 1),
    }  # fmt: skip
    lists, trained = np.array([[0, 1, 2, 3]], dtype=np.int32), np.array([0, 1], dtype=np.int32)
    items = by_item_group(groups, np.arange(4, dtype=np.int32), lists, trained)
    assert {name: (share.lists, share.training, share.catalogue) for name, share in items.items()} == {
        "(none)": (0.75, 0.5, 0.75), "a": (0.25, 0.5, 0.25),
    }  # fmt: skip


def grouped(sizes: dict[str, int], hits: dict[str, float], seed: int = 0) -> UserGroups:
    """Users of every group, of whom such a share is hit."""
    names = tuple(name for name in sizes if name != "(none)")
    of = np.concatenate([np.full(sizes[name], names.index(name) if name in names else -1) for name in sizes])
    hit = np.concatenate([np.arange(size) < hits[name] * size for name, size in sizes.items()]).astype(float)
    values = dict.fromkeys(("ndcg@10", "recall@20", "hr@10"), hit)
    return by_user_group(Groups(names, of.astype(np.int32)), np.arange(len(of)), values, seed)


def test_every_group_of_users_has_its_metrics_with_interval_and_n() -> None:
    found = grouped({"big": 200, "one": 1, "(none)": 40}, {"big": 0.5, "one": 1, "(none)": 0.25})
    blocks = {name: block["hr@10"] for name, block in found.metrics.items()}
    assert {name: (each.value, each.n) for name, each in blocks.items()} == {
        "big": (0.5, 200), "one": (1, 1), "(none)": (0.25, 40),
    }  # fmt: skip
    assert blocks["big"].low == pytest.approx(0.5 - 1.96 * sqrt(0.25 / 200), abs=0.01)
    assert blocks["big"].high == pytest.approx(0.5 + 1.96 * sqrt(0.25 / 200), abs=0.01)


@pytest.mark.parametrize(
    ("sizes", "gap", "small"),
    [
        ({"a": 30, "b": 30}, 0.5, ()),
        ({"a": 30, "b": 30, "one": 1}, 0.5, ("one",)),
        ({"a": 30, "b": 30, "(none)": 29}, 0.5, ("(none)",)),
        ({"a": 30, "b": 30, "(none)": 30}, 1.0, ()),
        ({"a": 30, "one": 29}, None, ("one",)),
        ({"a": 30}, None, ()),
    ],
)
def test_a_group_that_is_too_small_does_not_set_the_gap(
    sizes: dict[str, int], gap: float | None, small: tuple[str, ...]
) -> None:
    found = grouped(sizes, {"a": 0.5, "b": 0, "one": 1, "(none)": 1})
    assert set(found.metrics) == set(sizes)
    assert found.gaps.get("hr@10") == gap
    assert set(found.gaps_by_chance) == set(found.gaps)
    assert (found.too_small, found.minimum_users) == (small, 30)


def test_equally_good_groups_have_a_gap_below_that_by_chance_in_95_of_100_tests() -> None:
    random = np.random.default_rng(0)
    groups = Groups(("a", "b", "c", "d"), np.repeat(np.arange(4, dtype=np.int32), (30, 30, 40, 60)))
    below = 0
    for seed in range(100):
        values = dict.fromkeys(("ndcg@10", "recall@20", "hr@10"), random.random(160))
        found = by_user_group(groups, np.arange(160), values, seed)
        below += found.gaps["hr@10"] < found.gaps_by_chance["hr@10"]
    assert 90 <= below < 100
    apart = grouped({"a": 100, "b": 100}, {"a": 0.9, "b": 0.1})
    assert apart.gaps["hr@10"] > apart.gaps_by_chance["hr@10"]


def test_rating_errors_are_over_interactions_and_their_intervals_over_users() -> None:
    found = with_user_intervals(np.array([1.0, -1.0, 2.0]), np.array([4, 4, 7], dtype=np.int32), 0)
    assert found["rmse"].value == pytest.approx(sqrt(2))
    assert found["mae"].value == pytest.approx(4 / 3)
    assert (found["mae"].low, found["mae"].high, found["mae"].n) == (1.0, 2.0, 3)
