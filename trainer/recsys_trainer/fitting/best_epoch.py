"""Which epoch's weights are kept: the best on the validation part, and when to stop looking for a better one.

Families of ratings are judged by the RMSE of their predictions, all others by NDCG@10.
"""

from typing import Any

import torch
from torch import Tensor

from recsys_trainer.fitting.task import Weights
from recsys_trainer.models.base import Recommender, catalogue_logits


class NetworkScorer:
    """The network in memory as a scorer; for validation only, the test asks the artifact."""

    def __init__(self, network: Recommender, items: int, device: str) -> None:
        self._network, self.items = network, items
        self._all = torch.arange(items, device=device)

    def scores(self, user_B: Tensor) -> Tensor:
        """Scores [B, I]."""
        return catalogue_logits(self._network, user_B, self._all)


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
