"""ItemKNN and EASE: an item's score is a weighted sum of the user's own items."""

from copy import copy

import torch
from torch import Tensor

from recsys_trainer.artifact.served import Served
from recsys_trainer.baselines.history import Histories

ROUNDING = 32 * torch.finfo(torch.float32).eps
"""Of the largest count: pivots below it are what rounding has left of 0, and which sign it has depends on the machine."""


def item_knn_weights(gram_II: Tensor, neighbours: int, shrinkage: float) -> Tensor:
    """Cosines of items by their users, shrunk where few have both, each item's nearest only [from, to]."""
    size_I = gram_II.diagonal().sqrt()
    cosines = gram_II / (size_I.unsqueeze(1) * size_I + shrinkage)
    cosines.fill_diagonal_(0.0)
    kept = min(neighbours, len(cosines))
    values, nearest = cosines.topk(kept, dim=0)
    return torch.zeros_like(cosines).scatter_(0, nearest, values)


def ease_weights(gram_II: Tensor, regularization: float) -> Tensor:
    """The linear model with an empty diagonal that restores the users' rows best [from, to] (Steck 2019).

    Raises:
        ValueError: too little regularization for the precision of the table.
    """
    ridge = regularization * torch.eye(len(gram_II), device=gram_II.device)
    factor, failed = torch.linalg.cholesky_ex(gram_II + ridge)
    if failed or factor.diagonal().min().square() < ROUNDING * gram_II.diagonal().max():
        raise ValueError("the table has no inverse")
    inverse = torch.cholesky_inverse(factor)
    weights = inverse / -inverse.diagonal()
    weights.fill_diagonal_(0.0)
    return weights


class ItemBased:
    """Scores by a user's history; an unknown user gets popularity, as serving does."""

    def __init__(self, histories: Histories, weights_II: Tensor, served: Served) -> None:
        self._histories, self._weights, self.items = histories, weights_II, served.items
        self._popularity_I = served.popularity()

    def over(self, histories: Histories) -> "ItemBased":
        """The same for other users."""
        other = copy(self)
        other._histories = histories
        return other

    def scores(self, user_B: Tensor) -> Tensor:
        """[B, I]"""
        return torch.where((user_B < 0).unsqueeze(1), self._popularity_I, self._histories.rows(user_B) @ self._weights)
