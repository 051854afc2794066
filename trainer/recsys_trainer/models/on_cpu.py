"""Training passes for a CPU with gradients written by hand: a slice of the batch stays in the processor's cache.

The same functions as autograd's, but without dropout and batch norm. Every sum has a fixed order: the same batch gives the same
bits. Shapes: B users, C items for each of them, N = B x C, R rows of a table, K of them that are read, E the table's width,
H the width of a layer.
"""

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from recsys_trainer.models.reads import Reads

SLICE_VALUES = 2**19
"""Values of the first layer in a slice for each thread (2 MB): the best of 2^17 to 2^20 at batch 32,768, by
less than the spread."""
Grads = tuple[Tensor | None, ...]


def eager_on_cpu(table: Tensor) -> bool:
    """Whether operations written for a CPU may take it: where no compiler looks on, and products are not rounded on the way."""
    return table.device.type == "cpu" and not (torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu"))


def by_hand(table: Tensor) -> bool:
    """Whether gradients are written by hand: while training."""
    return torch.is_grad_enabled() and eager_on_cpu(table)


def rows(table: Tensor, index: Tensor) -> Tensor:
    """Rows of a table, [*index, E], or values of a vector, [*index]; with a faster gradient where it is written by hand."""
    if by_hand(table):
        if _is_whole(index, len(table)):
            return table
        found: Tensor = _Rows.apply(table, index)  # type: ignore[no-untyped-call]
        return found
    return functional.embedding(index, table) if table.dim() == 2 else table[index]


def _is_whole(index: Tensor, rows: int) -> bool:
    """Whether an index names every row in order, as a loss over the whole catalogue does: nothing is copied then."""
    return index.dim() == 1 and len(index) == rows and bool((index == torch.arange(rows)).all())


class _Rows(torch.autograd.Function):
    """The gradient is summed row by row: in a third of the time of embedding's own, and of values without a sort."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.shape = table.shape
        return table.index_select(0, index.flatten()).view(*index.shape, *table.shape[1:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Grads:
        (index,) = ctx.saved_tensors
        return torch.zeros(ctx.shape).index_add_(0, index.flatten(), grad.reshape(-1, *ctx.shape[1:])), None


class HiddenLayers(torch.autograd.Function):
    """The MLP's part of the logit, [B, C]; the first layer is split, W[u;i] = Wu u + Wi i.

    Each row is multiplied once, however often the batch has it; a pair's values are a sum of two products.
    """

    @staticmethod
    def forward(
        ctx: Any, user_RE: Tensor, item_RE: Tensor, user_B: Tensor, items: Reads, weight_H: Tensor, *layers: Tensor
    ) -> Tensor:
        """With weight and bias of every layer in turn."""
        first, bias, *rest = layers
        shape = len(user_B), len(items.place_N) // max(1, len(user_B))
        users = Reads.of(user_B, len(user_RE)).repeated(shape[1])
        halves, tables = _halves(first, user_RE), (users.of_table(user_RE), items.of_table(item_RE))
        of_users, of_items = torch.addmm(bias, tables[0], halves[0].T), tables[1] @ halves[1].T
        products_KH = torch.cat((of_users, of_items))
        pair_N2 = torch.stack((users.place_N, items.place_N + len(of_users)), dim=1)
        kept, logits = [], []
        for pairs in _slices(shape, len(first)):
            activations = [functional.embedding_bag(pair_N2[pairs], products_KH, mode="sum").relu_()]
            for weight, shift in zip(rest[::2], rest[1::2], strict=True):
                activations.append(torch.addmm(shift, activations[-1], weight.T).relu_())
            kept.append(activations)
            logits.append(activations[-1] @ weight_H)
        ctx.save_for_backward(user_RE, item_RE, weight_H, *layers)
        ctx.users, ctx.items, ctx.kept, ctx.shape = users, items, kept, shape
        return torch.cat(logits).view(shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BC: Tensor) -> Grads:
        """Of tables, output and layers."""
        user_RE, item_RE, weight_H, first, _, *rest = ctx.saved_tensors
        of_weight_H, of_rest = torch.zeros_like(weight_H), [torch.zeros_like(values) for values in rest]
        grad_N, grad_NH = grad_BC.flatten(), torch.empty(grad_BC.numel(), len(first))
        for pairs, kept in zip(_slices(ctx.shape, len(first)), ctx.kept, strict=True):
            into = [grad_NH[pairs], *[None] * (len(kept) - 1)]
            of_weight_H.addmv_(kept[-1].T, grad_N[pairs])
            grad = _where_positive(torch.outer(grad_N[pairs], weight_H, out=into[-1]), kept[-1])
            for layer in range(len(kept) - 2, -1, -1):
                of_rest[2 * layer].addmm_(grad.T, kept[layer])
                of_rest[2 * layer + 1].add_(grad.sum(0))
                grad = _where_positive(torch.mm(grad, rest[2 * layer], out=into[layer]), kept[layer])
        ctx.kept = ()
        halves = _halves(first, user_RE)
        of_users, of_items = ctx.users.sums(grad_NH), ctx.items.sums(grad_NH)
        of_user_half, of_item_half = of_users.T @ ctx.users.of_table(user_RE), of_items.T @ ctx.items.of_table(item_RE)
        of_user_table, of_item_table = (
            ctx.users.to_table(of_users @ halves[0]),
            ctx.items.to_table(of_items @ halves[1]),
        )
        of_first = torch.cat((of_user_half, of_item_half), dim=1)
        return of_user_table, of_item_table, None, None, of_weight_H, of_first, of_users.sum(0), *of_rest


def _halves(first: Tensor, user_RE: Tensor) -> tuple[Tensor, ...]:
    """The first layer's weights for users and for items."""
    return first.tensor_split((user_RE.shape[1],), dim=1)


def _where_positive(grad: Tensor, activation: Tensor) -> Tensor:
    """The gradient before a ReLU, in place."""
    return torch.ops.aten.threshold_backward.grad_input(grad, activation, 0, grad_input=grad)  # type: ignore[no-any-return]


def _slices(shape: tuple[int, int], width: int) -> list[slice]:
    """The batch's pairs in slices of about the same size."""
    pairs = shape[0] * shape[1]
    parts = max(1, round(pairs * width / (SLICE_VALUES * torch.get_num_threads())))
    bounds = [pairs * part // parts for part in range(parts + 1)]
    return [slice(start, end) for start, end in pairwise(bounds)]
