"""Factors of users whom the training did not have, from what they did since: the family's own equation for a user,
with the items as they are.

Shapes: N users, I items, D factors.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from recsys_trainer.fitting.ragged import SparseRows
from recsys_trainer.fitting.solvers import cholesky
from recsys_trainer.fitting.sweeps import Penalty, Side


@dataclass(frozen=True)
class FoldIn:
    """x = sum of the items' factors; or, of least squares, (sum h h' + w H'H + r)^-1 sum h with r = lambda (n + w I)^nu."""

    kind: Literal["Sum", "LeastSquares"]
    unobserved_weight: float = 0.0
    """w: weight of all items, whether the user had them or not."""
    regularization: float = 0.0
    """lambda"""
    exponent: float = 0.0
    """nu"""


@torch.no_grad()
def folded(history: SparseRows, items_ID: Tensor, settings: FoldIn) -> Tensor:
    """Factors of the users whose items are the rows of `history`, float32 [N, D]; zeros for those without any.

    In float64: a user with few items has a system that float32 solves to three digits only.
    """
    items = items_ID.double()
    exact = SparseRows(history.indptr, history.indices, history.values.double(), history.columns)
    if settings.kind == "Sum":
        return (exact @ items).float()
    found = torch.zeros(history.rows, items.shape[1], dtype=torch.float64, device=items.device)
    penalty = Penalty(settings.regularization, settings.unobserved_weight, settings.exponent)
    Side(exact, items.shape[1], penalty, cholesky).solve(found, items)
    return found.float()
