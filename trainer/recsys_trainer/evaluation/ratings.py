"""RMSE and MAE, for artifacts that predict ratings, beside the mean and the biases."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recsys_api.run_spec import MetricValue
from recsys_trainer.artifact.served import Served, ServedRatings
from recsys_trainer.baselines.rating_bias import RatingBias
from recsys_trainer.data.ids import rows_of
from recsys_trainer.data.snapshot import Snapshot
from recsys_trainer.evaluation.bootstrap import resampled_means
from recsys_trainer.evaluation.questions import TestPart, newcomers
from recsys_trainer.fitting.ragged import SparseRows
from recsys_trainer.models.dot import DotProduct
from recsys_trainer.models.fold_in import FoldIn, folded
from recsys_trainer.training_data import inverse

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Metrics = dict[str, MetricValue]


def rating_errors(served: Served, snapshot: Snapshot, test: TestPart, last_part: int, seed: int) -> dict[str, Metrics]:
    """{"rmse", "mae"} by `model`, `ratingBias` and `mean`, over test interactions whose user and item were trained;
    intervals over users. Empty where the data or the model has no ratings."""
    if snapshot.rating_I is None or not isinstance(served, ServedRatings):
        return {}
    user = rows_of(snapshot.users, served.users).astype(np.int64)
    item = rows_of(snapshot.items, served.item_ids).astype(np.int64)
    asked = Rated.of(snapshot, test.chosen_T, user, item)
    if not len(asked.user_R):
        return {}
    rows = torch.from_numpy(asked.user_R), torch.from_numpy(asked.item_R)
    bias = RatingBias.of(served, snapshot, last_part)
    predicted = {
        "model": served.ratings(*(each.to(served.device) for each in rows)).double().cpu().numpy(),
        "ratingBias": bias.ratings(*rows).double().numpy(),
        "mean": np.full(len(asked.user_R), bias.mean),
    }
    return {name: with_user_intervals(each - asked.rating_R, asked.user_R, seed) for name, each in predicted.items()}


def newcomer_rating_errors(
    served: Served, snapshot: Snapshot, test: TestPart, last_part: int, settings: FoldIn | None, seed: int
) -> dict[str, Metrics]:
    """The same, by `model` and `mean`, of users whom the artifact does not know, told from what they rated between its
    training and the test.

    Args:
        settings: how a user's factors follow from ratings; None: mean and the item's bias stay.
    """
    if snapshot.rating_I is None or not isinstance(served, ServedRatings):
        return {}
    network = served.network
    assert isinstance(network, DotProduct), "so are all families of ratings"
    assert network.global_bias is not None, "it is the mean of the ratings"
    unknown, between = newcomers(snapshot, test, served, last_part)
    item = rows_of(snapshot.items, served.item_ids).astype(np.int64)
    known = Rated.of(snapshot, between, inverse(unknown, len(snapshot.users)), item)
    told = unknown[np.unique(known.user_R)]
    position = inverse(told, len(snapshot.users))
    history = Rated.of(snapshot, between, position, item)
    asked = Rated.of(snapshot, test.chosen_T, position, item)
    if not len(asked.user_R):
        return {}
    mean = np.full(len(asked.user_R), float(network.global_bias))
    predicted = {"model": _predicted(network, history, asked, len(told), settings), "mean": mean}
    return {name: with_user_intervals(each - asked.rating_R, asked.user_R, seed) for name, each in predicted.items()}


@dataclass(frozen=True)
class Rated:
    """Rated pairs, by user and then item."""

    user_R: Ints
    item_R: Ints
    rating_R: Floats

    @property
    def columns(self) -> tuple[Ints, Ints, Floats]:
        """All three."""
        return self.user_R, self.item_R, self.rating_R

    @classmethod
    def of(cls, snapshot: Snapshot, chosen: Ints, position: Ints, item_rows: Ints) -> "Rated":
        """Those of users and items that have a position and a row."""
        assert snapshot.rating_I is not None, "the caller has looked"
        user, item = position[snapshot.user_I[chosen]], item_rows[snapshot.item_I[chosen]]
        known = np.flatnonzero((user >= 0) & (item >= 0))
        known = known[np.lexsort((item[known], user[known]))]
        return cls(user[known], item[known], snapshot.rating_I[chosen[known]].astype(np.float64))


@torch.no_grad()
def _predicted(network: DotProduct, history: Rated, asked: Rated, users: int, settings: FoldIn | None) -> Floats:
    """Ratings [R] of the asked pairs. A user's bias is one factor more, whose item side is 1."""
    assert network.global_bias is not None, "the caller has looked"
    items: Tensor = network.item_factors
    if network.user_bias is not None:
        items = torch.cat((items, torch.ones_like(items[:, :1])), dim=1)
    mean = network.global_bias if network.item_bias is None else network.global_bias + network.item_bias
    base_I = mean.expand(len(items)).double()
    of_user, of_item, value = (torch.from_numpy(each).to(items.device) for each in history.columns)
    factors = torch.zeros(users, items.shape[1], device=items.device)
    if settings is not None:
        indptr = torch.searchsorted(of_user, torch.arange(users + 1, device=items.device))
        factors = folded(SparseRows(indptr, of_item, value - base_I[of_item], len(items)), items, settings)
    user, item, _ = (torch.from_numpy(each).to(items.device) for each in asked.columns)
    predicted_R = base_I[item] + (factors[user].double() * items[item]).sum(1)
    return np.asarray(predicted_R.cpu().numpy())


def with_user_intervals(error_R: Floats, user_R: npt.NDArray[np.integer], seed: int) -> dict[str, MetricValue]:
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
