"""The wheelhouse: every wheel the images install, downloaded once, before any build.

Image builds see no network and take wheels from this folder, mounted read-only. That makes them reproducible, and one
copy of torch serves all of them.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from recsys_local import requirements
from recsys_local.hashing import content_key
from recsys_local.paths import CHECKOUT, Cache
from recsys_local.shell import long_part, run

_IMAGE_PYTHON = [
    "--python-version",
    "3.11",
    "--implementation",
    "cp",
    "--abi",
    "cp311",
    "--abi",
    "abi3",
    "--abi",
    "none",
]


def ensure_wheels(cache: Cache, name: str, wanted: Sequence[str], *, dependencies: bool = True) -> None:
    """Download wheels for a list of requirements, unless a stamp says that this very list is there."""
    stamp = cache.wheelhouse / ".complete" / f"{name}-{content_key(*wanted)}"
    if stamp.exists():
        return
    stamp.parent.mkdir(parents=True, exist_ok=True)
    expected = "2 min" if any(line.startswith("torch") for line in wanted) else "1 min"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-cache-dir", "--only-binary", ":all:"]
    options = [
        "--dest",
        str(cache.wheelhouse),
        "--find-links",
        str(cache.wheelhouse),
        *([] if dependencies else ["--no-deps"]),
    ]
    with long_part(f"downloading wheels for {name}", expected, "once, then cached"):
        run([*pip, *options, *_python_options(), *wanted], log=cache.root / "logs" / "wheels.log")
    stamp.touch()


def _python_options() -> list[str]:
    """The images have Python 3.11; another one here must still download wheels for that."""
    return [] if sys.version_info[:2] == (3, 11) else _IMAGE_PYTHON


def build_project_wheel(cache: Cache, target: Path, sources: Sequence[str], checkout: Path = CHECKOUT) -> None:
    """Build the project's wheel from some of its source roots, without network, and put it into `target`.

    From a copy: files that change while the build runs, or folders that tools leave in the checkout, stay out.
    """
    ensure_wheels(cache, "build", requirements.build_requires(checkout))
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch)
        for name in sources:
            shutil.copytree(checkout / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(checkout / name, copy / name)
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-cache-dir"]
        run([*pip, "--find-links", str(cache.wheelhouse), "--wheel-dir", str(target), str(copy)])
