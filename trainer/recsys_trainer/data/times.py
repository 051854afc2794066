"""Timestamps by the column: whole seconds since the epoch."""

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
_LATEST = 10**11
"""Seconds beyond this (year 5138) are milliseconds in truth."""


def timestamp_column(column: Any, file: str, name: str) -> tuple[Seconds, npt.NDArray[np.bool_]]:
    """(seconds [rows], missing [rows]) of a column of numbers, dates, timestamps or their text.

    Raises:
        DataError: for a type that is no time, text that is no time, and numbers that are not seconds.
    """
    column = _numbers(column, file, name)
    missing = pc.is_null(column).to_numpy(zero_copy_only=False)
    values = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
    if values.dtype.kind == "f":
        missing = missing | ~np.isfinite(values)
        values = np.floor(np.where(missing, 0.0, values))
    _refuse_range(np.where(missing, 0, values), file, name)
    return values.astype(np.int64), np.asarray(missing, dtype=np.bool_)


def _numbers(column: Any, file: str, name: str) -> Any:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if pa.types.is_null(kind):
        return column.cast(pa.int64())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return column if kind != pa.float16() else column.cast(pa.float64())
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _since_epoch(column)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _from_text(column, file, name)
    what = f"{len(column)} rows hold {kind} values, which are no time"
    raise DataError.at(file, name, what, "use seconds since the epoch or a timestamp type")


def _since_epoch(column: Any) -> Any:
    whole = column.cast(pa.timestamp("s", getattr(column.type, "tz", None)), safe=False)
    return whole.cast(pa.int64())


def _from_text(column: Any, file: str, name: str) -> Any:
    column = pc.if_else(pc.is_in(column, value_set=pa.array(MISSING, column.type)), None, column)
    number = pc.fill_null(pc.match_substring_regex(column, NUMBER), True)
    if pc.all(number, min_count=0).as_py():
        return pc.cast(pc.utf8_trim_whitespace(column), pa.float64())
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        with suppress(pa.ArrowInvalid):
            return _since_epoch(pc.cast(column, kind))
    wrong = column.filter(pc.invert(number))
    what = f"{len(wrong)} rows hold text such as {wrong[0].as_py()!r}"
    raise DataError.at(file, name, what, "use seconds since the epoch or a timestamp type")


def _refuse_range(values: npt.NDArray[Any], file: str, name: str) -> None:
    wrong = np.flatnonzero(np.abs(values.astype(np.float64)) > _LATEST)
    if wrong.size:
        what = f"{wrong.size} rows hold times such as {values[wrong[0]]}, which are not seconds since the epoch"
        raise DataError.at(file, name, what, "divide milliseconds by 1000, or use a timestamp type")
