"""Interactions on their way from files to time order: appended batch by batch, sorted in runs, merged by ranges.

The sort is external: a run is what one batch holds, sorted where it lies. Ranges of keys, chosen from a sample so that
every range fits the budget, are then cut out of all runs, put together and sorted: in order, without a second copy.
Equal keys stay in the order in which they were read. (Shi and Schaeffer 1992, Parallel sorting by regular sampling.)
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys_trainer.data.budget import SORTED, Budget, mapped, temporary_file
from recsys_trainer.data.sorting import stable_order
from recsys_trainer.disk import full_disk_said

Columns = dict[str, npt.NDArray[Any]]
KEYS = ("timestamp", "user", "item")
_SAMPLES = 64
"""Keys looked at for each range."""


class Spool:
    """Columns of equal length on disk. To be entered before it is used."""

    def __init__(self, kinds: dict[str, npt.DTypeLike]) -> None:
        self.kinds = kinds
        self._stack = ExitStack()
        self._runs: list[slice] = []
        self.rows = 0

    def __enter__(self) -> "Spool":
        self._files = {name: self._stack.enter_context(temporary_file()) for name in self.kinds}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    def append(self, columns: Columns) -> None:
        """One batch.

        Raises:
            OutOfMemoryError: the disk is full.
        """
        length = len(columns["user"])
        with full_disk_said(SORTED):
            for name, kind in self.kinds.items():
                self._files[name].write(np.ascontiguousarray(columns[name], dtype=kind).data)
        self._runs.append(slice(self.rows, self.rows + length))
        self.rows += length

    def sort_runs(self, change: Callable[[Columns], None]) -> "Runs":
        """Every batch changed in place and sorted by KEYS, stably."""
        with full_disk_said(SORTED):
            for file in self._files.values():
                file.flush()
        columns = {name: mapped(file, self.kinds[name]) for name, file in self._files.items()}
        for run in self._runs:
            found = {name: values[run] for name, values in columns.items()}
            change(found)
            order = _order(found)
            for values in found.values():
                values[:] = values[order]
        return Runs(columns, [run for run in self._runs if run.stop > run.start])


class Runs:
    """Sorted runs."""

    def __init__(self, columns: Columns, runs: list[slice]) -> None:
        self._columns = columns
        self._runs = [{name: values[run] for name, values in columns.items()} for run in runs]

    def merged(self, budget: Budget) -> Iterator[Columns]:
        """All rows by KEYS, ties as they were read, in pieces of some `sort_rows`; more only where more rows are equal."""
        starts = [0] * len(self._runs)
        for key in (*self._splitters(budget), None):
            ends = [_length(run) if key is None else _below(run, key) for run in self._runs]
            piece = self._cut(starts, ends)
            if _length(piece):
                order = _order(piece)
                yield {name: values[order] for name, values in piece.items()}
            starts = ends

    def _cut(self, starts: list[int], ends: list[int]) -> Columns:
        bounds = list(zip(self._runs, starts, ends, strict=True))
        return {name: np.concatenate([run[name][start:end] for run, start, end in bounds]) for name in self._runs[0]}

    def _splitters(self, budget: Budget) -> list[tuple[int, ...]]:
        """The keys at which the ranges begin, but that of the first."""
        length = _length(self._columns)
        ranges = -(-length // budget.sort_rows)
        if ranges <= 1:
            return []
        step = max(1, length // (ranges * _SAMPLES))
        sample = {name: self._columns[name][::step] for name in KEYS}
        order = _order(sample)
        at = order[len(order) * np.arange(1, ranges) // ranges]
        return list(zip(*(sample[name][at].tolist() for name in KEYS), strict=True))


def _length(columns: Columns) -> int:
    return len(columns["user"])


def _order(columns: Columns) -> npt.NDArray[np.intp]:
    return stable_order(*(columns[name] for name in KEYS))


def _below(run: Columns, key: tuple[int, ...]) -> int:
    """How many rows of a sorted run come before `key`."""
    low, high = 0, _length(run)
    for name, wanted in zip(KEYS, key, strict=True):
        same = run[name][low:high]
        value = same.dtype.type(wanted)  # another type would make numpy copy the whole run
        low, high = low + int(np.searchsorted(same, value, "left")), low + int(np.searchsorted(same, value, "right"))
    return low
