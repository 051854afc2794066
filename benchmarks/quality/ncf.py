"""The NCF paper's ML-1M: leave-one-out, its own 99 negatives, and a validation part that the paper does not have.

Settings are chosen by full ranking on one random training interaction of each user. The sampled protocol is an anchor to the
literature and chooses nothing: it ranks models wrongly. It is right when the popularity row comes out exactly. The wanted item
must beat its negatives strictly; where it is among them it is removed.
Shapes: U users, I items, C items to score of each user.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.held_out import csr, held_out
from benchmarks.whole_rows import whole_rows
from recsys_trainer.evaluation.ranking import Pairs, Questions
from recsys_trainer.training_data import Positives, seen_of

Floats = npt.NDArray[np.floating]
Figures = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
TOP = 10


@dataclass(frozen=True)
class Ncf:
    """The data as the paper has it, in its own ids."""

    user_P: Ints
    item_P: Ints
    wanted_U: Ints
    """The test item."""
    negatives_UN: Ints
    items: int
    movie_I: Ints
    """The id that MovieLens has for each item."""

    @classmethod
    def read(cls, path: Path) -> "Ncf":
        """From ncf_ml1m.npz."""
        data = np.load(path)
        names = ("train_user", "train_item", "test_item", "test_neg", "item_to_movieid")
        user, item, wanted, negatives, movie = (data[name].astype(np.int64) for name in names)
        return cls(user, item, wanted, negatives, len(movie), movie)

    @property
    def users(self) -> int:
        """U."""
        return len(self.wanted_U)

    def validation_mask(self) -> Mask:
        """One random training interaction of each user who has more than one."""
        keep_P, _ = held_out(self.user_P, self.item_P, self.users)
        return ~keep_P

    def positives(self, keep_P: Mask | None = None) -> Positives:
        """What trains: all training interactions, or those of a mask. Every user and item keeps its row."""
        user, item = (self.user_P, self.item_P) if keep_P is None else (self.user_P[keep_P], self.item_P[keep_P])
        return whole_rows(*csr(user, item, self.users), self.items)

    def searching(self) -> tuple[Positives, Questions]:
        """(what trains, what chooses)."""
        chosen = self.validation_mask()
        positives = self.positives(~chosen)
        return positives, questions(positives, self.user_P[chosen], self.item_P[chosen])

    def judging(self) -> tuple[Positives, Questions]:
        """(what trains, what judges)."""
        positives = self.positives()
        return positives, questions(positives, np.arange(self.users), self.wanted_U)


def questions(positives: Positives, user_R: Ints, item_R: Ints) -> Questions:
    """One wanted item of each user, among all that the user has not trained on."""
    asked = np.unique(user_R)
    position = np.searchsorted(asked, user_R)
    return Questions(asked, seen_of(asked, positives), Pairs.ordered(position, item_R), np.ones(len(asked), np.int64))


def judge_users(wanted_U: Floats, negative_UN: Floats, is_wanted_UN: Mask) -> tuple[Figures, Figures]:
    """(HR@10, NDCG@10) [U] from the scores of the wanted items and of their negatives."""
    above_U = ((negative_UN > wanted_U[:, None]) & ~is_wanted_UN).sum(axis=1)
    hit_U = above_U < TOP
    return hit_U.astype(np.float64), np.where(hit_U, 1 / np.log2(above_U + 2.0), 0.0)


def judge(wanted_U: Floats, negative_UN: Floats, is_wanted_UN: Mask) -> tuple[float, float]:
    """Their means."""
    hit_U, gain_U = judge_users(wanted_U, negative_UN, is_wanted_UN)
    return float(hit_U.mean()), float(gain_U.mean())


def popularity(data: Ncf) -> tuple[float, float]:
    """The protocol's own test."""
    counts = data.positives().counts().astype(np.float32)
    return judge(counts[data.wanted_U], counts[data.negatives_UN], data.negatives_UN == data.wanted_U[:, None])
