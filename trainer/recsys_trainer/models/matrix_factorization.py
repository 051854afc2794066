"""Matrix factorization by gradient descent: a dot product or a cosine, and the loss that the manifest chooses.

With CosineContrastive it is MF-CCL of SimpleX (Mao et al. 2021): both sides have length 1. Softmax over cosines is what Wu et al.
(2024, "On the Effectiveness of Sampled Softmax Loss for Item Recommendation") train.
"""

from math import ceil
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from recsys_trainer.fitting.in_force import loss_in_force, optimizer_in_force
from recsys_trainer.fitting.loss_settings import similarity
from recsys_trainer.fitting.losses import build_loss
from recsys_trainer.fitting.split_steps import fit_split
from recsys_trainer.fitting.steps import fit_in_steps
from recsys_trainer.fitting.task import Asked, Fitted, Task
from recsys_trainer.models.base import EMBEDDING_STD, inner, start_factors
from recsys_trainer.models.dot import DotFamily, DotProduct
from recsys_trainer.models.network_family import steps_bytes
from recsys_trainer.models.on_cpu import rows

SHORTEST = 1e-12
"""No length is taken to be less, as in torch's normalize."""


class Cosine(DotProduct):
    """score = cosine; exported as factors of length 1, so that serving needs no other formula."""

    def products(self, user_B: Tensor, items: Tensor) -> Tensor:
        """Cosines [B, C]."""
        user_BD = functional.normalize(self.rows(self.user_factors, user_B), dim=-1)
        user_BD = functional.dropout(user_BD, self.dropout, self.training)
        matrix_RD, places = self.located(self.item_factors, items)
        length_R = matrix_RD.norm(dim=1).clamp_min(SHORTEST)
        return inner(user_BD, matrix_RD, places) / rows(length_R, places)

    def exported(self, *, copies: bool = True) -> dict[str, Tensor]:
        """Normalized."""
        return {name: functional.normalize(values, dim=-1) for name, values in super().exported(copies=False).items()}


class MatrixFactorizationFamily(DotFamily):
    """Trained in steps, exported as a dot product."""

    def in_force(self, asked: Asked) -> dict[str, Any]:
        """Of optimizer, loss and what a score is."""
        found = {**optimizer_in_force(asked.training), **loss_in_force(asked)}
        return {"model.similarity": similarity(asked), **found}

    def fit(self, task: Task) -> Fitted:
        """Train from start values."""
        if task.split is not None:
            return fit_split(task, task.split, build_loss(task))
        return fit_in_steps(task, self.build(task), build_loss(task))

    def build(self, task: Task) -> DotProduct:
        """The network with the start values of the task's seed."""
        torch.manual_seed(task.training.seed)
        width, positives = task.model.embedding_dim, task.positives
        factors = (start_factors(rows, width, EMBEDDING_STD) for rows in (positives.users, positives.items))
        network = (Cosine if similarity(task) == "Cosine" else DotProduct)(*factors).to(task.device)
        network.dropout = task.model.dropout
        return network

    def needed_bytes(self, task: Task) -> int:
        """Tables with their optimizer state, pairs and negatives."""
        rows = task.positives.users + task.positives.items
        if task.split is not None:
            rows = ceil(rows / task.workers.world)
        return steps_bytes(task, rows * task.model.embedding_dim, rows)


FAMILY = MatrixFactorizationFamily()
