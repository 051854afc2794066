"""What an artifact is asked in the test: users, masks and wanted items of the snapshot in the artifact's rows."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from recsys_trainer.artifact.served import Served
from recsys_trainer.data.ids import rows_of
from recsys_trainer.data.snapshot import Snapshot
from recsys_trainer.data.split import TEST
from recsys_trainer.evaluation.ranking import Pairs, Questions
from recsys_trainer.training_data import first_of_each, inverse

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TestPart:
    """The interactions that judge, and the users who made them, in snapshot rows."""

    chosen_T: Ints
    """Positions in the snapshot."""
    user_N: Ints
    """Distinct users, ascending."""
    warm_N: npt.NDArray[np.bool_]
    """Users with at least one interaction in the data that trained the candidate."""
    of_users: int
    """So many have done something in the test; more than `user_N` where some were drawn."""

    def drawn(self, most: int | None, seed: int, snapshot: Snapshot) -> "TestPart":
        """At most so many of the users, every one as likely, with all they did."""
        users = len(self.user_N)
        if most is None or users <= most:
            return self
        kept = np.sort(np.random.default_rng(seed).choice(users, most, replace=False))
        is_kept = inverse(self.user_N[kept], len(snapshot.users)) >= 0
        chosen = self.chosen_T[is_kept[snapshot.user_I[self.chosen_T]]]
        return replace(self, chosen_T=chosen, user_N=self.user_N[kept], warm_N=self.warm_N[kept])


def build_test_part(snapshot: Snapshot, target: str, last_part: int, after: int | None = None) -> TestPart:
    """The test part.

    Args:
        target: "All" or "First" interaction of each user.
        last_part: parts 0..last_part trained the candidate.
        after: only interactions later than this many seconds since the epoch.
    """
    chosen = np.flatnonzero(snapshot.part_I == TEST)
    if after is not None:
        chosen = chosen[snapshot.timestamp_I[chosen] > after]
    if target == "First":
        chosen, _ = first_of_each(chosen, snapshot.user_I[chosen].astype(np.int64))
    users = np.unique(snapshot.user_I[chosen]).astype(np.int64)
    trained = np.zeros(len(snapshot.users), dtype=np.bool_)
    trained[snapshot.user_I[snapshot.part_I <= last_part]] = True
    return TestPart(chosen, users, trained[users], len(users))


def build_questions(snapshot: Snapshot, test: TestPart, served: Served, last_part: int) -> Questions:
    """The questions for one artifact; users, items and masks that it does not know drop out of its rows."""
    user_rows = rows_of(snapshot.users.take(test.user_N), served.users)
    item_rows = rows_of(snapshot.items, served.item_ids).astype(np.int64)
    position = inverse(test.user_N, len(snapshot.users))
    wanted_user = position[snapshot.user_I[test.chosen_T]]
    return Questions(
        user_N=user_rows.astype(np.int64),
        seen=pairs_of(snapshot, np.flatnonzero(snapshot.part_I <= last_part), position, item_rows),
        wanted=pairs_of(snapshot, test.chosen_T, position, item_rows),
        total_N=np.bincount(wanted_user, minlength=len(test.user_N)),
    )


def newcomers(snapshot: Snapshot, test: TestPart, served: Served, last_part: int) -> tuple[Ints, Ints]:
    """(test users whom the artifact does not know, positions in the snapshot between its training and the test)."""
    unknown = test.user_N[rows_of(snapshot.users.take(test.user_N), served.users) < 0]
    return unknown, np.flatnonzero((snapshot.part_I > last_part) & (snapshot.part_I < TEST))


def pairs_of(snapshot: Snapshot, chosen: Ints, position: Ints, item_rows: Ints) -> Pairs:
    """Interactions as pairs, without users and items that have no position and row.

    Args:
        chosen: positions in the snapshot.
        position, item_rows: by row of the snapshot, -1 for those without.
    """
    user, item = position[snapshot.user_I[chosen]], item_rows[snapshot.item_I[chosen]]
    keep = (user >= 0) & (item >= 0)
    return Pairs.ordered(user[keep], item[keep])
