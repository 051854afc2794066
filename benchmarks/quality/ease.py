"""EASE on the same data, tuned on the same validation part: what the best of the families is compared with."""

import torch
from torch import Tensor

from recsys_trainer.baselines.item_based import ease_weights
from recsys_trainer.evaluation.metrics import metric_values
from recsys_trainer.evaluation.ranking import Questions, rank
from recsys_trainer.training_data import Positives

REGULARIZATIONS = (100.0, 200.0, 300.0, 500.0, 700.0, 1000.0, 1500.0)


class Ease:
    """A scorer over a dense matrix: 90 MB for ML-1M."""

    def __init__(self, positives: Positives) -> None:
        self.items = positives.items
        self._rows_UI = torch.zeros(positives.users, positives.items)
        degree = torch.from_numpy(positives.indptr).diff()
        user = torch.repeat_interleave(torch.arange(positives.users), degree)
        self._rows_UI[user, torch.from_numpy(positives.indices).long()] = 1.0
        self._gram_II = self._rows_UI.T @ self._rows_UI
        self._weights_II = torch.zeros(0)

    def fit(self, regularization: float) -> "Ease":
        """Weights for a regularization, in place."""
        self._weights_II = ease_weights(self._gram_II, regularization)
        return self

    def ndcg(self, questions: Questions, regularization: float) -> float:
        """NDCG@10 of the full ranking, mean over users, with a regularization."""
        return float(metric_values(rank(questions, self.fit(regularization)), (10,))["ndcg@10"].mean())

    def scores(self, user_B: Tensor) -> Tensor:
        """[B, I]"""
        return self._rows_UI[user_B] @ self._weights_II
