"""PureSVD: the best approximation of the user x item matrix by D factors (Cremonesi et al. 2010).

Randomized subspace iteration (Halko et al. 2011) on the sparse matrix: nothing dense of its size is ever made.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recsys_trainer.fitting.ragged import SparseRows, sparse_rows
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
        items_ID, energy = right_factors(matrix, task.model.embedding_dim)
        network = DotProduct(matrix @ items_ID, items_ID)
        entries = len(task.positives.indices)
        judged = task.judged(network)
        # Of a matrix of ones the squares sum to its entries; the factors explain `energy` of it.
        result.record(1, 1.0 - float(energy) / entries, judged, entries, began)
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


@torch.no_grad()
def right_factors(matrix: SparseRows, wanted: int) -> tuple[Tensor, Tensor]:
    """(the first right singular vectors [C, D], the sum of their squared singular values).

    D is less than wanted where the matrix has fewer rows or columns.
    """
    rank = min(matrix.rows, matrix.columns)
    width = min(wanted + OVERSAMPLE, rank)
    transposed = matrix.transposed()
    basis_CK = torch.randn(matrix.columns, width).to(matrix.indptr.device)
    for _ in range(ITERATIONS):
        left_RK = torch.linalg.qr(matrix @ torch.linalg.qr(basis_CK).Q).Q
        basis_CK = transposed @ left_RK
    # basis = M' Q, so M ≈ Q basis', and the right vectors of M are the left ones of basis.
    vectors_CK, singular_K, _ = torch.linalg.svd(basis_CK, full_matrices=False)
    kept = min(wanted, rank)
    return vectors_CK[:, :kept].contiguous(), singular_K[:kept].square().sum()


FAMILY = PureSVD()
