"""Solvers for one side of alternating least squares: all users for fixed items, or all items for fixed users.

For each row x of the batch they lower   sum_l (v_l - h_l·x)^2 + w |H x|^2 + r |x|^2,   whose minimum solves
(Hb'Hb + w G + r) x = Hb'v with Hb the factors of the row's entries and G = H'H over everybody (Hu et al. 2008).
Cholesky solves it; the others start from the last sweep's x and come closer with each.

Shapes: B rows, L entries of each, D factors.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

CG_STEPS = 3
BLOCK = 32
_TINY = 1e-30


@dataclass(frozen=True)
class Systems:
    """The systems of a batch."""

    factors_BLD: Tensor
    """Of the entries; zeros where padded."""
    value_BL: Tensor
    gram_DD: Tensor
    """w G"""
    ridge_B: Tensor
    """r"""
    start_BD: Tensor


Solver = Callable[[Systems], tuple[Tensor, Tensor]]
"""Systems -> (x [B, D], the objective of each row [B])."""


def cholesky(systems: Systems) -> tuple[Tensor, Tensor]:
    """The minimum."""
    factors = systems.factors_BLD
    matrix_BDD = torch.baddbmm(systems.gram_DD, factors.mT, factors)
    matrix_BDD.diagonal(dim1=1, dim2=2).add_(systems.ridge_B.unsqueeze(1))
    right_BD = _weighted_sum(factors, systems.value_BL)
    x_BD = _solve(matrix_BDD, right_BD)
    # At the minimum x'Mx = x'b.
    return x_BD, systems.value_BL.square().sum(1) - (x_BD * right_BD).sum(1)


def conjugate_gradient(systems: Systems) -> tuple[Tensor, Tensor]:
    """A few steps of conjugate gradients (Takács et al. 2011).

    A step goes over the entries' factors twice, which is what it costs: Hb x is kept beside x, so that neither the start's
    residual nor the objective needs a pass of its own.
    """
    x_BD, fitted_BL = systems.start_BD, _products(systems.factors_BLD, systems.start_BD)
    residual_BD = _weighted_sum(systems.factors_BLD, systems.value_BL - fitted_BL) - _penalized(systems, x_BD)
    direction_BD, square_B = residual_BD, residual_BD.square().sum(1)
    for _ in range(CG_STEPS):
        products_BL = _products(systems.factors_BLD, direction_BD)
        image_BD = _weighted_sum(systems.factors_BLD, products_BL) + _penalized(systems, direction_BD)
        step_B1 = (square_B / (direction_BD * image_BD).sum(1).clamp(min=_TINY)).unsqueeze(1)
        x_BD, fitted_BL = x_BD + step_B1 * direction_BD, fitted_BL + step_B1 * products_BL
        residual_BD = residual_BD - step_B1 * image_BD
        after_B = residual_BD.square().sum(1)
        direction_BD = residual_BD + (after_B / square_B.clamp(min=_TINY)).unsqueeze(1) * direction_BD
        square_B = after_B
    return x_BD, (systems.value_BL - fitted_BL).square().sum(1) + (x_BD * _penalized(systems, x_BD)).sum(1)


def block_coordinate(systems: Systems) -> tuple[Tensor, Tensor]:
    """iALS++ (Rendle et al. 2021): blocks of factors one after the other, each solved exactly."""
    x_BD = systems.start_BD.clone()
    error_BL = _products(systems.factors_BLD, x_BD) - systems.value_BL
    ridge_B1 = systems.ridge_B.unsqueeze(1)
    for start in range(0, x_BD.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        factors, gram_FD = systems.factors_BLD[:, :, block], systems.gram_DD[block]
        gradient_BF = _weighted_sum(factors, error_BL) + x_BD @ gram_FD.T + ridge_B1 * x_BD[:, block]
        matrix_BFF = torch.baddbmm(gram_FD[:, block], factors.mT, factors)
        matrix_BFF.diagonal(dim1=1, dim2=2).add_(ridge_B1)
        change_BF = _solve(matrix_BFF, gradient_BF)
        x_BD[:, block] -= change_BF
        error_BL = error_BL - _products(factors, change_BF)
    return x_BD, error_BL.square().sum(1) + (x_BD * _penalized(systems, x_BD)).sum(1)


SOLVERS: dict[str, Solver] = {
    "BlockCoordinate": block_coordinate,
    "ConjugateGradient": conjugate_gradient,
    "Cholesky": cholesky,
}


def _weighted_sum(factors_BLD: Tensor, weight_BL: Tensor) -> Tensor:
    return (weight_BL.unsqueeze(1) @ factors_BLD).squeeze(1)


def _products(factors_BLD: Tensor, x_BD: Tensor) -> Tensor:
    """Of every entry with the row's x [B, L]; a row times a transpose is five times as fast as times a column."""
    return (x_BD.unsqueeze(1) @ factors_BLD.mT).squeeze(1)


def _penalized(systems: Systems, x_BD: Tensor) -> Tensor:
    """(w G + r) x"""
    return x_BD @ systems.gram_DD + systems.ridge_B.unsqueeze(1) * x_BD


def _solve(matrix_BDD: Tensor, right_BD: Tensor) -> Tensor:
    """A matrix that rounding made singular gives NaN, which the caller's check of weights finds."""
    factor, info = torch.linalg.cholesky_ex(matrix_BDD)
    solved = torch.cholesky_solve(right_BD.unsqueeze(2), factor).squeeze(2)
    return torch.where((info == 0).unsqueeze(1), solved, torch.nan)
