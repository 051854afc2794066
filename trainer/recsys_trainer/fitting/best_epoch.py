"""Which epoch's weights are kept: the best on the validation part, and when to stop looking for a better one.

Families of ratings are judged by the RMSE of their predictions, all others by NDCG@10.
"""

import math
from typing import Any

import torch
from torch import Tensor

from recsys_trainer.errors import DivergedError
from recsys_trainer.evaluation.metrics import metric_values
from recsys_trainer.evaluation.ranking import Questions, rank
from recsys_trainer.fitting.task import Task, Weights
from recsys_trainer.models.base import Recommender, catalogue_logits
from recsys_trainer.training_data import RatedPairs

CHUNK_PAIRS = 2**18


class NetworkScorer:
    """The network in memory as a scorer; for validation only, the test asks the artifact."""

    def __init__(self, network: Recommender, items: int, device: str) -> None:
        self._network, self.items = network, items
        self._all = torch.arange(items, device=device)

    def scores(self, user_B: Tensor) -> Tensor:
        """Scores [B, I]."""
        return catalogue_logits(self._network, user_B, self._all)


def validation_ndcg(network: Recommender, validation: Questions | None, items: int, device: str) -> float | None:
    """Mean NDCG@10, or None where there is nobody to ask about."""
    if validation is None or not len(validation.user_N):
        return None
    network.eval()
    ranks = rank(validation, NetworkScorer(network, items, device), device)
    return float(metric_values(ranks, (10,))["ndcg@10"].mean())


def judge(network: Recommender, task: Task) -> dict[str, float]:
    """What the validation part says of a network: {"rmse"} where the task has its ratings, else {"ndcg@10"}, or nothing."""
    if task.validation_ratings is not None:
        return {"rmse": validation_rmse(network, task.validation_ratings, task.device)}
    ndcg = validation_ndcg(network, task.validation, task.positives.items, task.device)
    return {} if ndcg is None else {"ndcg@10": ndcg}


@torch.no_grad()
def validation_rmse(network: Recommender, rated: RatedPairs, device: str) -> float:
    """Root of the mean squared error of predicted ratings.

    Raises:
        DivergedError: a prediction is not finite.
    """
    network.eval()
    squares = 0.0
    columns = (torch.from_numpy(each).to(device) for each in (rated.user_R, rated.item_R, rated.rating_R))
    for user_B, item_B, rating_B in zip(*(torch.split(each, CHUNK_PAIRS) for each in columns), strict=True):
        predicted_B = network(user_B, item_B.unsqueeze(1)).squeeze(1)
        squares += float((predicted_B.double() - rating_B).square().sum())
    if not math.isfinite(squares):
        raise DivergedError("a predicted rating is not finite; lower training.optimizer.learningRate or embeddingDim")
    return math.sqrt(squares / len(rated.rating_R))


def goal(judged: dict[str, float]) -> float | None:
    """What is to be as large as possible; None where nobody could be asked."""
    return -judged["rmse"] if "rmse" in judged else judged.get("ndcg@10")


class BestEpoch:
    """Keeps the weights of the best epoch and knows when to stop."""

    def __init__(self, patience: int, *, compares: bool = True) -> None:
        """Compares: whether there can be another epoch; a copy of the weights is made only then."""
        self._patience, self._compares = patience, compares
        self._best: float | None = None
        self.epoch = 0
        self.weights: Weights = {}

    def offer(self, epoch: int, judged: dict[str, float], network: Recommender) -> bool:
        """Take the epoch's weights if they are better, or if nothing can tell."""
        found = goal(judged)
        if found is not None and self._best is not None and found <= self._best:
            return False
        self._best, self.epoch = found if found is not None else self._best, epoch
        if found is not None and self._compares:
            self.weights.clear()  # before the copy, so that there are never two
            self.weights.update(network.exported())
        return True

    def chosen(self, network: Recommender) -> Weights:
        """The best weights; the network's own, not a copy, where nothing was compared."""
        return self.weights or network.exported(copies=False)

    def meta(self) -> dict[str, Any]:
        """What a checkpoint must hold beside the weights."""
        return {"goal": self._best, "epoch": self.epoch}

    def restore(self, meta: dict[str, Any]) -> None:
        """Go on from there."""
        self._best, self.epoch = meta["goal"], int(meta["epoch"])

    def exhausted(self, epoch: int) -> bool:
        """Whether `patience` epochs brought nothing."""
        return epoch - self.epoch >= self._patience
