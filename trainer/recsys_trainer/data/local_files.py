"""Interactions in folders of this machine: links to folders are followed as links to files are, and none is left out in silence."""

import os
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from recsys_trainer.errors import DataError
from recsys_trainer.store import reading

_OF_THE_DISK = "lost+found"
"""In the root of a volume, for root alone; there are no interactions in it."""


class LocalFiles(LocalFileSystem):  # type: ignore[misc]
    """fsspec's file system, which takes a link in a folder for neither file nor folder and a closed folder for an empty one."""

    def info(self, path: Any, **kwargs: Any) -> dict[str, Any]:
        """Of what a link in a folder leads to.

        Raises:
            DataError: it leads back to a folder that it lies in, so that the files have no end.
        """
        found: dict[str, Any] = super().info(path, **kwargs)
        if isinstance(path, os.DirEntry) and found["islink"] and not path.name.startswith((".", "_")) and path.is_dir():
            _refuse_loop(path.path)
            found["type"] = "directory"
        return found

    def ls(self, path: Any, detail: bool = False, **kwargs: Any) -> list[Any]:
        """What lies in a folder.

        Raises:
            UnreadableError: it may not be looked into.
        """
        if str(path).rstrip("/").endswith(f"/{_OF_THE_DISK}"):
            return []
        with reading(f"file://{path}"):
            found: list[Any] = super().ls(path, detail=detail, **kwargs)
            return found


def _refuse_loop(link: str) -> None:
    target, here = os.path.realpath(link), os.path.realpath(os.path.dirname(link))
    if os.path.commonpath((target, here)) == target:
        raise DataError.at(
            link, "", f"is a link to {target}, which it lies in", "remove it, or name a folder without it"
        )
