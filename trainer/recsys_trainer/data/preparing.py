"""From `spec.data` to interactions with their parts: read, split, drop repeats, filter.

The split comes first, by rows as they were found: what is dropped of the training part then depends on the training
part alone, and nothing that the test holds can be told from what was trained on.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from recsys_api.spec.data import Data, Filter
from recsys_trainer.data.budget import BUDGET, Budget, chosen, count_values, grouped_rows, new_array, slices
from recsys_trainer.data.interactions import TRAIN, Groups, Interactions, Mask, Parts, Rows
from recsys_trainer.data.quarantine import Quarantine
from recsys_trainer.data.sorting import stable_order
from recsys_trainer.data.split import refuse_empty_parts, split_parts
from recsys_trainer.data.validation import load_interactions, refuse_too_few
from recsys_trainer.errors import DataError

Counts = npt.NDArray[np.int64]


def prepare_interactions(
    data: Data, budget: Budget = BUDGET, quarantine: Quarantine | None = None, *, weights: bool = False
) -> tuple[Interactions, Parts]:
    """Distinct (user, item) pairs in time order, and the part of each.

    Args:
        quarantine: gets the rows that are set aside.
        weights: ratings say how much an interaction counts, so that negative ones are refused.

    Raises:
        UnreadableError: the source cannot be read.
        DataError: the data is not what the manifest says, or a part would be empty.
        OutOfMemoryError: the disk is full.
    """
    found = load_interactions(data, budget, quarantine, weights=weights)
    parts = split_parts(found, data.split, budget)
    found, parts = without_repeats(found, parts, budget)
    found, parts = filtered(found, parts, data.filter, budget)
    refuse_too_few(len(found), data, found.duplicates, found.filtered.get("interactions", 0))
    refuse_empty_parts(found, parts, data.split)
    return found, parts


def without_repeats(data: Interactions, parts: Parts, budget: Budget = BUDGET) -> tuple[Interactions, Parts]:
    """Of each (user, item) pair the last row of its earliest part: a pair that was trained on is never asked for."""
    keep = new_array(len(data), np.bool_, budget)
    keep[:] = False
    for _, rows in grouped_rows(data.user_I, len(data.users), budget):
        rows = rows[::-1]  # the sort is stable: of equal part and pair the last row comes first
        rows = rows[stable_order(data.user_I[rows], data.item_I[rows], parts[rows])]
        user, item = data.user_I[rows], data.item_I[rows]
        first = np.ones(len(rows), dtype=np.bool_)
        first[1:] = (user[1:] != user[:-1]) | (item[1:] != item[:-1])
        keep[rows[first]] = True
    kept = int(np.count_nonzero(keep))
    if kept < len(data):
        data, parts = replace(data.at(keep, budget), duplicates=len(data) - kept), chosen(parts, keep, budget)
    return data, parts


def filtered(data: Interactions, parts: Parts, wanted: Filter, budget: Budget = BUDGET) -> tuple[Interactions, Parts]:
    """Without the training interactions of users and items that have too few of them, until all have enough.

    Raises:
        DataError: nothing is left to train on.
    """
    if wanted.min_user_interactions == wanted.min_item_interactions == 1:
        return data, parts
    train = new_array(len(data), np.bool_, budget)
    np.equal(parts, TRAIN, out=train)
    before = _seen(data, train, budget)
    left = _core(data, train, before, wanted, budget)
    after = _seen(data, left, budget)
    counts = {"interactions": int(before[0].sum() - after[0].sum())}
    if not after[0].any():
        what = f"of {before[0].sum()} training interactions none is left"
        raise DataError.at("data.filter", "", what, "lower minUserInteractions and minItemInteractions")
    for name, old, new in zip(("users", "items"), before, after, strict=True):
        counts[name] = int(np.count_nonzero(old) - np.count_nonzero(new))
    for piece in slices(len(data), budget.batch_rows):
        left[piece] |= parts[piece] != TRAIN
    kept = _compacted(data.at(left, budget), budget)
    return replace(kept, filtered=counts), chosen(parts, left, budget)


def _core(data: Interactions, train: Mask, counts: tuple[Counts, Counts], wanted: Filter, budget: Budget) -> Mask:
    """The largest part of `train` in which every user and item has enough (k-core); `train` is overwritten."""
    while True:
        user_enough, item_enough = counts[0] >= wanted.min_user_interactions, counts[1] >= wanted.min_item_interactions
        before = int(counts[0].sum())
        for piece in slices(len(data), budget.batch_rows):
            train[piece] &= user_enough[data.user_I[piece]] & item_enough[data.item_I[piece]]
        counts = _seen(data, train, budget)
        if int(counts[0].sum()) in (before, 0):
            return train


def _seen(data: Interactions, wanted: Mask, budget: Budget) -> tuple[Counts, Counts]:
    """Chosen interactions of every user and of every item."""
    return (
        count_values(data.user_I, len(data.users), budget, wanted),
        count_values(data.item_I, len(data.items), budget, wanted),
    )


def _compacted(data: Interactions, budget: Budget) -> Interactions:
    """Without ids that no interaction has."""
    user = count_values(data.user_I, len(data.users), budget) > 0
    item = count_values(data.item_I, len(data.items), budget) > 0
    return replace(
        data,
        users=data.users.take(np.flatnonzero(user)),
        items=data.items.take(np.flatnonzero(item)),
        user_I=_renumbered(data.user_I, user, budget),
        item_I=_renumbered(data.item_I, item, budget),
        user_groups=_of_used(data.user_groups, user),
        item_groups=_of_used(data.item_groups, item),
    )


def _renumbered(rows: Rows, used: Mask, budget: Budget) -> Rows:
    new = (np.cumsum(used) - 1).astype(np.int32)
    result = new_array(len(rows), np.int32, budget)
    for piece in slices(len(rows), budget.batch_rows):
        result[piece] = new[rows[piece]]
    return result


def _of_used(groups: Groups | None, used: Mask) -> Groups | None:
    return None if groups is None else Groups(groups.names, groups.of[used])
