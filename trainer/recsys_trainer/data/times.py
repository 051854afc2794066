"""Timestamps by the batch: whole seconds since the epoch."""

from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recsys_trainer.errors import DataError

Seconds = npt.NDArray[np.int64]
NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
_FRACTION = r"(:[0-9]{2}:[0-9]{2})\.[0-9]+"
"""Of a second in text: Arrow reads as many digits as its unit has, and Go, Spark and pandas write nine."""
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FIX = "use seconds since the epoch or a timestamp type"
_LATEST = 10**11
"""Seconds beyond this (year 5138) are milliseconds in truth."""


class TimeReader:
    """A column of times of one file, batch after batch; what is wrong with the whole file is said at its end."""

    def __init__(self, file: str, name: str) -> None:
        self._file, self._name = file, name
        self._looks: set[str] = set()
        self._text = Wrong()
        self._late = Wrong()

    def refuse_type(self, kind: Any, rows: int) -> None:
        """Refuse what is no time.

        Raises:
            DataError: with the number of rows of the file.
        """
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        numbers = (pa.types.is_null, pa.types.is_integer, pa.types.is_floating, pa.types.is_timestamp, pa.types.is_date)
        if not any(is_kind(kind) for is_kind in (*numbers, pa.types.is_string, pa.types.is_large_string)):
            raise DataError.at(self._file, self._name, f"{rows} rows hold {kind} values, which are no time", _FIX)

    def read(self, column: Any) -> tuple[Seconds, npt.NDArray[np.bool_]]:
        """(seconds [rows], missing [rows]) of numbers, dates, timestamps or their text."""
        column = self._numbers(column)
        missing = pc.is_null(column).to_numpy(zero_copy_only=False)
        values = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
        if values.dtype.kind == "f":
            missing = missing | ~np.isfinite(values)
            values = np.floor(np.where(missing, 0.0, values))
        values = np.where(missing, 0, values)
        late = np.abs(values.astype(np.float64)) > _LATEST
        self._late.add(values[late])
        return np.where(late, 0, values).astype(np.int64), np.asarray(missing, dtype=np.bool_)

    def finish(self) -> None:
        """Refuse text that is no time, or not in one way, and numbers that are not seconds.

        Raises:
            DataError: with the number of rows.
        """
        if "other" in self._looks or len(self._looks) > 1:
            what = f"{self._text.count} rows hold text such as {self._text.first.as_py()!r}"
            raise DataError.at(self._file, self._name, what, _FIX)
        if self._late.count:
            what = (
                f"{self._late.count} rows hold times such as {self._late.first}, which are not seconds since the epoch"
            )
            raise DataError.at(self._file, self._name, what, "divide milliseconds by 1000, or use a timestamp type")

    def _numbers(self, column: Any) -> Any:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        kind = column.type
        if pa.types.is_null(kind):
            return column.cast(pa.int64())
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            return column if kind != pa.float16() else column.cast(pa.float64())
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            return _since_epoch(column)
        return self._from_text(column)

    def _from_text(self, column: Any) -> Any:
        """Numbers, or times without zones, or times with zones; a file must be of one kind throughout."""
        column = pc.if_else(pc.is_in(column, value_set=pa.array(MISSING, column.type)), None, column)
        number = pc.fill_null(pc.match_substring_regex(column, NUMBER), True)
        self._text.add(column.filter(pc.invert(number)))
        if pc.all(number, min_count=0).as_py():
            if column.null_count < len(column):
                self._looks.add("number")
            return pc.cast(pc.utf8_trim_whitespace(column), pa.float64())
        whole = pc.replace_substring_regex(column, _FRACTION, r"\1")  # what is cut is never negative: the second before
        for kind in (pa.timestamp("s"), pa.timestamp("s", "UTC")):
            with suppress(pa.ArrowInvalid):
                seconds = _since_epoch(pc.cast(whole, kind))
                self._looks.add(str(kind))
                return seconds
        self._looks.add("other")
        return pa.nulls(len(column), pa.int64())


class Wrong:
    """How many values are wrong, and the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self.first: Any = None

    def add(self, values: Any) -> None:
        """Wrong values, an array in the order of the file."""
        if len(values) and not self.count:
            self.first = values[0]
        self.count += len(values)


def _since_epoch(column: Any) -> Any:
    """The second in which a time lies, before 1970 too."""
    if pa.types.is_date(column.type):
        return column.cast(pa.timestamp("s")).cast(pa.int64())
    units, each = column.cast(pa.int64()), _PER_SECOND[column.type.unit]
    towards_zero = pc.divide(units, each)
    return pc.subtract(towards_zero, pc.less(units, pc.multiply(towards_zero, each)).cast(pa.int64()))
