"""Neural matrix factorization: GMF and MLP with tables of their own (He et al. 2017, section 3.4)."""

from torch import Tensor, nn
from torch.nn import functional

from recsys_api.recommender_model import Model
from recsys_trainer.models.base import Recommender, dot, embedding, hidden_layers, mlp_logits, mlp_width


class NeuMF(Recommender):
    """logit = w · [user * item; MLP(user, item)] + b."""

    def __init__(self, users: int, items: int, model: Model) -> None:
        nn.Module.__init__(self)
        self.gmf_user = embedding(users, model.embedding_dim)
        self.gmf_item = embedding(items, model.embedding_dim)
        self.mlp_user = embedding(users, model.embedding_dim)
        self.mlp_item = embedding(items, model.embedding_dim)
        self.mlp = hidden_layers(model)
        self.out = nn.Linear(model.embedding_dim + mlp_width(model), 1)
        self.dropout = model.dropout

    def forward(self, user_B: Tensor, items: Tensor) -> Tensor:
        """Logits [B, C]."""
        weight_D, weight_H = self.out.weight[0].tensor_split((self.gmf_user.shape[1],))
        user_BD = functional.dropout(functional.embedding(user_B, self.gmf_user), self.dropout, self.training)
        factors = dot(user_BD * weight_D, functional.embedding(items, self.gmf_item))
        user_BE, item = functional.embedding(user_B, self.mlp_user), functional.embedding(items, self.mlp_item)
        return factors + mlp_logits(self.mlp, weight_H, user_BE, item, self.dropout, self.training) + self.out.bias
