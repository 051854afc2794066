"""Where a snapshot came from, as a digest: equal origins give equal snapshots, so that a source need not be read twice."""

import hashlib
import json
from typing import Any

from recsys_api.spec.data import Columns, Data, DataSource
from recsys_trainer.data.readers import find_groups
from recsys_trainer.store import reading

_RULES = 3
"""Raised whenever preparing finds something else in the same files."""
_CONTENT = ("ETag", "etag", "md5Hash", "generation", "VersionId")
"""What a store says of a file's content."""
_TIMES = ("mtime", "created", "ino")
"""What a file system says instead."""


def observe_origin(data: Data, *, weights: bool = False) -> str:
    """Digest of the data settings and of path, size and ETag (or times, on a file system) of every file that is read, a
    RecBole `.user` or `.item` file where it says the groups; "" where a store says neither.

    Args:
        weights: as for `prepare_interactions`, which finds less to refuse without.

    Raises:
        UnreadableError: the source cannot be listed.
        DataError: it has no files, or a group column is nowhere.
    """
    files: list[Any] = []
    for _, uri in places(data):
        source = data.source.model_copy(update={"uri": uri})
        for fs, path in _read_files(source, data.columns):
            with reading(path):
                info = fs.info(path)
            known = _identity(info)
            if not known:
                return ""
            files.append([uri, path, info["size"], known])
    told = {
        "rules": _RULES,
        "data": data.to_dict(),
        "files": files,
        **({"weights": True} if weights else {}),
    }
    return "sha256:" + hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _read_files(source: DataSource, columns: Columns) -> list[tuple[Any, str]]:
    """(filesystem, path) of the interactions, then of the attribute files that say their groups, each by name."""
    found = list(find_groups(source, columns))
    beside = {file.path: file.fs for _, _, _, groups in found for file in groups.beside.values()}
    return [*((fs, path) for fs, path, _, _ in found), *((beside[path], path) for path in sorted(beside))]


def places(data: Data) -> list[tuple[str, str]]:
    """(field, URI) of what preparing reads."""
    if (given := data.split.predefined) is None:
        return [("spec.data.source.uri", data.source.uri)]
    return [(f"spec.data.split.predefined.{part}", str(uri)) for part, uri in given]


def _identity(info: dict[str, Any]) -> dict[str, str]:
    content = {name: str(info[name]) for name in _CONTENT if info.get(name)}
    if content:
        return content
    times = {name: str(info[name]) for name in _TIMES if info.get(name)}
    return times if "mtime" in times else {}
