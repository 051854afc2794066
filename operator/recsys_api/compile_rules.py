"""What `spec.training.compile: true` needs: it is refused where it would make steps slower, or nothing of them."""

from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.rule_kinds import Choice
from recsys_api.rule_types import Rule

_COMPILED = Choice("training.compile", True, "training.compile", "remove training.compile")


def _on_gpus(spec: RecommenderModelSpec) -> bool:
    return spec.training.gpus_per_node > 0


def _reads_in_the_network(spec: RecommenderModelSpec) -> bool:
    return spec.training.optimizer.type != "RowWiseAdagrad"


COMPILE_RULES: tuple[Rule, ...] = (
    _COMPILED.needs(
        "has(self.training.gpusPerNode) && self.training.gpusPerNode > 0",
        _on_gpus,
        "is for GPUs, because it makes the steps of a CPU slower",
        "set training.gpusPerNode to 1 or more",
    ),
    _COMPILED.needs(
        "!has(self.training.optimizer) || !has(self.training.optimizer.type) || "
        "self.training.optimizer.type != 'RowWiseAdagrad'",
        _reads_in_the_network,
        "has no RowWiseAdagrad, which reads rows outside of what is compiled",
        "set training.optimizer.type to Adam or SGD",
    ),
)
"""In the order in which they are reported."""
