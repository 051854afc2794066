"""Ratings from mean and biases alone (Koren 2010): mean + b_i + b_u, both damped towards 0."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recsys_trainer.training_data import Positives

ITEM_DAMPING, USER_DAMPING = 25.0, 10.0


class RatingBias:
    """A scorer, and a predictor of ratings."""

    def __init__(self, positives: Positives) -> None:
        assert positives.ratings is not None, "asked for with ratings only"
        ratings = positives.ratings.astype(np.float64)
        user = np.repeat(np.arange(positives.users), np.diff(positives.indptr))
        self._mean, self.items = float(ratings.mean()), positives.items
        item_bias = _damped(positives.indices, ratings - self._mean, positives.items, ITEM_DAMPING)
        rest = ratings - self._mean - item_bias[positives.indices]
        user_bias = _damped(user, rest, positives.users, USER_DAMPING)
        self._item_bias_I, self._user_bias_U = (torch.from_numpy(each).float() for each in (item_bias, user_bias))

    def scores(self, user_B: Tensor) -> Tensor:
        """Predicted ratings [B, I]; unknown users have no bias."""
        bias_B = self._user_bias_U.to(user_B.device)[user_B.clamp(min=0)] * (user_B >= 0)
        return self._mean + bias_B.unsqueeze(1) + self._item_bias_I.to(user_B.device)

    def ratings(self, user_R: Tensor, item_R: Tensor) -> Tensor:
        """Predicted ratings [R] of pairs of known rows."""
        return self._mean + self._user_bias_U[user_R] + self._item_bias_I[item_R]


def _damped(
    row: npt.NDArray[np.integer], rest: npt.NDArray[np.float64], rows: int, damping: float
) -> npt.NDArray[np.float64]:
    total = np.bincount(row, weights=rest, minlength=rows)
    return total / (np.bincount(row, minlength=rows) + damping)
