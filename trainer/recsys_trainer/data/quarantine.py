"""Rows that were set aside, as a file that a person can look at: where each lies, what is wrong with it, what it says."""

import csv
import io
from typing import Any

import numpy as np
import pyarrow as pa

from recsys_trainer.data.interactions import Mask

MOST_ROWS = 10_000
"""Of a source with more bad rows the first are enough to see what is wrong; the counts are of all."""
MOST_CHARACTERS = 300


class Quarantine:
    """The first bad rows of a source, as CSV: file, row (from 1, header and empty lines not counted), problems, values."""

    def __init__(self, place: str = "") -> None:
        """`place`: where the file will lie, for messages; empty where it will not be kept."""
        self.place = place
        self.rows = 0
        self._text = io.StringIO()
        self._writer = csv.writer(self._text, lineterminator="\n")

    def add(self, file: str, before: int, table: Any, found: dict[str, Mask]) -> None:
        """The bad rows of one batch.

        Args:
            before: rows of the file before this batch.
            table: the batch.
            found: the rows that have each problem.
        """
        bad = np.flatnonzero(np.logical_or.reduce(list(found.values()), axis=0))[: MOST_ROWS - self.rows]
        if not len(bad):
            return
        if not self.rows:
            self._writer.writerow(("file", "row", "problems", *table.column_names))
        self.rows += len(bad)
        taken = table.take(bad)
        values = [_values(taken.column(name)) for name in table.column_names]
        for place, at in enumerate(bad.tolist()):
            problems = " ".join(name for name, mask in found.items() if mask[at])
            self._writer.writerow((file, before + at + 1, problems, *(_shown(column[place]) for column in values)))

    def content(self) -> bytes:
        """The file, empty where nothing is wrong."""
        return self._text.getvalue().encode(errors="replace")


def _values(column: Any) -> list[Any]:
    """For a person; Python has no type for some times, such as those with nanoseconds or beyond the year 9999."""
    for kind in (None, pa.string()):
        try:
            return (column if kind is None else column.cast(kind)).to_pylist()  # type: ignore[no-any-return]
        except (ValueError, OverflowError, NotImplementedError):
            continue
    return ["cannot be shown"] * len(column)


def _shown(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
