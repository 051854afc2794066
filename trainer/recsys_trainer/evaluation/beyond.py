"""What lists are like beside being right: coverage, concentration, novelty, diversity, popularity (docs/evaluating.md)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from recsys_api.report import Figure
from recsys_trainer.evaluation.bootstrap import with_intervals

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Lists = npt.NDArray[np.int32]
CUTOFFS = (10, 20)
LENGTH = max(CUTOFFS)
MAX_LISTS, MAX_NEIGHBOURS = 1000, 4096
"""Diversity is estimated: this many lists, and this many training users who tell which items go together."""


def beyond_accuracy(
    top_NL: Lists, user_N: Ints, indptr: Ints, indices: Lists, items: int, seed: int
) -> dict[str, Figure]:
    """{"coverage@10": …}, empty where nobody was asked.

    Args:
        top_NL: lists in item rows, -1 behind their end.
        user_N: training row of each list's user.
        indptr, indices: training interactions.
    """
    if not len(top_NL):
        return {}
    counts = np.bincount(indices, minlength=items)
    users = len(indptr) - 1
    figures = {f"{name}@{k}": figure for k in CUTOFFS for name, figure in _of_catalogue(top_NL[:, :k], items).items()}
    of_users = {}
    for k in CUTOFFS:
        of_users[f"novelty@{k}"] = _mean_over_list(top_NL[:, :k], -np.log2(np.maximum(counts, 1) / users))
        of_users[f"popularitylift@{k}"] = popularity_lift(top_NL[:, :k], user_N, indptr, indices, counts)
    figures |= _with_intervals(of_users, seed)
    figures |= _with_intervals(diversity(top_NL, indptr, indices, items, CUTOFFS, seed), seed)
    return dict(sorted(figures.items()))


def _with_intervals(values: dict[str, Floats], seed: int) -> dict[str, Figure]:
    return {name: Figure(**each.model_dump()) for name, each in with_intervals(values, seed).items()}


def _of_catalogue(top_NK: Lists, items: int) -> dict[str, Figure]:
    """Share of the catalogue that is in any list, and the Gini coefficient of how often each item is."""
    shown = np.sort(np.bincount(top_NK[top_NK >= 0], minlength=items))
    total, n = int(shown.sum()), len(top_NK)
    rank = np.arange(1, items + 1)
    gini = float(((2 * rank - items - 1) * shown).sum() / (items * total)) if total else 0.0
    return {"coverage": Figure(value=float((shown > 0).mean()), n=n), "gini": Figure(value=gini, n=n)}


def _mean_over_list(top_NK: Lists, value_I: Floats) -> Floats:
    there = top_NK >= 0
    return np.asarray(np.where(there, value_I[top_NK], 0.0).sum(axis=1) / np.maximum(1, there.sum(axis=1)))


def popularity_lift(top_NK: Lists, user_N: Ints, indptr: Ints, indices: Lists, counts: Ints) -> Floats:
    """How much more popular a list is than what its user did in the training: 0.5 is half as much again."""
    running = np.concatenate(([0], np.cumsum(counts[indices])))
    degree = np.diff(indptr)[user_N]
    profile = (running[indptr[user_N + 1]] - running[indptr[user_N]]) / np.maximum(1, degree)
    return np.asarray(_mean_over_list(top_NK, counts.astype(np.float64)) / np.maximum(profile, 1.0) - 1)


def diversity(
    top_NL: Lists, indptr: Ints, indices: Lists, items: int, cutoffs: Sequence[int], seed: int
) -> dict[str, Floats]:
    """1 - mean cosine between the items of a list, an item being the set of training users who had it."""
    random = np.random.default_rng(seed)
    lists = top_NL[np.sort(random.permutation(len(top_NL))[:MAX_LISTS])]
    users = np.sort(random.permutation(len(indptr) - 1)[:MAX_NEIGHBOURS])
    listed = np.unique(lists[lists >= 0])
    # The row of zeros at the end is what place's -1 finds behind a list's end, or where no list has any item.
    had_IU = np.pad(_normalized(_had(listed, users, indptr, indices, items)), ((0, 1), (0, 0)))
    place = np.full(items + 1, -1)
    place[listed] = np.arange(len(listed))
    found: dict[str, list[Floats]] = {f"diversity@{k}": [] for k in cutoffs}
    for chunk in np.array_split(lists, max(1, len(lists) // 64)):
        vectors = had_IU[place[chunk]]
        for k in cutoffs:
            found[f"diversity@{k}"].append(_distance(vectors[:, :k], (chunk[:, :k] >= 0).sum(axis=1)))
    return {name: np.concatenate(values) for name, values in found.items()}


def _had(listed: Lists, users: Ints, indptr: Ints, indices: Lists, items: int) -> npt.NDArray[np.float32]:
    """1 where a user had a listed item, [listed, users]."""
    place = np.full(items, -1)
    place[listed] = np.arange(len(listed))
    column = np.full(len(indptr) - 1, -1)
    column[users] = np.arange(len(users))
    user = np.repeat(column, np.diff(indptr))
    keep = (user >= 0) & (place[indices] >= 0)
    had = np.zeros((len(listed), len(users)), dtype=np.float32)
    had[place[indices[keep]], user[keep]] = 1
    return had


def _normalized(had_IU: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    norm = np.sqrt(had_IU.sum(axis=1, keepdims=True))
    return np.asarray(had_IU / np.maximum(norm, 1))


def _distance(vectors_NKU: npt.NDArray[np.float32], length_N: Ints) -> Floats:
    """From |sum of unit vectors|² = K + the cosines of all ordered pairs; an item without users is unlike all others."""
    whole = (vectors_NKU.sum(axis=1) ** 2).sum(axis=1, dtype=np.float64)
    own = (vectors_NKU**2).sum(axis=(1, 2), dtype=np.float64)
    pairs = length_N * (length_N - 1)
    return np.where(pairs > 0, 1 - (whole - own) / np.maximum(1, pairs), 0.0)
