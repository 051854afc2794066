"""The rating column: numbers of any type, or their text."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recsys_trainer.data.times import MISSING, NUMBER, Wrong
from recsys_trainer.errors import DataError

Ratings = npt.NDArray[np.float32]
_FIX = "name a column of numbers in data.columns.rating"
_WEIGHT_FIX = "write 0 or more, or remove model.leastSquares.confidenceScale, which weighs interactions by this column"


class RatingReader:
    """A column of ratings of one file, batch after batch; what is wrong with the whole file is said at its end."""

    def __init__(self, file: str, name: str, *, weights: bool = False) -> None:
        """`weights`: they say how much an interaction counts, so that none may be negative."""
        self._file, self._name, self._weights = file, name, weights
        self._text = Wrong()
        self._rows = self._negative = 0
        self._first = ""

    def refuse_type(self, kind: Any, rows: int) -> None:
        """Refuse what is no number.

        Raises:
            DataError: with the number of rows of the file.
        """
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        numeric = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
        if not any(is_kind(kind) for is_kind in (*numeric, pa.types.is_string, pa.types.is_large_string)):
            raise DataError.at(self._file, self._name, f"{rows} rows hold {kind} values, which are no numbers", _FIX)

    def read(self, column: Any) -> tuple[Ratings, npt.NDArray[np.bool_]]:
        """(ratings [rows], missing [rows]) of numbers or their text; what is not finite is missing."""
        with np.errstate(over="ignore"):
            values = self._numbers(column).to_numpy(zero_copy_only=False).astype(np.float32)
        missing = ~np.isfinite(values)
        if self._weights:
            self._count_negative(values)
        self._rows += len(values)
        return np.where(missing, np.float32(0), values), missing

    def finish(self) -> None:
        """Refuse text that is no number, and weights below 0.

        Raises:
            DataError: with the number of rows.
        """
        if self._text.count:
            what = f"{self._text.count} rows hold text such as {self._text.first.as_py()!r}"
            raise DataError.at(self._file, self._name, what, _FIX)
        if self._negative:
            what = f"{self._negative} of {self._rows} rows hold a negative weight, the first is {self._first}"
            raise DataError.at(self._file, self._name, what, _WEIGHT_FIX)

    def _count_negative(self, values: Ratings) -> None:
        below = np.flatnonzero(values < 0)
        if len(below) and not self._negative:
            self._first = f"{values[below[0]]:g} in row {self._rows + int(below[0]) + 1}"
        self._negative += len(below)

    def _numbers(self, column: Any) -> Any:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        kind = column.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            column = pc.if_else(pc.is_in(column, value_set=pa.array(MISSING, kind)), None, column)
            number = pc.fill_null(pc.match_substring_regex(column, NUMBER), True)
            self._text.add(column.filter(pc.invert(number)))
            column = pc.utf8_trim_whitespace(pc.if_else(number, column, None))
        return column.cast(pa.float64(), safe=False)
