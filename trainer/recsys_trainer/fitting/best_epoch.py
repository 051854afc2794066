"""Which epoch's weights are kept: the best by validation NDCG@10, and when to stop looking for a better one."""

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


class BestEpoch:
    """Keeps the weights of the best epoch and knows when to stop."""

    def __init__(self, patience: int, *, compares: bool = True) -> None:
        """Compares: whether there can be another epoch; a copy of the weights is made only then."""
        self._patience, self._compares = patience, compares
        self._best = -1.0
        self.epoch = 0
        self.weights: Weights = {}

    def offer(self, epoch: int, ndcg: float | None, network: Recommender) -> bool:
        """Take the epoch's weights if they are better, or if nothing can tell."""
        if ndcg is not None and ndcg <= self._best:
            return False
        self._best, self.epoch = ndcg if ndcg is not None else self._best, epoch
        if ndcg is not None and self._compares:
            self.weights.clear()  # before the copy, so that there are never two
            self.weights.update(network.exported())
        return True

    def chosen(self, network: Recommender) -> Weights:
        """The best weights; the network's own, not a copy, where nothing was compared."""
        return self.weights or network.exported(copies=False)

    def meta(self) -> dict[str, float]:
        """What a checkpoint must hold beside the weights."""
        return {"ndcg": self._best, "epoch": self.epoch}

    def restore(self, meta: dict[str, float]) -> None:
        """Go on from there."""
        self._best, self.epoch = meta["ndcg"], int(meta["epoch"])

    def exhausted(self, epoch: int) -> bool:
        """Whether `patience` epochs brought nothing."""
        return epoch - self.epoch >= self._patience
