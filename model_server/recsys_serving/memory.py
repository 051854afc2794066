"""The arithmetic that is printed before a table is loaded, and the refusal when it cannot fit."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from recsys_serving.artifact import tensor_shapes
from recsys_serving.errors import DoesNotFitError

RUNTIME_BYTES = 450 * 2**20
"""tritonserver with one Python stub and torch loaded, before any table (measured: 420 MiB on CPU)."""
MAX_BATCH = 64
CHUNK_BYTES = 8 * 2**20
"""Hidden activations that the scorer holds at once (scoring.py)."""
_FLOAT = 4


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes that one pod's Triton container needs."""

    items: int
    users: int
    seen: int
    maps: int
    working_set: int
    runtime: int = RUNTIME_BYTES

    @property
    def total(self) -> int:
        """All of it together."""
        return self.items + self.users + self.seen + self.maps + self.working_set + self.runtime

    def describe(self) -> str:
        """One line for the log."""
        parts = ("items", "users", "seen", "maps", "working_set", "runtime")
        terms = " + ".join(f"{name.replace('_', ' ')} {_mib(getattr(self, name))}" for name in parts)
        return f"memory: {terms} = {_mib(self.total)}"


def plan_memory(artifact: Path) -> MemoryPlan:
    """The plan for the artifact at a folder, from file headers alone."""
    shapes = tensor_shapes(artifact / "weights.safetensors")
    of_items = [name for name in shapes if name.endswith("_item") or name.startswith("item_")]
    items = sum(_bytes(shapes, name) for name in of_items)
    count = max((shapes[name][0] for name in of_items), default=0)
    hidden = shapes["mlp.0.bias"][0] if "mlp.0.bias" in shapes else 0
    users = sum(_bytes(shapes, name) for name in shapes if name.endswith("_user") or name.startswith("user_"))
    return MemoryPlan(
        items=items + count * hidden * _FLOAT,
        users=users,
        seen=(artifact / "seen.safetensors").stat().st_size,
        maps=sum((artifact / name).stat().st_size for name in ("users.idmap", "items.idmap")),
        working_set=3 * MAX_BATCH * count * _FLOAT + 3 * CHUNK_BYTES + _fold_in_bytes(shapes),
    )


def check_memory(plan: MemoryPlan, limit: int | None) -> None:
    """Raise DoesNotFitError when the plan is larger than the limit in bytes."""
    if limit is not None and plan.total > limit:
        raise DoesNotFitError(
            f"{plan.describe()}, but the container's limit is {_mib(limit)}; raise serving.resources.limits.memory"
        )


def _fold_in_bytes(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Systems of the size of a dot product's factors, in float64: the items' and one request's, with its solution."""
    return 3 * 8 * shapes["item_factors"][1] ** 2 if "item_factors" in shapes else 0


def _bytes(shapes: Mapping[str, tuple[int, ...]], name: str) -> int:
    return prod(shapes[name]) * _FLOAT


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
