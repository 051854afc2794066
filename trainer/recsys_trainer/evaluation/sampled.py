"""The protocol of He et al. 2017: one test item among 99 sampled negatives. An anchor to the literature, nothing more.

Sampled metrics rank models wrongly (Krichene and Rendle 2020), so nothing chooses by them. The test item is taken out of
its negatives, and a negative is ahead only where its score is strictly higher.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsys_api.ncf_protocol import LeftOut, NcfProtocolReport
from recsys_trainer.data.snapshot import Snapshot
from recsys_trainer.evaluation.bootstrap import with_intervals
from recsys_trainer.evaluation.questions import TestPart
from recsys_trainer.evaluation.ranking import Pairs
from recsys_trainer.training_data import first_of_each, inverse

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Values = dict[str, npt.NDArray[np.float64]]
NEGATIVES = 99
_DRAWS = 4 * NEGATIVES
K = 10


@dataclass(frozen=True)
class Probes:
    """Whom the protocol asks, and what."""

    pairs: Pairs
    """To score: the first test item, then its negatives, user by user."""
    warm_M: Flags
    """Which of the users of `pairs` count: those with a training interaction."""
    left_out: tuple[LeftOut, ...]

    def values(self, probe_P: npt.NDArray[np.float32]) -> Values:
        """Values of every user who counts, from the scores of `pairs`."""
        return {name: of_user[self.warm_M] for name, of_user in sampled_values(probe_P).items()}


@dataclass(frozen=True)
class Sampled:
    """What the protocol found."""

    values: Mapping[str, Values]
    """By `model` and baseline, the same users."""
    left_out: tuple[LeftOut, ...] = ()


def draw_probes(snapshot: Snapshot, test: TestPart, item_rows: Ints, items: int, seed: int) -> Probes:
    """The first test item of users whose artifact knows it, among negatives that are drawn evenly, with replacement.

    Whoever has touched so much that the draws hold too few negatives is left out.
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
    pairs = Pairs(np.repeat(asked[enough], NEGATIVES + 1), columns.ravel())
    return Probes(pairs, test.warm_N[asked[enough]], _left_out(test.warm_N, asked, asked[enough]))


def _left_out(warm_N: Flags, known: Ints, asked: Ints) -> tuple[LeftOut, ...]:
    """Why test users do not count, the first reason of each.

    Args:
        known: positions of users whose first test item the artifact knows.
        asked: those of them who have negatives.
    """
    warm, warm_known, warm_asked = int(warm_N.sum()), int(warm_N[known].sum()), int(warm_N[asked].sum())
    few = f"fewer than {NEGATIVES} of {_DRAWS} even draws fell on items that they never touched"
    return (
        LeftOut(reason="NoTraining", message="no training interaction", users=len(warm_N) - warm),
        LeftOut(reason="UnknownItem", message="the model does not know their first test item", users=warm - warm_known),
        LeftOut(reason="TooFewNegatives", message=few, users=warm_known - warm_asked),
    )


def _touched(snapshot: Snapshot, position: Ints, item_rows: Ints, items: int) -> Ints:
    """Keys of whatever the asked users ever did, the test included."""
    user, item = position[snapshot.user_I], item_rows[snapshot.item_I]
    known = (user >= 0) & (item >= 0)
    return np.asarray(user[known] * items + item[known])


def sampled_values(probe_P: npt.NDArray[np.float32]) -> Values:
    """{"hr@10", "ndcg@10"} of every asked user from scores in the order of `draw_probes`."""
    score = probe_P.reshape(-1, NEGATIVES + 1)
    ahead = (score[:, 1:] > score[:, :1]).sum(axis=1)
    hit = ahead < K
    return {f"hr@{K}": hit.astype(np.float64), f"ndcg@{K}": np.where(hit, 1 / np.log2(ahead + 2.0), 0.0)}


def protocol_report(sampled: Sampled, baselines_left_out: Mapping[str, str], seed: int) -> NcfProtocolReport:
    """ncf-protocol.json. The same seed draws the same users for model and baselines."""
    blocks = {name: with_intervals(values, seed) for name, values in sampled.values.items()}
    users = len(sampled.values["model"][f"hr@{K}"])
    return NcfProtocolReport(
        negatives=NEGATIVES,
        seed=seed,
        test_users=users + sum(each.users for each in sampled.left_out),
        users=users,
        left_out=sampled.left_out,
        metrics=blocks.pop("model"),
        baselines=blocks,
        baselines_left_out=dict(baselines_left_out),
    )
