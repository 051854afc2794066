"""What families of ratings share: centring, and predicted ratings for pairs that may be unknown."""

import torch
from torch import Tensor

from recsys_trainer.errors import DataError, ManifestError
from recsys_trainer.fitting.task import Task
from recsys_trainer.models.base import Recommender
from recsys_trainer.models.dot import DotFamily, DotProduct


class RatingFamily(DotFamily):
    """The score is a predicted rating."""

    needs_ratings = True
    exports: tuple[str, ...] = (*DotFamily.exports, "global_bias")


def required_ratings(task: Task) -> Tensor:
    """The ratings of the training interactions, float32 [nnz].

    Raises:
        ManifestError: the snapshot has none.
        DataError: some interactions have none.
    """
    if task.positives.ratings is None:
        raise ManifestError(
            f"spec.data.columns.rating: the snapshot has no ratings, but {task.model.architecture} learns from them; "
            "name the column and prepare again"
        )
    ratings = torch.as_tensor(task.positives.ratings)
    if missing := int((~torch.isfinite(ratings)).sum()):
        raise DataError.at(
            "snapshot", "rating", f"{missing} of {len(ratings)} training interactions have none", "fill or remove them"
        )
    return ratings


@torch.no_grad()
def predict_ratings(network: Recommender, user_N: Tensor, item_N: Tensor) -> Tensor:
    """Predicted ratings [N] of pairs of rows; -1 is unknown and contributes nothing, which leaves mean and biases.

    Raises:
        ValueError: the family does not predict ratings.
    """
    if not isinstance(network, DotProduct) or network.global_bias is None:
        raise ValueError("the scores of this family are no ratings")
    known_N = (user_N >= 0) & (item_N >= 0)
    user, item = user_N.clamp(min=0), item_N.clamp(min=0)
    result_N = (network.user_factors[user] * network.item_factors[item]).sum(1) * known_N + network.global_bias
    if network.item_bias is not None:
        result_N = result_N + network.item_bias[item] * (item_N >= 0)
    if network.user_bias is not None:
        result_N = result_N + network.user_bias[user] * (user_N >= 0)
    return result_N
