"""What is refused of split tables."""

from typing import Any

from tests.manifests.case import Case
from tests.manifests.fragments import mf

GOOD: dict[str, Any] = {"tables": "Sharded", "nodes": 2, "optimizer": {"type": "RowWiseAdagrad"}}


def _case(name: str, training: dict[str, Any], *expected: str, model: dict[str, Any] | None = None) -> Case:
    manifest = {"spec.model": model or mf(), "spec.training": {**GOOD, **training}}
    return Case(name, manifest, ("spec.training.tables", *expected))


TABLE_CASES = (
    _case("tables in columns", {"tables": "ByColumn"}, "ByColumn", "Sharded"),
    _case(
        "split tables of layers",
        {},
        "training.tables Sharded is for MatrixFactorization only",
        "set model.architecture to it, or set tables to Replicated",
        model={"architecture": "NeuMF"},
    ),
    _case("split tables of sweeps", {"optimizer": {}, "nodes": 1}, "only", model={"architecture": "ImplicitALS"}),
    _case(
        "split tables with Adam",
        {"optimizer": {"type": "Adam"}},
        "training.tables Sharded is trained by RowWiseAdagrad only",
        "set training.optimizer.type to RowWiseAdagrad",
    ),
    _case("split tables with the default", {"optimizer": {}}, "set training.optimizer.type to RowWiseAdagrad"),
    *(
        _case(
            f"split tables with {loss}",
            {"loss": {"type": loss}},
            "has no CosineContrastive and no CrossEntropy",
            "set training.loss.type to BCE, BPR or SampledSoftmax",
        )
        for loss in ("CosineContrastive", "CrossEntropy")
    ),
    _case("split tables of one process", {"nodes": 1}, "several nodes", "set training.nodes to 2 or more"),
    _case("split tables of GPUs", {"gpusPerNode": 2}, "none for GPUs", "gpusPerNode to 0"),
)
