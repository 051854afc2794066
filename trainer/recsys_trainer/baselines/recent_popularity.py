"""Popularity of late: an interaction's weight halves with every half-life of its age."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recsys_trainer.artifact.served import Served
from recsys_trainer.data.ids import rows_of
from recsys_trainer.data.snapshot import Snapshot


class RecentPopularity:
    """The same scores for everybody: places in the order of the weights, 0 for the least.

    A weight itself is 0 after 1,074 half-lives (149 in float32), and items that old would be alike.
    """

    def __init__(self, served: Served, snapshot: Snapshot, last_part: int, half_life_seconds: int) -> None:
        chosen = snapshot.part_I <= last_part
        row = rows_of(snapshot.items, served.item_ids)[snapshot.item_I[chosen]]
        times = snapshot.timestamp_I[chosen]
        half_lives = (times.max() - times) / half_life_seconds
        weight_I = _log_weights(row[row >= 0], half_lives[row >= 0], served.items)
        place_I = np.unique(weight_I, return_inverse=True)[1]
        self.items = served.items
        self._score_I = torch.from_numpy(place_I.astype(np.float32)).to(served.device)

    def scores(self, user_B: Tensor) -> Tensor:
        """[B, I]"""
        return self._score_I.expand(len(user_B), -1)


def _log_weights(
    row: npt.NDArray[np.int32], half_lives: npt.NDArray[np.float64], items: int
) -> npt.NDArray[np.float64]:
    """log2 of each item's sum of 2^-half_lives, relative to its newest interaction; -inf without one."""
    newest_I = np.full(items, np.inf)
    np.minimum.at(newest_I, row, half_lives)
    sum_I = np.bincount(row, weights=np.exp2(newest_I[row] - half_lives), minlength=items)
    with np.errstate(divide="ignore"):
        weight_I: npt.NDArray[np.float64] = np.log2(sum_I) - newest_I
    return weight_I
