"""Inner products of users with items of their own, for a CPU: no row is copied.

A bag of embeddings sums rows of a table with weights, in one pass over the table's rows where they lie. Products of a user with
its items are the derivative of such a sum by its weights; the derivative by the user is a bag of its items, that by an item is a
bag of its users, once the pairs are ordered by item. Every sum has a fixed order: the same batch gives the same bits. With copies
of rows, as [B, C, D], a pair's product takes 74 ns and its item's gradient 80, this way 26 and 22 (d = 64, 9 items for each user,
one thread's CPU time, least of 30).

Shapes: B users, C items for each of them, N = B x C, R rows of a table, D factors.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from recsys_trainer.models.on_cpu import eager_on_cpu
from recsys_trainer.models.reads import Reads, sums

SUM = 0
"""The mode of a bag, in torch's numbers."""


def pair_products(user_BD: Tensor, item_RD: Tensor, place_BC: Tensor, reads: Reads | None = None) -> Tensor:
    """user · item, [B, C].

    Args:
        item_RD: a table.
        place_BC: rows of it, int64.
        reads: of them, where they are sorted already.
    """
    if not eager_on_cpu(user_BD):
        return (functional.embedding(place_BC, item_RD) * user_BD.unsqueeze(1)).sum(2)
    found: Tensor = _PairProducts.apply(user_BD, item_RD, place_BC, reads)  # type: ignore[no-untyped-call]
    return found


class _PairProducts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, user_BD: Tensor, item_RD: Tensor, place_BC: Tensor, reads: Reads | None) -> Tensor:
        """[B, C]"""
        user_BD, item_RD = user_BD.contiguous(), item_RD.contiguous()
        ctx.save_for_backward(user_BD, item_RD, place_BC)
        ctx.reads, (users, items) = reads, place_BC.shape
        begin_B = torch.arange(0, users * items, items)
        user_N = torch.arange(users).repeat_interleave(items)
        found_N = torch.ops.aten._embedding_bag_per_sample_weights_backward(
            user_BD, item_RD, place_BC.flatten(), begin_B, user_N, SUM
        )
        return found_N.view(place_BC.shape)  # type: ignore[no-any-return]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Of users [B, D] and the table [R, D]."""
        user_BD, item_RD, place_BC = ctx.saved_tensors
        grad_N, reads = gradients[0].flatten(), ctx.reads or Reads.of(place_BC, len(item_RD))
        begin_B = torch.arange(0, len(grad_N), place_BC.shape[1])
        of_users = sums(item_RD, place_BC.flatten(), begin_B, grad_N)
        user_N = reads.order_N.div(place_BC.shape[1], rounding_mode="floor")
        return of_users, reads.table_sums(user_BD, user_N, grad_N.index_select(0, reads.order_N)), None, None
