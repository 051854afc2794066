"""What is refused of compiled steps."""

from typing import Any

from tests.manifests.case import Case
from tests.manifests.fragments import als, mf


def _case(name: str, training: dict[str, Any], *expected: str, model: dict[str, Any] | None = None) -> Case:
    manifest = {"spec.model": model or mf(), "spec.training": {"compile": True, "gpusPerNode": 1, **training}}
    return Case(name, manifest, ("spec.training.compile", *expected))


COMPILE_CASES = (
    _case("compiled steps of a CPU", {"gpusPerNode": 0}, "is for GPUs", "set training.gpusPerNode to 1 or more"),
    _case(
        "compiled steps by row",
        {"optimizer": {"type": "RowWiseAdagrad"}},
        "training.compile has no RowWiseAdagrad",
        "set training.optimizer.type to Adam or SGD, or remove training.compile",
    ),
    _case("compiled sweeps", {}, "training.compile is for GMF, MLP, NeuMF", "remove training.compile", model=als()),
    _case("compiled how", {"compile": "max-autotune"}, "boolean|not true or false"),
)
