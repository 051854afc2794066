"""RMSE and MAE, for artifacts that predict ratings."""

from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recsys_api.run_spec import MetricValue
from recsys_trainer.data.idlist import Ids
from recsys_trainer.data.ids import rows_of
from recsys_trainer.data.snapshot import Snapshot
from recsys_trainer.evaluation.bootstrap import resampled_means
from recsys_trainer.evaluation.questions import TestPart

Floats = npt.NDArray[np.float64]


@runtime_checkable
class PredictsRatings(Protocol):
    """An artifact whose scores are ratings."""

    @property
    def users(self) -> Ids:
        """Ids by row."""

    @property
    def item_ids(self) -> Ids:
        """Ids by row."""

    @property
    def device(self) -> str:
        """Where it computes."""

    def ratings(self, user_R: Tensor, item_R: Tensor) -> Tensor:
        """Predicted ratings [R] of known pairs, in the data's units."""


def rating_errors(served: object, snapshot: Snapshot, test: TestPart, seed: int) -> dict[str, MetricValue]:
    """{"rmse", "mae"} over test interactions whose user and item were trained; intervals over users. Else empty."""
    if snapshot.rating_I is None or not isinstance(served, PredictsRatings):
        return {}
    user = rows_of(snapshot.users, served.users)[snapshot.user_I[test.chosen_T]]
    item = rows_of(snapshot.items, served.item_ids)[snapshot.item_I[test.chosen_T]]
    known = (user >= 0) & (item >= 0)
    if not known.any():
        return {}
    pair = (torch.from_numpy(rows[known].astype(np.int64)).to(served.device) for rows in (user, item))
    predicted = served.ratings(*pair).double().cpu().numpy()
    error = predicted - snapshot.rating_I[test.chosen_T][known].astype(np.float64)
    return with_user_intervals(error, user[known], seed)


def with_user_intervals(error_R: Floats, user_R: npt.NDArray[np.int32], seed: int) -> dict[str, MetricValue]:
    """RMSE and MAE of all interactions, intervals by drawing users with all they did."""
    _, user = np.unique(user_R, return_inverse=True)
    each = (error_R**2, abs(error_R), np.ones(len(user)))
    sums = np.column_stack([np.bincount(user, weights=values).astype(np.float64) for values in each])
    drawn = resampled_means(sums, seed)
    found = {}
    for at, (name, power) in enumerate((("rmse", 0.5), ("mae", 1.0))):
        low, high = np.percentile((drawn[:, at] / drawn[:, 2]) ** power, (2.5, 97.5))
        value = float(sums[:, at].sum() / len(error_R)) ** power
        found[name] = MetricValue(value=value, low=float(low), high=float(high), n=len(error_R))
    return found
