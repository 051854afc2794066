"""Folders in which something is made beside its place; those of processes that were killed can be told and removed."""

import fcntl
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NAME = re.compile(r"\..+\.[0-9a-f]{32}")
_YOUNG_SECONDS = 60.0
"""A younger one may be about to be locked."""


@contextmanager
def draft_in(parent: Path, name: str) -> Iterator[Path]:
    """A folder of one's own, gone afterwards. `parent` is made where it is missing."""
    folder = parent / f".{name}.{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks: whoever sweeps gets none either, and leaves it
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield folder
    finally:
        os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(parent: Path) -> None:
    """Remove the drafts whose process is gone."""
    for each in parent.iterdir():
        if _NAME.fullmatch(each.name) and _abandoned(each):
            shutil.rmtree(each, ignore_errors=True)


def _abandoned(folder: Path) -> bool:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return time.time() - os.fstat(descriptor).st_mtime > _YOUNG_SECONDS
        finally:
            os.close(descriptor)
    except OSError:
        return False
