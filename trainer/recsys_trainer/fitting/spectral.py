"""Randomized singular value decomposition (Halko et al. 2011) of a sparse matrix: nothing dense of its size is ever made."""

from __future__ import annotations

import torch
from torch import Tensor

from recsys_trainer.fitting.ragged import SparseRows


@torch.no_grad()
def right_vectors(
    matrix: SparseRows, transposed: SparseRows, wanted: int, *, oversample: int, iterations: int
) -> tuple[Tensor, Tensor]:
    """(the first right singular vectors [C, D], their singular values [D], largest first).

    D is less than wanted where the matrix has fewer rows or columns.

    Args:
        transposed: the same matrix by columns.
        oversample: directions that are looked for beyond the wanted ones.
        iterations: of subspace iteration, at least 1; the more, the less do neighbouring directions mix.
    """
    rank = min(matrix.rows, matrix.columns)
    basis_CK = torch.randn(matrix.columns, min(wanted + oversample, rank)).to(matrix.indptr.device)
    for _ in range(iterations):
        left_RK = torch.linalg.qr(matrix @ torch.linalg.qr(basis_CK).Q).Q
        basis_CK = transposed @ left_RK
    # basis = M' Q, so M ≈ Q basis', and the right vectors of M are the left ones of basis.
    orthonormal_CK, triangle_KK = torch.linalg.qr(basis_CK)
    rotation_KK, singular_K, _ = torch.linalg.svd(triangle_KK)
    kept = min(wanted, rank)
    return orthonormal_CK @ rotation_KK[:, :kept], singular_K[:kept]
