"""Metrics against figures computed by hand, by brute force over tie orders, and against random expectation."""

import json
from itertools import permutations
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from recsys_trainer.errors import DivergedError
from recsys_trainer.evaluation.metrics import NAMES, metric_values
from recsys_trainer.evaluation.ranking import Pairs, Questions, Ranks, rank

RANX: dict[str, Any] = json.loads((Path(__file__).resolve().parents[2] / "golden/ranx.json").read_text())
"""Computed once with the library, on strict orders: ties it breaks by some order, we by none."""


class Fixed:
    """A scorer with given scores."""

    def __init__(self, scores: list[list[float]]) -> None:
        self._scores = torch.tensor(scores, dtype=torch.float32)
        self.items = self._scores.shape[1]

    def scores(self, user_B: Tensor) -> Tensor:
        return self._scores[user_B]


def pairs(rows: list[tuple[int, int]]) -> Pairs:
    return Pairs.ordered(
        np.array([user for user, _ in rows], dtype=np.int64), np.array([item for _, item in rows], dtype=np.int64)
    )


def ask(
    scores: list[list[float]],
    wanted: list[tuple[int, int]],
    seen: list[tuple[int, int]] | None = None,
    unknown: int = 0,
) -> Ranks:
    users = len(scores)
    total = np.bincount([user for user, _ in wanted], minlength=users) + unknown
    questions = Questions(np.arange(users), pairs(seen or []), pairs(wanted), total)
    return rank(questions, Fixed(scores))


def by_hand(order: list[int], wanted: set[int], total: int, k: int) -> dict[str, float]:
    """Textbook definitions on one strict order."""
    hits = [position for position, item in enumerate(order[:k], start=1) if item in wanted]
    ideal = min(k, total)
    return {
        "ndcg": sum(1 / log2(p + 1) for p in hits) / sum(1 / log2(p + 1) for p in range(1, ideal + 1)),
        "recall": len(hits) / total,
        "recallcapped": len(hits) / ideal,
        "precision": len(hits) / k,
        "hr": float(bool(hits)),
        "mrr": 1 / hits[0] if hits else 0.0,
        "map": sum((n / p) for n, p in enumerate(hits, start=1)) / ideal,
    }


def test_a_known_ranking_gives_the_textbook_figures() -> None:
    ranks = ask([[9.0, 8, 7, 6, 5, 4]], [(0, 1), (0, 3), (0, 5)])
    values = metric_values(ranks, (5,))
    assert values["ndcg@5"][0] == pytest.approx((1 / log2(3) + 1 / log2(5)) / (1 + 1 / log2(3) + 1 / 2))
    assert values["recall@5"][0] == pytest.approx(2 / 3)
    assert values["precision@5"][0] == pytest.approx(2 / 5)
    assert values["hr@5"][0] == 1.0
    assert values["mrr@5"][0] == 0.5
    assert values["map@5"][0] == pytest.approx((1 / 2 + 2 / 4) / 3)


@pytest.mark.parametrize("k", [5, 10, 20, 50, 100])
@pytest.mark.parametrize(
    ("ours", "theirs"), [("ndcg", "ndcg"), ("recall", "recall"), ("precision", "precision"), ("hr", "hit_rate"), ("mrr", "mrr")]
)  # fmt: skip
def test_ranx_says_the_same_where_it_defines_the_same(ours: str, theirs: str, k: int) -> None:
    found = [metric_values(ask([user["scores"]], wanted_of(user)), (k,))[f"{ours}@{k}"][0] for user in RANX["users"]]
    assert found == pytest.approx(RANX["values"][f"{theirs}@{k}"], abs=1e-9)


@pytest.mark.parametrize("k", [5, 10, 20, 50, 100])
def test_average_precision_of_ranx_is_divided_by_all_that_is_wanted_and_ours_by_what_fits(k: int) -> None:
    for user, theirs in zip(RANX["users"], RANX["values"][f"map@{k}"], strict=True):
        ours = metric_values(ask([user["scores"]], wanted_of(user)), (k,))[f"map@{k}"][0]
        wanted = len(user["wanted"])
        assert ours * min(k, wanted) / wanted == pytest.approx(theirs, abs=1e-9)


def wanted_of(user: dict[str, Any]) -> list[tuple[int, int]]:
    return [(0, item) for item in user["wanted"]]


def test_seen_items_are_not_in_the_way() -> None:
    ranks = ask([[9.0, 8, 7]], [(0, 2)], seen=[(0, 0), (0, 1)])
    assert metric_values(ranks, (5,))["mrr@5"][0] == 1.0


def test_items_that_the_scorer_does_not_know_stay_in_the_denominator() -> None:
    values = metric_values(ask([[9.0, 8, 7]], [(0, 0)], unknown=3), (5, 20))
    assert values["recall@5"][0] == 0.25
    assert values["recallcapped@20"][0] == 0.25
    assert values["hr@5"][0] == 1.0


def test_items_that_are_never_returned_cannot_be_hit() -> None:
    values = metric_values(ask([[1.0, -np.inf]], [(0, 1)]), (5,))
    assert all(values[f"{name}@5"][0] == 0.0 for name in NAMES)


@pytest.mark.parametrize("k", [1, 2, 3, 5, 7])
@pytest.mark.parametrize(
    ("scores", "wanted"),
    [
        ([3.0, 2, 2, 2, 1, 1], {1, 4}),
        ([1.0, 1, 1, 1, 1, 1], {0, 3, 5}),
        ([2.0, 2, 1, 1, 1, 0], {0, 1, 2}),
        ([5.0, 4, 4, 3, 3, 3], {0}),
        ([5.0, 4, 4, 4, 3, 3], {1, 2, 3, 5}),
    ],
)
def test_ties_count_with_the_mean_over_every_order_of_the_tied(scores: list[float], wanted: set[int], k: int) -> None:
    orders = {tuple(sorted(range(6), key=lambda item: (-scores[item], tie[item]))) for tie in permutations(range(6))}
    expected = [by_hand(list(order), wanted, len(wanted), k) for order in sorted(orders)]
    found = metric_values(ask([scores], [(0, item) for item in wanted]), (k,))
    for name in NAMES:
        assert found[f"{name}@{k}"][0] == pytest.approx(np.mean([each[name] for each in expected]), abs=1e-12), name


def test_a_constant_scorer_gets_what_chance_gets() -> None:
    items, k = 200, 10
    values = metric_values(ask([[0.5] * items], [(0, item) for item in range(0, 40, 10)]), (k,))
    assert values["precision@10"][0] == pytest.approx(4 / items)
    assert values["recall@10"][0] == pytest.approx(k / items)
    none = np.prod([(items - 4 - j) / (items - j) for j in range(k)])
    assert values["hr@10"][0] == pytest.approx(1 - none)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_refused(poison: float) -> None:
    with pytest.raises(DivergedError, match="not finite"):
        ask([[1.0, poison, 0.0]], [(0, 0)])


def test_nobody_to_ask_gives_empty_figures() -> None:
    questions = Questions(np.zeros(0, np.int64), pairs([]), pairs([]), np.zeros(0, np.int64))
    assert len(metric_values(rank(questions, Fixed([[1.0]])), (5,))["ndcg@5"]) == 0
