"""How much of the interactions is in memory at once, and arrays that lie on disk where they are larger than that."""

import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys_trainer.disk import full_disk_said


@dataclass(frozen=True)
class Budget:
    """Sizes of what is held at once. They change what preparing costs, never what it finds."""

    batch_rows: int = 1 << 20
    """Rows that are read, checked and encoded together."""
    block_bytes: int = 1 << 26
    """Text that is parsed together; no line may be longer."""
    sort_rows: int = 1 << 23
    """Rows that are sorted together, with their keys and the order of these."""
    values: int = 1 << 23
    """Ids that are looked up together, repeats included."""
    array_bytes: int = 1 << 26
    """Larger arrays lie in a file without a name below $TMPDIR, which the kernel writes out as it needs memory."""


BUDGET = Budget()
SORTED = "the interactions that are being sorted; give it some 60 bytes for each"


def new_array(length: int, dtype: npt.DTypeLike, budget: Budget) -> npt.NDArray[Any]:
    """An array with any content, in memory or in a file that goes when the array goes.

    Raises:
        OutOfMemoryError: the disk is full.
    """
    size = length * np.dtype(dtype).itemsize
    return np.empty(length, dtype) if size <= budget.array_bytes else array_on_disk(length, dtype)


def array_on_disk(length: int, dtype: npt.DTypeLike, what: str = SORTED) -> npt.NDArray[Any]:
    """An array with any content in a file without a name, which goes when the array goes.

    Args:
        what: as for `temporary_file`.

    Raises:
        OutOfMemoryError: the disk is full.
    """
    if not length:
        return np.empty(0, dtype)
    with temporary_file(what) as file:
        size = length * np.dtype(dtype).itemsize
        os.posix_fallocate(file.fileno(), 0, size)  # a full disk must be an error here, not a SIGBUS at some later line
        return mapped(file, dtype)


def mapped(file: Any, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """The content of a file as a writable array, which keeps it after it was closed."""
    if not os.fstat(file.fileno()).st_size:
        return np.empty(0, dtype)
    return np.frombuffer(mmap.mmap(file.fileno(), 0), dtype)


@contextmanager
def temporary_file(what: str = SORTED) -> Iterator[Any]:
    """A file without a name.

    Args:
        what: for which there may be no space, and how much it needs.

    Raises:
        OutOfMemoryError: the disk is full.
    """
    with full_disk_said(what), tempfile.TemporaryFile(prefix="recsys-") as file:
        yield file


def slices(length: int, step: int) -> Iterator[slice]:
    """0..length in pieces of at most `step`."""
    return (slice(start, min(start + step, length)) for start in range(0, length, step))


def count_values(
    rows: npt.NDArray[np.integer], size: int, budget: Budget, wanted: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.int64]:
    """How often each of 0..size-1 occurs, of the wanted rows or of all, int64 [size]."""
    counts = np.zeros(size, dtype=np.int64)
    for piece in slices(len(rows), max(budget.batch_rows, size)):
        counts += np.bincount(rows[piece] if wanted is None else rows[piece][wanted[piece]], minlength=size)
    return counts


def chosen(values: npt.NDArray[Any], keep: npt.NDArray[np.bool_], budget: Budget) -> npt.NDArray[Any]:
    """`values[keep]`."""
    result = new_array(int(np.count_nonzero(keep)), values.dtype, budget)
    at = 0
    for piece in slices(len(values), budget.batch_rows):
        found = values[piece][keep[piece]]
        result[at : at + len(found)] = found
        at += len(found)
    return result


def grouped_rows(
    owner: npt.NDArray[np.int32], size: int, budget: Budget
) -> Iterator[tuple[slice, npt.NDArray[np.intp]]]:
    """Ranges of owners 0..size-1, and the positions that are theirs, ascending: at most `sort_rows`, or one owner's.

    Every range looks through all positions: that costs less than to sort them, and it needs no second copy on disk.
    """
    ends = np.cumsum(count_values(owner, size, budget))
    start = 0
    while start < size:
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + budget.sort_rows, side="right")))
        yield slice(start, stop), _positions(owner, start, stop, budget)
        start = stop


def _positions(owner: npt.NDArray[np.int32], start: int, stop: int, budget: Budget) -> npt.NDArray[np.intp]:
    found = [
        np.flatnonzero((owner[piece] >= start) & (owner[piece] < stop)) + piece.start
        for piece in slices(len(owner), budget.batch_rows)
    ]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.intp)
