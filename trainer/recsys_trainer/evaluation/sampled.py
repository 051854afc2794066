"""The protocol of He et al. 2017: one test item among 99 sampled negatives. An anchor to the literature, nothing more.

Sampled metrics rank models wrongly (Krichene and Rendle 2020), so nothing chooses by them. The test item is taken out of
its negatives, and a negative is ahead only where its score is strictly higher.
"""

import numpy as np
import numpy.typing as npt

from recsys_trainer.data.snapshot import Snapshot
from recsys_trainer.evaluation.questions import TestPart
from recsys_trainer.evaluation.ranking import Pairs
from recsys_trainer.training_data import first_of_each, inverse

Ints = npt.NDArray[np.int64]
NEGATIVES = 99
_DRAWS = 4 * NEGATIVES
K = 10


def draw_probes(snapshot: Snapshot, test: TestPart, item_rows: Ints, items: int, seed: int) -> tuple[Pairs, Ints]:
    """(pairs to score, positions of the users who are asked [M]): the first test item, then its negatives, user by user.

    Only users whose first test item the artifact knows, and who have not touched so much that negatives run out.
    """
    chosen, user = first_of_each(test.chosen_T, snapshot.user_I[test.chosen_T].astype(np.int64))
    position = inverse(test.user_N, len(snapshot.users))
    item = item_rows[snapshot.item_I[chosen]]
    asked, item = position[user][item >= 0], item[item >= 0]
    drawn = np.random.default_rng(seed).integers(0, max(1, items), (len(asked), _DRAWS))
    touched = _touched(snapshot, position, item_rows, items)
    fresh = ~np.isin(asked[:, None] * items + drawn, touched)
    enough = fresh.sum(axis=1) >= NEGATIVES
    order = np.argsort(~fresh[enough], axis=1, kind="stable")[:, :NEGATIVES]
    negatives = np.take_along_axis(drawn[enough], order, axis=1)
    columns = np.concatenate((item[enough, None], negatives), axis=1)
    return Pairs(np.repeat(asked[enough], NEGATIVES + 1), columns.ravel()), asked[enough]


def _touched(snapshot: Snapshot, position: Ints, item_rows: Ints, items: int) -> Ints:
    """Keys of whatever the asked users ever did, the test included."""
    user, item = position[snapshot.user_I], item_rows[snapshot.item_I]
    known = (user >= 0) & (item >= 0)
    return np.asarray(user[known] * items + item[known])


def sampled_values(probe_P: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float64]]:
    """{"hr@10", "ndcg@10"} of every asked user from scores in the order of `draw_probes`."""
    score = probe_P.reshape(-1, NEGATIVES + 1)
    ahead = (score[:, 1:] > score[:, :1]).sum(axis=1)
    hit = ahead < K
    return {f"hr@{K}": hit.astype(np.float64), f"ndcg@{K}": np.where(hit, 1 / np.log2(ahead + 2.0), 0.0)}
