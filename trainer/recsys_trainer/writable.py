"""Folders that a person names for results, looked at before anything is computed."""

import tempfile
from pathlib import Path

from recsys_trainer.errors import ManifestError
from recsys_trainer.store import storing


def refuse_unwritable(option: str, folder: Path) -> None:
    """Refuse a folder in which nothing can be written; it, and folders above it, may still be missing.

    Raises:
        ManifestError: it is a file or a link to nothing, or below one.
        UnreadableError: it is read-only, or somebody else's.
        OutOfMemoryError: its disk is full.
    """
    with storing(f"{option} {folder}"):
        there = next(each for each in (folder, *folder.absolute().parents) if each.exists() or each.is_symlink())
        if not there.is_dir():
            what = "is a file" if there.exists() else "is a link to what is not there"
            below = what if there == folder else f"{there} {what}"
            raise ManifestError(f"{option} {folder}: {below}; name a folder")
        tempfile.TemporaryFile(dir=there).close()
