"""Imports what must run on torch alone, and trains NeuMF, while no other package is found. Run by test_torch_alone.py."""

import importlib
import importlib.machinery
import importlib.metadata
import pkgutil
import re
import sys
import warnings
from importlib.machinery import ModuleSpec
from typing import Any

NEVER = {"numpy", "pydantic", "pyarrow", "fsspec", "s3fs", "safetensors", "yaml", "kubernetes", "scipy", "pandas"}
OURS = {"recsys_trainer", "recsys_api", "benchmarks"}
MODULES = (
    "negatives", "parallel", "device", "checkpoints", "checkpoint_index", "stopping", "progress", "tensor_file", "errors",
)  # fmt: skip


def of_torch() -> set[str]:
    """torch, and what it asks for itself."""
    required = [re.split(r"[^\w.-]", each, maxsplit=1)[0] for each in importlib.metadata.requires("torch") or ()]
    return {"torch", "torchgen", "functorch", "mpmath", "markupsafe", *(each.replace("-", "_") for each in required)}


class Alone(importlib.machinery.PathFinder):
    """Finds what a machine with torch alone has."""

    there = (sys.stdlib_module_names | of_torch() | OURS) - NEVER

    @classmethod
    def find_spec(cls, fullname: str, *more: Any) -> ModuleSpec | None:
        known = fullname.partition(".")[0] in cls.there or fullname.startswith("_sysconfigdata")
        return super().find_spec(fullname, *more) if known else None


def main() -> None:
    sys.path[:0] = sys.argv[1:]
    sys.meta_path[:] = [Alone if each is importlib.machinery.PathFinder else each for each in sys.meta_path]
    warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
    packages = [importlib.import_module(f"recsys_trainer.{name}") for name in ("models", "fitting")]
    inside = [
        each.name for package in packages for each in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    ]
    for name in (*inside, *(f"recsys_trainer.{name}" for name in MODULES)):
        importlib.import_module(name)
    measure = importlib.import_module("benchmarks.gpu.measure")
    options = measure.Options(60, 40, 600, batch=200, epochs=1, model=measure.Model(4, 8, (16, 8)))
    found, _ = measure.fitted(options, measure.synthetic(options, "cpu"), "cpu")
    assert not NEVER & {name.partition(".")[0] for name in sys.modules}
    print(f"trained for {found.epochs} epochs")


if __name__ == "__main__":
    main()
