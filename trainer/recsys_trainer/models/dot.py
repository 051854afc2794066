"""The dot product, with biases where a family has them: one set of tensors for all families that rank by it.

Shapes: U users, I items, D factors, B users of a call, C items for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from recsys_trainer.fitting.task import Weights
from recsys_trainer.models.base import Recommender, inner
from recsys_trainer.models.family import Family

if TYPE_CHECKING:
    from recsys_api.artifact import ArtifactModel

BIASES = ("item_bias", "user_bias", "global_bias")


class DotProduct(Recommender):
    """score = user · item + item_bias + user_bias + global_bias, the biases where there are some.

    The last two rank nothing; with them the score is a predicted rating.
    """

    tables = ("user_factors", "item_factors", "item_bias", "user_bias")

    def __init__(self, user_factors: Tensor, item_factors: Tensor, **biases: Tensor) -> None:
        super().__init__()
        self.user_factors = nn.Parameter(user_factors)
        self.item_factors = nn.Parameter(item_factors)
        for name in BIASES:
            self.register_parameter(name, nn.Parameter(biases[name]) if name in biases else None)
        self.dropout = 0.0

    item_bias: Tensor | None
    user_bias: Tensor | None
    global_bias: Tensor | None

    def forward(self, user_B: Tensor, items: Tensor) -> Tensor:
        """Scores [B, C]."""
        scores_BC = self.products(user_B, items)
        if self.item_bias is not None:
            scores_BC = scores_BC + self.rows(self.item_bias, items)
        if self.user_bias is not None:
            scores_BC = scores_BC + self.rows(self.user_bias, user_B).unsqueeze(1)
        return scores_BC if self.global_bias is None else scores_BC + self.global_bias

    def products(self, user_B: Tensor, items: Tensor) -> Tensor:
        """user · item [B, C]; dropout on the user's factors."""
        user_BD = functional.dropout(self.rows(self.user_factors, user_B), self.dropout, self.training)
        return inner(user_BD, *self.located(self.item_factors, items))

    def scores_of(self, user_ND: Tensor) -> Tensor:
        """Scores [N, I] of factors that are no row's."""
        scores_NI = user_ND @ self.item_factors.T
        for bias in (self.item_bias, self.global_bias):
            scores_NI = scores_NI if bias is None else scores_NI + bias
        return scores_NI


class DotFamily(Family):
    """Families whose exported tensors are those of `DotProduct`."""

    exports: tuple[str, ...] = ("user_factors", "item_factors")

    def load(self, model: ArtifactModel, weights: Weights) -> Recommender:
        """The dot product of the exported tensors."""
        shapes = {
            "user_factors": (model.users, model.embedding_dim),
            "item_factors": (model.items, model.embedding_dim),
            "item_bias": (model.items,),
            "user_bias": (model.users,),
            "global_bias": (1,),
        }
        for name in ("user_factors", "item_factors", *weights):
            found = tuple(weights[name].shape) if name in weights else "absent"
            if found != shapes.get(name):
                raise ValueError(f"tensor {name} is {found}, expected {shapes.get(name, 'absent')}")
        return DotProduct(**weights)
