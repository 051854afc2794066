"""The model families, one file each. Parameter names are the artifact's tensor names (docs/contracts.md section 3)."""

from recsys_api.recommender_model import Model
from recsys_trainer.models.base import Recommender
from recsys_trainer.models.gmf import GMF
from recsys_trainer.models.mlp import MLP
from recsys_trainer.models.neumf import NeuMF

__all__ = ["REGISTRY", "Recommender", "build_model"]

REGISTRY: dict[str, type[Recommender]] = {"GMF": GMF, "MLP": MLP, "NeuMF": NeuMF}


def build_model(model: Model, users: int, items: int) -> Recommender:
    """The network that a manifest asks for, with fresh weights from torch's global generator."""
    return REGISTRY[model.architecture](users, items, model)
