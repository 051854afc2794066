"""PureSVD: the best approximation of the user x item matrix by D factors (Cremonesi et al. 2010).

Users are their rows of the matrix times the items' singular vectors (fitting/spectral.py).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from recsys_trainer.fitting.ragged import sparse_rows
from recsys_trainer.fitting.spectral import right_vectors
from recsys_trainer.fitting.task import Fitted, Task
from recsys_trainer.models.dot import DotFamily, DotProduct
from recsys_trainer.models.family import UnknownUsers
from recsys_trainer.models.fold_in import FoldIn

if TYPE_CHECKING:
    from recsys_api.spec.model import Model

OVERSAMPLE = 16
ITERATIONS = 12


class PureSVD(DotFamily):
    """User factors are the user's row times the item factors, which are orthonormal."""

    unknown_users: UnknownUsers = "FoldIn"

    def fit(self, task: Task) -> Fitted:
        """One epoch, whatever `training.epochs` says."""
        began, result = time.perf_counter(), Fitted()
        torch.manual_seed(task.training.seed)
        matrix = sparse_rows(task.positives, None, task.device)
        items_ID, singular_D = right_vectors(
            matrix, matrix.transposed(), task.model.embedding_dim, oversample=OVERSAMPLE, iterations=ITERATIONS
        )
        network = DotProduct(matrix @ items_ID, items_ID)
        entries = len(task.positives.indices)
        judged = task.judged(network)
        # Of a matrix of ones the squares sum to its entries; the factors explain those of their singular values.
        result.record(1, 1.0 - float(singular_D.square().sum()) / entries, judged, entries, began)
        task.progress(result.describe(1, True))
        result.weights, result.best_epoch = network.exported(), 1
        return result

    def fold_in(self, model: Model) -> FoldIn:
        """A user is its row times the item factors, whoever it is."""
        return FoldIn("Sum")

    def needed_bytes(self, task: Task) -> int:
        """Six copies of the factors with what is sampled beyond them, and both orders of the matrix."""
        width = task.model.embedding_dim + OVERSAMPLE
        return 24 * (task.positives.users + task.positives.items) * width + 60 * len(task.positives.indices)


FAMILY = PureSVD()
