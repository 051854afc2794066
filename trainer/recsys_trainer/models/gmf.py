"""Generalized matrix factorization (He et al. 2017, Neural Collaborative Filtering, section 3.2)."""

from torch import Tensor, nn
from torch.nn import functional

from recsys_trainer.models.base import Recommender, Shape, embedding, inner
from recsys_trainer.models.network_family import NetworkFamily


class GMF(Recommender):
    """logit = w · (user * item) + b; dropout on the user's factors.

    w starts at 1, as plain matrix factorization: small weights of both signs let the factors learn little in the first epochs
    (validation NDCG@10 on ML-1M, one trial each: .144 with 96 factors, .136 at best from torch's start values).
    """

    tables = ("gmf_user", "gmf_item")

    def __init__(self, users: int, items: int, model: Shape) -> None:
        super().__init__()
        self.gmf_user = embedding(users, model.embedding_dim)
        self.gmf_item = embedding(items, model.embedding_dim)
        self.out = nn.Linear(model.embedding_dim, 1)
        nn.init.ones_(self.out.weight)
        self.dropout = model.dropout

    def forward(self, user_B: Tensor, items: Tensor) -> Tensor:
        """Logits [B, C]."""
        user_BD = functional.dropout(self.rows(self.gmf_user, user_B), self.dropout, self.training)
        return inner(user_BD * self.out.weight[0], *self.located(self.gmf_item, items)) + self.out.bias

    def weighed(self, name: str, user_BD: Tensor) -> Tensor:
        """By the output."""
        return user_BD * self.out.weight[0]


FAMILY = NetworkFamily(GMF)
