"""Multi-layer perceptron over concatenated embeddings (He et al. 2017, section 3.3)."""

from torch import Tensor, nn

from recsys_trainer.models.base import Recommender, Shape, embedding
from recsys_trainer.models.hidden import (
    batch_norms,
    fold_norms,
    hidden_layers,
    mlp_embedding_width,
    mlp_logits,
    mlp_width,
)
from recsys_trainer.models.network_family import NetworkFamily


class MLP(Recommender):
    """logit = w · ReLU(… ReLU(W [user; item] + b)) + b; dropout after every hidden layer."""

    tables = ("mlp_user", "mlp_item")

    def __init__(self, users: int, items: int, model: Shape) -> None:
        super().__init__()
        width = mlp_embedding_width(model)
        self.mlp_user, self.mlp_item = embedding(users, width), embedding(items, width)
        self.mlp = hidden_layers(model)
        self.mlp_norm = batch_norms(model)
        self.out = nn.Linear(mlp_width(model), 1)
        self.dropout = model.dropout

    def forward(self, user_B: Tensor, items: Tensor) -> Tensor:
        """Logits [B, C]."""
        users, rows = self.located(self.mlp_user, user_B), self.located(self.mlp_item, items)
        weight_H, dropout = self.out.weight[0], self.dropout
        return mlp_logits(self.mlp, self.mlp_norm, weight_H, users, rows, dropout, self.training) + self.out.bias

    def exported(self, *, copies: bool = True) -> dict[str, Tensor]:
        """Without batch norms."""
        return fold_norms(super().exported(copies=copies))


FAMILY = NetworkFamily(MLP)
