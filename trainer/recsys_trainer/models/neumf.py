"""Neural matrix factorization: GMF and MLP with tables of their own (He et al. 2017, section 3.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from recsys_trainer.fitting.task import Fitted, Task
from recsys_trainer.models import gmf, mlp
from recsys_trainer.models.base import Recommender, Shape, embedding, inner
from recsys_trainer.models.hidden import (
    batch_norms,
    fold_norms,
    hidden_layers,
    mlp_embedding_width,
    mlp_logits,
    mlp_width,
)
from recsys_trainer.models.network_family import NetworkFamily

if TYPE_CHECKING:
    from recsys_api.spec.model import Pretraining
    from recsys_api.spec.training import Training


class NeuMF(Recommender):
    """logit = w · [user * item; MLP(user, item)] + b."""

    tables = ("gmf_user", "gmf_item", "mlp_user", "mlp_item")

    def __init__(self, users: int, items: int, model: Shape) -> None:
        super().__init__()
        self.gmf_user = embedding(users, model.embedding_dim)
        self.gmf_item = embedding(items, model.embedding_dim)
        width = mlp_embedding_width(model)
        self.mlp_user, self.mlp_item = embedding(users, width), embedding(items, width)
        self.mlp = hidden_layers(model)
        self.mlp_norm = batch_norms(model)
        self.out = nn.Linear(model.embedding_dim + mlp_width(model), 1)
        self.dropout = model.dropout

    def forward(self, user_B: Tensor, items: Tensor) -> Tensor:
        """Logits [B, C]."""
        weight_D, weight_H = self.out.weight[0].tensor_split((self.gmf_user.shape[1],))
        user_BD = functional.dropout(self.rows(self.gmf_user, user_B), self.dropout, self.training)
        users, rows = self.located(self.mlp_user, user_B), self.located(self.mlp_item, items)
        reads = self.reads(*rows)
        factors = inner(user_BD * weight_D, *self.located(self.gmf_item, items), reads)
        hidden = mlp_logits(self.mlp, self.mlp_norm, weight_H, users, rows, self.dropout, self.training, reads)
        return factors + hidden + self.out.bias

    def weighed(self, name: str, user_BD: Tensor) -> Tensor:
        """Factors by the output."""
        return user_BD * self.out.weight[0, : user_BD.shape[1]] if name == "gmf_user" else user_BD

    def exported(self, *, copies: bool = True) -> dict[str, Tensor]:
        """Without batch norms."""
        return fold_norms(super().exported(copies=copies))

    @torch.no_grad()
    def join(self, of_gmf: dict[str, Tensor], of_mlp: dict[str, Tensor], alpha: float) -> None:
        """Start from both trained branches: the score is alpha x GMF + (1 - alpha) x MLP."""
        own = self.state_dict()
        for name, values in {**of_gmf, **of_mlp}.items():
            if not name.startswith("out."):
                own[name].copy_(values)
        self.out.weight.copy_(torch.cat((alpha * of_gmf["out.weight"], (1 - alpha) * of_mlp["out.weight"]), dim=1))
        self.out.bias.copy_(alpha * of_gmf["out.bias"] + (1 - alpha) * of_mlp["out.bias"])


class Branch(mlp.MLP):
    """An MLP to go on from: its batch norms are no part of the layers."""

    def exported(self, *, copies: bool = True) -> dict[str, Tensor]:
        """All that it has."""
        return Recommender.exported(self, copies=copies)


BRANCHES = (gmf.FAMILY, NetworkFamily(Branch))


class NeuMFFamily(NetworkFamily):
    """With pre-training where `model.pretraining` asks for it."""

    def fit(self, task: Task) -> Fitted:
        """The branches one after the other, then both together; `seconds` and `samples` hold all three."""
        settings = task.model.pretraining
        if settings is None:
            return super().fit(task)
        alone = training_alone(task.training, settings)
        branches = [
            family.fit(replace(task, training=alone, chosen=task.chosen[at : at + 1]))
            for at, family in enumerate(BRANCHES)
        ]
        network = self.build(task)
        assert isinstance(network, NeuMF), "this family builds no other"
        network.join(branches[0].weights, branches[1].weights, settings.alpha)
        fitted = self.train(replace(task, chosen=task.chosen[len(BRANCHES) :]), network)
        fitted.before = [branch.best_epoch for branch in branches]
        fitted.seconds += sum(branch.seconds for branch in branches)
        fitted.samples += sum(branch.samples for branch in branches)
        return fitted


def training_alone(training: Training, settings: Pretraining) -> Training:
    """How each branch is trained: by the manifest's optimizer, for its own epochs and at its own step size."""
    rate = settings.learning_rate or training.optimizer.learning_rate
    optimizer = training.optimizer.model_copy(update={"learning_rate": rate})
    return training.model_copy(update={"epochs": settings.epochs, "optimizer": optimizer})


FAMILY = NeuMFFamily(NeuMF)
