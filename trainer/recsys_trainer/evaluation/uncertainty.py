"""Whether a family that says how sure it is of a rating is right about that."""

import numpy as np
import numpy.typing as npt
import torch

from recsys_api.report import RatingUncertainty
from recsys_api.spec.model import Model, Probabilistic
from recsys_trainer.artifact.served import Served
from recsys_trainer.data.ids import rows_of
from recsys_trainer.data.snapshot import Snapshot
from recsys_trainer.evaluation.questions import TestPart
from recsys_trainer.evaluation.ratings import Rated
from recsys_trainer.models.probabilistic_mf import score_variance
from recsys_trainer.models.ratings import predict_ratings
from recsys_trainer.training_data import Positives

Rows = npt.NDArray[np.integer]
Floats = npt.NDArray[np.float64]
MOST_PAIRS = 20_000
SPAN = 1.959964
"""Standard deviations that 95 % of a normal distribution lie within."""


def rating_uncertainty(
    model: Model, served: Served, snapshot: Snapshot, test: TestPart, seed: int
) -> RatingUncertainty | None:
    """Of ProbabilisticMF, over test ratings of trained users and items; None of others, and where there are none."""
    if model.architecture != "ProbabilisticMF" or snapshot.rating_I is None:
        return None
    user = rows_of(snapshot.users, served.users).astype(np.int64)
    item = rows_of(snapshot.items, served.item_ids).astype(np.int64)
    asked = Rated.of(snapshot, test.chosen_T, user, item)
    chosen = np.sort(np.random.default_rng(seed).permutation(len(asked.user_R))[:MOST_PAIRS])
    if not len(chosen):
        return None
    rows = [torch.from_numpy(each[chosen]) for each in (asked.user_R, asked.item_R)]
    deviation = rating_deviations(model, served, asked.user_R[chosen], asked.item_R[chosen])
    assert deviation is not None, "it is this family"
    predicted = predict_ratings(served.network, *(each.to(served.device) for each in rows)).double().cpu().numpy()
    error = np.abs(predicted - asked.rating_R[chosen])
    surer = np.argsort(deviation, kind="stable")
    halves = np.array_split(error[surer], 2)
    return RatingUncertainty(
        deviation=float(deviation.mean()),
        within95=float((error <= SPAN * deviation).mean()),
        rmse_surer_half=_root_mean_square(halves[0]),
        rmse_other_half=_root_mean_square(halves[1]),
        n=len(chosen),
    )


def rating_deviations(model: Model, served: Served, user_R: Rows, item_R: Rows) -> Floats | None:
    """Standard deviation [R] of the rating of pairs of the artifact's rows; None of families that do not know it."""
    if model.architecture != "ProbabilisticMF":
        return None
    sigmas = model.probabilistic or Probabilistic()
    weights = {name: values.detach().cpu() for name, values in served.network.state_dict().items()}
    rows = (torch.from_numpy(each.astype(np.int64)) for each in (user_R, item_R))
    variance = score_variance(weights, _positives(served), sigmas, *rows).double().numpy()
    return np.sqrt(variance + sigmas.sigma**2)


def _root_mean_square(error: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    return float(np.sqrt(np.mean(np.square(error)))) if len(error) else 0.0


def _positives(served: Served) -> Positives:
    """What the weights were learned from, in the artifact's rows."""
    users, items = (np.arange(size, dtype=np.int32) for size in (len(served.users), served.items))
    return Positives(users, items, np.asarray(served.indptr), np.asarray(served.indices), 0)
