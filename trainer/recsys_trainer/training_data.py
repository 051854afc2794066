"""From a snapshot to what fitting sees: rows of trained ids only, positives, and the validation questions."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsys_api.spec.data import Split
from recsys_trainer.data.budget import BUDGET, Budget, count_values, grouped_rows
from recsys_trainer.data.snapshot import Snapshot, cutoff
from recsys_trainer.data.sorting import stable_order
from recsys_trainer.data.split import TRAIN, VALIDATION
from recsys_trainer.evaluation.ranking import Pairs, Questions

Ints = npt.NDArray[np.int64]
MAX_VALIDATION_USERS = 4096
"""Enough for a standard error of .003 on NDCG@10; more would cost as much as the epoch."""


@dataclass(frozen=True)
class Positives:
    """The interactions that train the weights, as CSR in artifact rows."""

    user_of: npt.NDArray[np.int32]
    """Snapshot row of every artifact user, ascending [U]."""
    item_of: npt.NDArray[np.int32]
    """Snapshot row of every artifact item, ascending [I]."""
    indptr: Ints
    """[U + 1]"""
    indices: npt.NDArray[np.int32]
    """Item rows, ascending within a user [nnz]."""
    cutoff: int
    """Seconds since the epoch of the latest interaction."""
    ratings: npt.NDArray[np.float32] | None = None
    """[nnz], where the snapshot has them."""

    @property
    def users(self) -> int:
        """Trained users."""
        return len(self.user_of)

    @property
    def items(self) -> int:
        """Trained items."""
        return len(self.item_of)

    def counts(self) -> Ints:
        """Interactions of every item, int64 [I]."""
        return np.bincount(self.indices, minlength=self.items)


@dataclass(frozen=True)
class RatedPairs:
    """Rated pairs of artifact rows, [R]."""

    user_R: Ints
    item_R: Ints
    rating_R: npt.NDArray[np.float64]


def build_positives(snapshot: Snapshot, last_part: int = TRAIN, budget: Budget = BUDGET) -> Positives:
    """The interactions of parts 0..last_part; ids without any have no row."""
    chosen = snapshot.part_I <= last_part
    by_user = count_values(snapshot.user_I, len(snapshot.users), budget, chosen)
    by_item = count_values(snapshot.item_I, len(snapshot.items), budget, chosen)
    user_of, item_of = (np.flatnonzero(counts).astype(np.int32) for counts in (by_user, by_item))
    item_row = inverse(item_of, len(by_item)).astype(np.int32)
    ends = np.cumsum(by_user)
    indices = np.empty(int(ends[-1]), dtype=np.int32)
    ratings = None if snapshot.rating_I is None else np.empty(len(indices), dtype=np.float32)
    for users, at in grouped_rows(snapshot.user_I, len(by_user), budget):
        at = at[chosen[at]]
        at = at[stable_order(snapshot.user_I[at], snapshot.item_I[at])]
        place = slice(int(ends[users.stop - 1]) - len(at), int(ends[users.stop - 1]))
        indices[place] = item_row[snapshot.item_I[at]]
        if ratings is not None and snapshot.rating_I is not None:
            ratings[place] = snapshot.rating_I[at]
    indptr = np.concatenate(([0], ends[user_of]))
    return Positives(
        user_of, item_of, indptr, indices, cutoff(snapshot.timestamp_I, snapshot.part_I, last_part), ratings
    )


def build_validation(snapshot: Snapshot, positives: Positives, split: Split) -> Questions | None:
    """Validation questions about users that were trained, in artifact rows; None where there are none."""
    chosen = np.flatnonzero(snapshot.part_I == VALIDATION)
    user = inverse(positives.user_of, len(snapshot.users))[snapshot.user_I[chosen]]
    chosen, user = chosen[user >= 0], user[user >= 0]
    if split.target == "First":
        chosen, user = first_of_each(chosen, user)
    if not len(user):
        return None
    asked = _sample(np.unique(user), split.judging_seed)
    position = inverse(asked, positives.users)[user]
    item = inverse(positives.item_of, len(snapshot.items))[snapshot.item_I[chosen]]
    total = np.bincount(position[position >= 0], minlength=len(asked))
    known = (position >= 0) & (item >= 0)
    wanted = Pairs.ordered(position[known], item[known])
    return Questions(asked.astype(np.int64), seen_of(asked, positives), wanted, total)


def build_validation_ratings(snapshot: Snapshot, positives: Positives) -> RatedPairs | None:
    """The validation part's ratings of trained users and items, in artifact rows; None where there are none."""
    if snapshot.rating_I is None:
        return None
    chosen = np.flatnonzero(snapshot.part_I == VALIDATION)
    user = inverse(positives.user_of, len(snapshot.users))[snapshot.user_I[chosen]]
    item = inverse(positives.item_of, len(snapshot.items))[snapshot.item_I[chosen]]
    known = (user >= 0) & (item >= 0)
    if not known.any():
        return None
    return RatedPairs(user[known], item[known], snapshot.rating_I[chosen[known]].astype(np.float64))


def first_of_each(chosen: Ints, user: Ints) -> tuple[Ints, Ints]:
    """Only the earliest interaction of every user (`split.target: First`); `chosen` is in time order."""
    _, first = np.unique(user, return_index=True)
    return chosen[first], user[first]


def seen_of(asked: Ints, positives: Positives) -> Pairs:
    """Training items of the users asked about, by position."""
    degree = np.diff(positives.indptr)
    position = inverse(asked, positives.users)
    by_entry = np.repeat(position, degree)
    keep = by_entry >= 0
    return Pairs.ordered(by_entry[keep], positives.indices[keep].astype(np.int64))


def inverse(rows: npt.NDArray[np.integer], size: int) -> Ints:
    """For each of 0..size-1 its position in `rows`, or -1."""
    result = np.full(size, -1, dtype=np.int64)
    result[rows] = np.arange(len(rows))
    return result


def _sample(users: Ints, seed: int) -> Ints:
    if len(users) <= MAX_VALIDATION_USERS:
        return users
    return np.sort(np.random.default_rng(seed).choice(users, MAX_VALIDATION_USERS, replace=False))
