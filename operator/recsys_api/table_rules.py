"""What split tables need: `spec.training.tables: Sharded` is refused where it would do nothing or cannot be done."""

from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.rule_kinds import Choice
from recsys_api.rule_types import Rule

_WHOLE = ("CosineContrastive", "CrossEntropy")
"""Losses that want a whole table in a step or an export."""
_SHARDED = Choice("training.tables", "Sharded", "training.tables Sharded", "set tables to Replicated")


def _by_row(spec: RecommenderModelSpec) -> bool:
    return spec.training.optimizer.type == "RowWiseAdagrad"


def _by_nodes(spec: RecommenderModelSpec) -> bool:
    return spec.training.nodes > 1 and spec.training.gpus_per_node == 0


TABLE_RULES: tuple[Rule, ...] = (
    _SHARDED.needs(
        "self.model.architecture == 'MatrixFactorization'",
        lambda spec: spec.model.architecture == "MatrixFactorization",
        "is for MatrixFactorization only",
        "set model.architecture to it",
    ),
    _SHARDED.needs(
        "has(self.training.optimizer) && has(self.training.optimizer.type) && "
        "self.training.optimizer.type == 'RowWiseAdagrad'",
        _by_row,
        "is trained by RowWiseAdagrad only, which makes a step where the rows lie",
        "set training.optimizer.type to RowWiseAdagrad",
    ),
    _SHARDED.needs(
        "!has(self.training.loss) || !has(self.training.loss.type) || "
        f"!(self.training.loss.type in ['{_WHOLE[0]}', '{_WHOLE[1]}'])",
        lambda spec: spec.training.loss.type not in _WHOLE,
        f"has no {_WHOLE[0]} and no {_WHOLE[1]}, which want whole tables",
        "set training.loss.type to BCE, BPR or SampledSoftmax",
    ),
    _SHARDED.needs(
        "has(self.training.nodes) && self.training.nodes > 1 && "
        "(!has(self.training.gpusPerNode) || self.training.gpusPerNode == 0)",
        _by_nodes,
        "splits tables over the memory of several nodes, of CPUs: the kernels that are installed have none for GPUs",
        "set training.nodes to 2 or more and gpusPerNode to 0",
    ),
)
"""In the order in which they are reported."""
