"""What every family shares: the call, the start values, and layers that take a user once for many items.

Shapes: B users, C items for each of them, I the catalogue, D factors, E embedding width, H width of a layer.
"""

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from recsys_api.recommender_model import Model

EMBEDDING_STD = 0.1
"""NCF starts at 0.01, where the product of two factors gets next to no gradient in the first epochs."""


class Recommender(nn.Module, ABC):
    """Scores users against items."""

    @abstractmethod
    def __init__(self, users: int, items: int, model: Model) -> None: ...

    @abstractmethod
    def forward(self, user_B: Tensor, items: Tensor) -> Tensor:
        """Logits [B, C].

        Args:
            user_B: user rows.
            items: item rows, [C] for all users the same, or [B, C].
        """


def embedding(rows: int, width: int) -> nn.Parameter:
    """A table of start values."""
    return nn.Parameter(torch.empty(rows, width).normal_(std=EMBEDDING_STD))


def dot(user_BD: Tensor, item: Tensor) -> Tensor:
    """Inner products [B, C] with items [C, D] or [B, C, D]."""
    if item.dim() == 2:
        return user_BD @ item.T
    return (item @ user_BD.unsqueeze(2)).squeeze(2)


def hidden_layers(model: Model) -> nn.ModuleList:
    """The layers between concat(user, item) and the output."""
    widths = (2 * model.embedding_dim, *model.hidden_layers)
    return nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))


def mlp_width(model: Model) -> int:
    """Width of what the hidden layers give to the output."""
    return model.hidden_layers[-1] if model.hidden_layers else 2 * model.embedding_dim


def mlp_logits(
    layers: nn.ModuleList, weight_H: Tensor, user_BE: Tensor, item: Tensor, dropout: float, training: bool
) -> Tensor:
    """The MLP's part of the logit, [B, C].

    The first layer is split, W[u;i] = Wu u + Wi i, so that a user is multiplied once and not once for each item.

    Args:
        weight_H: the output's weights for the last hidden layer.
        item: [C, E] or [B, C, E].
    """
    width = user_BE.shape[1]
    if not layers:
        return (user_BE @ weight_H[:width]).unsqueeze(1) + item @ weight_H[width:]
    first, *rest = cast("list[nn.Linear]", list(layers))
    of_users = functional.linear(user_BE, first.weight[:, :width], first.bias).unsqueeze(1)
    hidden = functional.relu(of_users + functional.linear(item, first.weight[:, width:]))
    for layer in rest:
        hidden = functional.relu(layer(functional.dropout(hidden, dropout, training)))
    return functional.dropout(hidden, dropout, training) @ weight_H


CHUNK_VALUES = 64_000_000
"""Values of the widest layer that are in memory at once (256 MB of float32)."""


def catalogue_logits(network: Recommender, user_B: Tensor, all_I: Tensor) -> Tensor:
    """Logits [B, I] over the whole catalogue, item slice by item slice so that wide layers stay within memory."""
    widths = [weight.shape[0] for name, weight in network.named_parameters() if name.startswith("mlp.")]
    size = max(1, CHUNK_VALUES // (max(1, len(user_B)) * max(widths, default=1)))
    slices = [network(user_B, all_I[start : start + size]) for start in range(0, len(all_I), size)]
    return torch.cat(slices, dim=1)
