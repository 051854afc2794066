"""From `spec.data` to interactions with their parts: read, split, drop repeats, filter.

The split comes first, by rows as they were found: what is dropped of the training part then depends on the training
part alone, and nothing that the test holds can be told from what was trained on.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from recsys_api.recommender_model import Data, Filter
from recsys_trainer.data.interactions import TRAIN, Groups, Interactions, Mask, Parts, Rows
from recsys_trainer.data.split import refuse_empty_parts, split_parts
from recsys_trainer.data.validation import load_interactions, refuse_too_few
from recsys_trainer.errors import DataError

Positions = npt.NDArray[np.intp]


def prepare_interactions(data: Data, seed: int) -> tuple[Interactions, Parts]:
    """Distinct (user, item) pairs in time order, and the part of each.

    Raises:
        UnreadableError: the source cannot be read.
        DataError: the data is not what the manifest says, or a part would be empty.
    """
    found = load_interactions(data)
    parts = split_parts(found, data.split, seed)
    found, parts = without_repeats(found, parts)
    found, parts = filtered(found, parts, data.filter)
    refuse_too_few(len(found), data)
    refuse_empty_parts(parts, data.split.strategy)
    return found, parts


def without_repeats(data: Interactions, parts: Parts) -> tuple[Interactions, Parts]:
    """Of each (user, item) pair the last row of its earliest part: a pair that was trained on is never asked for."""
    pair = data.user_I.astype(np.int64) * (int(data.item_I.max(initial=0)) + 1) + data.item_I
    order = np.lexsort((-np.arange(len(data)), parts, pair))
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = pair[order][1:] != pair[order][:-1]
    keep = np.sort(order[first])
    return replace(data.at(keep), duplicates=len(data) - len(keep)), parts[keep]


def filtered(data: Interactions, parts: Parts, wanted: Filter) -> tuple[Interactions, Parts]:
    """Without the training interactions of users and items that have too few of them, until all have enough.

    Raises:
        DataError: nothing is left to train on.
    """
    if wanted.min_user_interactions == wanted.min_item_interactions == 1:
        return data, parts
    train = np.flatnonzero(parts == TRAIN)
    left = _core(data, train, wanted)
    if not len(left):
        what = f"of {len(train)} training interactions none is left"
        raise DataError.at("data.filter", "", what, "lower minUserInteractions and minItemInteractions")
    keep = parts != TRAIN
    keep[left] = True
    kept, counts = _compacted(data.at(keep)), {"interactions": len(train) - len(left)}
    for name, rows in (("users", data.user_I), ("items", data.item_I)):
        counts[name] = len(np.unique(rows[train])) - len(np.unique(rows[left]))
    return replace(kept, filtered=counts), parts[keep]


def _core(data: Interactions, train: Positions, wanted: Filter) -> Positions:
    """The largest part of `train` in which every user and item has enough (k-core)."""
    while True:
        user, item = data.user_I[train], data.item_I[train]
        enough = (np.bincount(user) >= wanted.min_user_interactions)[user]
        enough &= (np.bincount(item) >= wanted.min_item_interactions)[item]
        if enough.all():
            return train
        train = train[enough]
        if not len(train):
            return train


def _compacted(data: Interactions) -> Interactions:
    """Without ids that no interaction has."""
    user, item = _used(data.user_I, len(data.users)), _used(data.item_I, len(data.items))
    return replace(
        data,
        users=[data.users[row] for row in np.flatnonzero(user)],
        items=[data.items[row] for row in np.flatnonzero(item)],
        user_I=(np.cumsum(user) - 1)[data.user_I].astype(np.int32),
        item_I=(np.cumsum(item) - 1)[data.item_I].astype(np.int32),
        user_groups=_of_used(data.user_groups, user),
        item_groups=_of_used(data.item_groups, item),
    )


def _used(rows: Rows, size: int) -> Mask:
    return np.bincount(rows, minlength=size) > 0


def _of_used(groups: Groups | None, used: Mask) -> Groups | None:
    return None if groups is None else Groups(groups.names, groups.of[used])
