"""Content keys: the same inputs give the same name, on every machine and in every checkout."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

_SKIPPED_FOLDERS = frozenset({"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"})


def content_key(*parts: str | bytes) -> str:
    """First 12 hex digits of a sha256 over the parts and their lengths, so that no two lists join to the same."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(f"{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()[:12]


def source_files(root: Path) -> list[Path]:
    """Regular files below a folder, or the file itself, in a stable order, without what tools leave behind."""
    if root.is_file():
        return [root]
    return sorted(
        path
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and not _SKIPPED_FOLDERS & set(path.relative_to(root).parts)
    )


def tree_key(roots: Iterable[Path], base: Path) -> str:
    """Key of file names (relative to `base`), their execute bit and their content."""
    parts: list[str | bytes] = []
    for root in roots:
        for path in source_files(root):
            parts += [str(path.relative_to(base)), str(path.stat().st_mode & 0o100), path.read_bytes()]
    return content_key(*parts)
