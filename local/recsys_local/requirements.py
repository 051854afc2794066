"""What each image installs, read from pyproject.toml: the extras are the only list of dependencies."""

from __future__ import annotations

import json
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from recsys_local.errors import LocalError
from recsys_local.paths import CHECKOUT

TORCH_LAYER = ("torch", "numpy", "safetensors")
"""What trainer and serving share in one layer; their pins must agree."""


@cache
def _project(checkout: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = tomllib.loads((checkout / "pyproject.toml").read_text())
    return loaded


def build_requires(checkout: Path = CHECKOUT) -> list[str]:
    """The wheel's build backend."""
    requires: list[str] = _project(checkout)["build-system"]["requires"]
    return requires


def packaging_metadata(checkout: Path = CHECKOUT) -> str:
    """What the wheel depends on beside the sources, in a stable form."""
    document = _project(checkout)
    return json.dumps([document["project"], document["tool"].get("hatch", {})], sort_keys=True)


def of_extra(extra: str, checkout: Path = CHECKOUT) -> list[str]:
    """The project's dependencies and one extra's, sorted."""
    project = _project(checkout)["project"]
    return sorted(set(project["dependencies"]) | set(project["optional-dependencies"][extra]))


def of_torch_layer(checkout: Path = CHECKOUT) -> list[str]:
    """The shared layer's requirements; a LocalError if trainer and serving pin them differently."""
    trainer, serving = of_extra("trainer", checkout), of_extra("serving", checkout)
    shared = [requirement for requirement in trainer if _name(requirement) in TORCH_LAYER]
    for requirement in serving:
        if _name(requirement) in TORCH_LAYER and requirement not in shared:
            raise LocalError(
                f"pyproject.toml: serving pins {requirement}, which trainer does not: they share one torch layer"
            )
    return shared


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower()
