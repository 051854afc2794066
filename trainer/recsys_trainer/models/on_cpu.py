"""Training passes for a CPU with gradients written by hand: a slice of the batch stays in the processor's cache.

The same functions as autograd's, but without dropout and batch norm. Every sum has a fixed order: the same batch gives the same
bits. Shapes: B users, C items for each of them, N = B x C, R rows of a table, E its width, H the width of a layer.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

SLICE_VALUES = 2**18
"""Values of the first layer in a slice for each thread: 1 MB, which stays in its cache."""
Grads = tuple[Tensor | None, ...]


def rows(table_RE: Tensor, index: Tensor) -> Tensor:
    """Rows of a table, [..., E]; while training on a CPU with a faster gradient."""
    if torch.is_grad_enabled() and table_RE.device.type == "cpu" and not torch.compiler.is_compiling():
        found: Tensor = _Rows.apply(table_RE, index)  # type: ignore[no-untyped-call]
        return found
    return functional.embedding(index, table_RE)


class _Rows(torch.autograd.Function):
    """The gradient is summed row by row: in a third of the time of embedding's own."""

    @staticmethod
    def forward(ctx: Any, table_RE: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.table_rows = len(table_RE)
        return functional.embedding(index, table_RE)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Grads:
        (index,) = ctx.saved_tensors
        return _scattered(ctx.table_rows, index.flatten(), grad.reshape(-1, grad.shape[-1])), None


class HiddenLayers(torch.autograd.Function):
    """The MLP's part of the logit, [B, C]; the first layer is split, W[u;i] = Wu u + Wi i."""

    @staticmethod
    def forward(
        ctx: Any, user_RE: Tensor, item_RE: Tensor, user_B: Tensor, item_BC: Tensor, weight_H: Tensor, *layers: Tensor
    ) -> Tensor:
        """With weight and bias of every layer in turn."""
        first, bias, *rest = layers
        halves = first.tensor_split((user_RE.shape[1],), dim=1)
        users, items = _Half(user_RE, user_B), _Half(item_RE, item_BC.flatten())
        of_users, of_items = users.products(halves[0], bias), items.products(halves[1], None)
        kept, logits = [], []
        for some_users, pairs in _slices(item_BC.shape, len(first)):
            hidden = items.pick(of_items, pairs)
            hidden.view(-1, item_BC.shape[1], len(first)).add_(users.pick(of_users, some_users).unsqueeze(1)).relu_()
            activations = [hidden]
            for weight, shift in zip(rest[::2], rest[1::2], strict=True):
                activations.append(torch.addmm(shift, activations[-1], weight.T).relu_())
            kept.append(activations)
            logits.append(activations[-1] @ weight_H)
        ctx.save_for_backward(user_RE, item_RE, weight_H, *layers)
        ctx.users, ctx.items, ctx.kept, ctx.shape = users, items, kept, item_BC.shape
        return torch.cat(logits).view(item_BC.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BC: Tensor) -> Grads:
        """Of tables, output and layers."""
        user_RE, _, weight_H, first, _, *rest = ctx.saved_tensors
        users, items, halves = ctx.users, ctx.items, first.tensor_split((user_RE.shape[1],), dim=1)
        of_users, of_items, of_weight_H = users.zeros(len(first)), items.zeros(len(first)), torch.zeros_like(weight_H)
        of_rest = [torch.zeros_like(values) for values in rest]
        for (some_users, pairs), kept in zip(_slices(ctx.shape, len(first)), ctx.kept, strict=True):
            grad_N = grad_BC[some_users].flatten()
            of_weight_H.addmv_(kept[-1].T, grad_N)
            grad = _where_positive(torch.outer(grad_N, weight_H), kept[-1])
            for layer in range(len(kept) - 2, -1, -1):
                of_rest[2 * layer].addmm_(grad.T, kept[layer])
                of_rest[2 * layer + 1].add_(grad.sum(0))
                grad = _where_positive(grad @ rest[2 * layer], kept[layer])
            users.put(of_users, grad.view(-1, ctx.shape[1], len(first)).sum(1), some_users)
            items.put(of_items, grad, pairs)
        ctx.kept = ()
        of_user_table, of_user_half = users.finish(of_users, halves[0])
        of_item_table, of_item_half = items.finish(of_items, halves[1])
        of_first = torch.cat((of_user_half, of_item_half), dim=1)
        return of_user_table, of_item_table, None, None, of_weight_H, of_first, of_users.sum(0), *of_rest


class _Half:
    """One side of the first layer. Each row is multiplied once, however often the batch has it.

    Where a batch has more rows than the table, the table is multiplied and the products are gathered.
    """

    def __init__(self, table_RE: Tensor, index_N: Tensor) -> None:
        self._index_N, self._table_rows, self._whole = index_N, len(table_RE), len(index_N) >= len(table_RE)
        self._rows_KE = table_RE if self._whole else table_RE.index_select(0, index_N)

    def products(self, half_HE: Tensor, bias_H: Tensor | None) -> Tensor:
        """[K, H] of the table's R rows or the batch's N."""
        return functional.linear(self._rows_KE, half_HE, bias_H)

    def pick(self, products_KH: Tensor, part: slice) -> Tensor:
        """Those of a slice of the batch."""
        return products_KH.index_select(0, self._index_N[part]) if self._whole else products_KH[part]

    def zeros(self, width: int) -> Tensor:
        """For the gradient of the products."""
        return torch.zeros(len(self._rows_KE), width)

    def put(self, grad_KH: Tensor, grad_PH: Tensor, part: slice) -> None:
        """The gradient of a slice of the batch."""
        if self._whole:
            grad_KH.index_add_(0, self._index_N[part], grad_PH)
        else:
            grad_KH[part] = grad_PH

    def finish(self, grad_KH: Tensor, half_HE: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of the table and of this half of the layer."""
        of_rows = grad_KH @ half_HE
        of_table = of_rows if self._whole else _scattered(self._table_rows, self._index_N, of_rows)
        return of_table, grad_KH.T @ self._rows_KE


def _scattered(table_rows: int, index_N: Tensor, grad_NE: Tensor) -> Tensor:
    return torch.zeros(table_rows, grad_NE.shape[1]).index_add_(0, index_N, grad_NE)


def _where_positive(grad: Tensor, activation: Tensor) -> Tensor:
    """The gradient before a ReLU, in place."""
    return torch.ops.aten.threshold_backward.grad_input(grad, activation, 0, grad_input=grad)  # type: ignore[no-any-return]


def _slices(shape: torch.Size, width: int) -> list[tuple[slice, slice]]:
    """(users, pairs) of every slice; a slice holds whole users."""
    users, items = shape
    size = max(1, SLICE_VALUES * torch.get_num_threads() // (width * items))
    starts = ((start, min(start + size, users)) for start in range(0, users, size))
    return [(slice(start, end), slice(start * items, end * items)) for start, end in starts]
