"""What every family's scores share: the call, start values, products, and the catalogue in slices.

Shapes: B users, C items for each of them, I the catalogue, D factors.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

EMBEDDING_STD = 0.1
"""NCF starts at 0.01, where the product of two factors gets next to no gradient in the first epochs."""


class Recommender(nn.Module, ABC):
    """Scores users against items."""

    @abstractmethod
    def forward(self, user_B: Tensor, items: Tensor) -> Tensor:
        """Scores [B, C].

        Args:
            user_B: user rows.
            items: item rows, [C] for all users the same, or [B, C].
        """

    def exported(self) -> dict[str, Tensor]:
        """Copies of the tensors that give the same scores when served, on the CPU, by artifact tensor name."""
        return {name: values.detach().cpu().clone() for name, values in self.state_dict().items()}


def embedding(rows: int, width: int) -> nn.Parameter:
    """A table of start values."""
    return nn.Parameter(torch.empty(rows, width).normal_(std=EMBEDDING_STD))


def dot(user_BD: Tensor, item: Tensor) -> Tensor:
    """Inner products [B, C] with items [C, D] or [B, C, D]."""
    if item.dim() == 2:
        return user_BD @ item.T
    return (item @ user_BD.unsqueeze(2)).squeeze(2)


MEMORY_VALUES = 64_000_000
"""Values that are in memory at once (256 MB of float32)."""
CACHE_VALUES = 2**18
"""Values of the widest layer for each thread of a CPU: 1 MB, which stays in its cache from one layer to the next. Slices of
256 MB took three times as long (NeuMF 256-128-64)."""


def catalogue_logits(network: Recommender, user_B: Tensor, all_I: Tensor) -> Tensor:
    """Scores [B, I] over the whole catalogue, item slice by item slice so that wide layers stay within cache or memory."""
    widths = [weight.shape[0] for name, weight in network.named_parameters() if name.startswith("mlp.")]
    values = CACHE_VALUES * torch.get_num_threads() if widths and all_I.device.type == "cpu" else MEMORY_VALUES
    size = max(1, values // (max(1, len(user_B)) * max(widths, default=1)))
    slices = [network(user_B, all_I[start : start + size]) for start in range(0, len(all_I), size)]
    return torch.cat(slices, dim=1)
