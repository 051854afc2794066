"""Ranking metrics in float64 from integer ranks; ties count with their expectation over all orders of the tied items.

McSherry and Najork 2008, Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied
Scores. A scorer that says the same of everything therefore gets what a random order gets, not 0 and not 1.
Gain is binary, the discount log2(1 + position); NDCG's ideal and AP's denominator are cut at min(K, |wanted|).
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from numpy import log1p

from recsys_trainer.evaluation.ranking import Ranks

Floats = npt.NDArray[np.float64]
CUTOFFS = (5, 10, 20, 50, 100)
NAMES = ("ndcg", "recall", "recallcapped", "precision", "hr", "mrr", "map")


def metric_values(ranks: Ranks, cutoffs: Sequence[int] = CUTOFFS) -> dict[str, Floats]:
    """{"ndcg@10": float64 [N], …}: every metric of every user."""
    return {f"{name}@{k}": _METRICS[name](ranks, k) for k in cutoffs for name in NAMES}


def _sum_by_user(ranks: Ranks, values_G: Floats) -> Floats:
    return np.bincount(ranks.user_G, weights=values_G, minlength=len(ranks.total_N)).astype(np.float64)


def _inside(ranks: Ranks, k: int) -> npt.NDArray[np.int64]:
    """Positions of the group among the first k."""
    return np.clip(k - ranks.greater_G, 0, ranks.tied_G)


def _hits(ranks: Ranks, k: int) -> Floats:
    return _sum_by_user(ranks, ranks.wanted_G / ranks.tied_G * _inside(ranks, k))


def _capped(ranks: Ranks, k: int) -> npt.NDArray[np.int64]:
    return np.maximum(1, np.minimum(k, ranks.total_N))


def _cumulative_discount(k: int) -> Floats:
    return np.concatenate(([0.0], np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))))


def _ndcg(ranks: Ranks, k: int) -> Floats:
    discount = _cumulative_discount(k)
    first = np.minimum(k, ranks.greater_G)
    gain = ranks.wanted_G / ranks.tied_G * (discount[first + _inside(ranks, k)] - discount[first])
    return _sum_by_user(ranks, gain) / discount[_capped(ranks, k)]


def _recall(ranks: Ranks, k: int) -> Floats:
    return _hits(ranks, k) / np.maximum(1, ranks.total_N)


def _recall_capped(ranks: Ranks, k: int) -> Floats:
    return _hits(ranks, k) / _capped(ranks, k)


def _precision(ranks: Ranks, k: int) -> Floats:
    return _hits(ranks, k) / k


def _position_grid(ranks: Ranks, k: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """(j, position) for the j-th place (from 1) of each group, [1, k] and [G, k]."""
    j = np.arange(1, k + 1)[None, :]
    return j, (ranks.greater_G[:, None] + j).astype(np.float64)


def _first_wanted_at(ranks: Ranks, k: int) -> Floats:
    """[G, k]: chance that the group's first wanted item is at its j-th place, 0 outside the first k positions."""
    j, position = _position_grid(ranks, k)
    tied, wanted = ranks.tied_G[:, None], ranks.wanted_G[:, None]
    left = np.maximum(tied - j + 1, 1)
    here = np.clip(wanted / left, 0.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        none_before = np.exp(np.cumsum(log1p(-here), axis=1))
    none_before = np.concatenate((np.ones((len(tied), 1)), none_before[:, :-1]), axis=1)
    return np.where((position <= k) & (j <= tied - wanted + 1), none_before * here, 0.0)


def _first_groups(ranks: Ranks) -> npt.NDArray[np.bool_]:
    first = np.ones(len(ranks.user_G), dtype=np.bool_)
    first[1:] = ranks.user_G[1:] != ranks.user_G[:-1]
    return first


def _by_first_group(ranks: Ranks, k: int, alone: Callable[[Floats], Floats], grid: Callable[[Ranks], Floats]) -> Floats:
    """Sum over users of a value of their first group: in closed form where no item ties, over its places else."""
    first = _chosen(ranks, _first_groups(ranks) & (ranks.greater_G < k))
    value: Floats = alone(first.greater_G.astype(np.float64) + 1)
    if (tied := first.tied_G > 1).any():
        value[tied] = grid(_chosen(first, tied))
    return _sum_by_user(first, value)


def _chosen(ranks: Ranks, groups: npt.NDArray[np.bool_]) -> Ranks:
    return Ranks(
        ranks.user_G[groups], ranks.greater_G[groups], ranks.tied_G[groups], ranks.wanted_G[groups], ranks.total_N
    )  # fmt: skip


def _hr(ranks: Ranks, k: int) -> Floats:
    found = _by_first_group(ranks, k, np.ones_like, lambda tied: _first_wanted_at(tied, k).sum(axis=1))
    return np.minimum(1.0, found)


def _mrr(ranks: Ranks, k: int) -> Floats:
    def grid(tied: Ranks) -> Floats:
        _, position = _position_grid(tied, k)
        return np.asarray((_first_wanted_at(tied, k) / position).sum(axis=1))

    return _by_first_group(ranks, k, np.reciprocal, grid)


def _map(ranks: Ranks, k: int) -> Floats:
    inside = ranks.greater_G < k
    before, ranks = _wanted_before(ranks)[inside], _chosen(ranks, inside)
    value = (before + 1) / (ranks.greater_G + 1.0)
    if (tied := ranks.tied_G > 1).any():
        value[tied] = _expected_precision(_chosen(ranks, tied), before[tied], k)
    return _sum_by_user(ranks, value) / _capped(ranks, k)


def _expected_precision(ranks: Ranks, before: npt.NDArray[np.int64], k: int) -> Floats:
    """Sum of the precisions at the places where the group's wanted items may be, [G]."""
    j, position = _position_grid(ranks, k)
    tied, wanted = ranks.tied_G[:, None], ranks.wanted_G[:, None]
    inside = (position <= k) & (j <= tied)
    expected = before[:, None] + 1 + (j - 1) * (wanted - 1) / np.maximum(1, tied - 1)
    return np.asarray(np.where(inside, wanted / tied * expected / position, 0.0).sum(axis=1))


def _wanted_before(ranks: Ranks) -> npt.NDArray[np.int64]:
    """Wanted items of the user in better groups, [G]."""
    running = np.cumsum(ranks.wanted_G) - ranks.wanted_G
    first = _first_groups(ranks)
    start = running[first]
    return running - start[np.cumsum(first) - 1] if len(running) else running


_METRICS: dict[str, Callable[[Ranks, int], Floats]] = {
    "ndcg": _ndcg,
    "recall": _recall,
    "recallcapped": _recall_capped,
    "precision": _precision,
    "hr": _hr,
    "mrr": _mrr,
    "map": _map,
}
