"""Ratings from mean and biases alone (Koren 2010): mean + b_i + b_u, both damped towards 0."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recsys_trainer.artifact.served import Served
from recsys_trainer.data.ids import rows_of
from recsys_trainer.data.snapshot import Snapshot

Rows = npt.NDArray[np.integer]

ITEM_DAMPING, USER_DAMPING = 25.0, 10.0


class RatingBias:
    """A scorer, and a predictor of ratings."""

    def __init__(self, user_R: Rows, item_R: Rows, rating_R: npt.NDArray[np.float64], users: int, items: int) -> None:
        self.mean, self.items = float(rating_R.mean()), items
        item_bias = _damped(item_R, rating_R - self.mean, items, ITEM_DAMPING)
        user_bias = _damped(user_R, rating_R - self.mean - item_bias[item_R], users, USER_DAMPING)
        self._item_bias_I, self._user_bias_U = (torch.from_numpy(each).float() for each in (item_bias, user_bias))

    @classmethod
    def of(cls, served: Served, snapshot: Snapshot, last_part: int) -> "RatingBias":
        """From the ratings of parts 0..last_part, in the artifact's rows."""
        assert snapshot.rating_I is not None, "asked for with ratings only"
        chosen = np.flatnonzero(snapshot.part_I <= last_part)
        user = rows_of(snapshot.users, served.users)[snapshot.user_I[chosen]]
        item = rows_of(snapshot.items, served.item_ids)[snapshot.item_I[chosen]]
        known = (user >= 0) & (item >= 0)
        ratings = snapshot.rating_I[chosen[known]].astype(np.float64)
        return cls(user[known], item[known], ratings, len(served.users), served.items)

    def scores(self, user_B: Tensor) -> Tensor:
        """Predicted ratings [B, I]; unknown users have no bias."""
        bias_B = self._user_bias_U.to(user_B.device)[user_B.clamp(min=0)] * (user_B >= 0)
        return self.mean + bias_B.unsqueeze(1) + self._item_bias_I.to(user_B.device)

    def ratings(self, user_R: Tensor, item_R: Tensor) -> Tensor:
        """Predicted ratings [R] of pairs of known rows."""
        return self.mean + self._user_bias_U[user_R] + self._item_bias_I[item_R]


def _damped(
    row: npt.NDArray[np.integer], rest: npt.NDArray[np.float64], rows: int, damping: float
) -> npt.NDArray[np.float64]:
    total = np.bincount(row, weights=rest, minlength=rows)
    return total / (np.bincount(row, minlength=rows) + damping)
