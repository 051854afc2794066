"""The rating column: numbers of any type, or their text."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recsys_trainer.data.times import MISSING, NUMBER
from recsys_trainer.errors import DataError

Ratings = npt.NDArray[np.float32]
_FIX = "name a column of numbers in data.columns.rating"


def rating_column(column: Any, file: str, name: str) -> tuple[Ratings, npt.NDArray[np.bool_]]:
    """(ratings [rows], missing [rows]) of a column of numbers or their text; what is not finite is missing.

    Raises:
        DataError: for a type that is no number, and for text that is no number.
    """
    with np.errstate(over="ignore"):
        values = _numbers(column, file, name).to_numpy(zero_copy_only=False).astype(np.float32)
    missing = ~np.isfinite(values)
    return np.where(missing, np.float32(0), values), missing


def _numbers(column: Any, file: str, name: str) -> Any:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column = pc.if_else(pc.is_in(column, value_set=pa.array(MISSING, kind)), None, column)
        wrong = column.filter(pc.invert(pc.fill_null(pc.match_substring_regex(column, NUMBER), True)))
        if len(wrong):
            raise DataError.at(file, name, f"{len(wrong)} rows hold text such as {wrong[0].as_py()!r}", _FIX)
        return pc.cast(pc.utf8_trim_whitespace(column), pa.float64())
    numeric = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
    if not any(is_kind(kind) for is_kind in numeric):
        raise DataError.at(file, name, f"{len(column)} rows hold {kind} values, which are no numbers", _FIX)
    return column.cast(pa.float64(), safe=False)
