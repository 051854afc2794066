"""Writing to a disk that may be full."""

import errno
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import save_file

from recsys_trainer.errors import OutOfMemoryError, is_full_disk


@contextmanager
def full_disk_said(what: str) -> Iterator[None]:
    """Say what to do about a full disk.

    Args:
        what: for which there may be no space, and how much it needs.

    Raises:
        OutOfMemoryError: the disk is full.
    """
    try:
        yield
    except OSError as error:
        if not is_full_disk(error):
            raise
        place = tempfile.gettempdir()
        why = " (no file may become so large: ulimit -f)" if error.errno == errno.EFBIG else ""
        raise OutOfMemoryError(f"{place}: no space left{why} for {what}, or set TMPDIR to a larger disk") from error


def save_arrays(arrays: Mapping[str, npt.NDArray[Any]], path: Path) -> None:
    """Write a safetensors file.

    Raises:
        OSError: as any other writing; the library has an error of its own.
    """
    try:
        save_file(dict(arrays), path)
    except SafetensorError as error:
        if found := re.search(r"os error ([0-9]+)", str(error)):  # of Rust: its number is in the text alone
            raise OSError(int(found[1]), str(error)) from error
        raise
