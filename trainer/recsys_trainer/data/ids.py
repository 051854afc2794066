"""Ids by the batch: the rules of `recsys_api.ids` applied to the distinct values, not to every row."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recsys_api.ids import MAX_ID_BYTES, InvalidIdError, canonical_id
from recsys_trainer.data.columns import as_text
from recsys_trainer.data.idlist import Ids
from recsys_trainer.errors import DataError

Codes = npt.NDArray[np.int64]
# Printable ASCII without outer space needs no second look; whatever else goes through canonical_id itself.
_PLAIN = r"^[!-~]([ -~]*[!-~])?$"
_NUMBER = r"^([+-]?[0-9]+(\.[0-9]+)?([eE][+-][0-9]+)?|(?i:nan))$"
_DECIMAL = r"^[+-]?[0-9]+(\.[0-9]+([eE][+-][0-9]+)?|[eE][+-][0-9]+)$"
_FIX = "write the column as integers or strings; in pandas: astype('Int64')"


@dataclass(frozen=True)
class IdColumn:
    """One batch's ids: `values[codes[row]]`, code -1 where null, `good[code]` where the value is an id."""

    codes: Codes
    """[rows]"""
    values: Any
    """Arrow string array [distinct]"""
    good: npt.NDArray[np.bool_]
    """[distinct]"""
    empty: npt.NDArray[np.bool_]
    """[distinct]; empty strings are counted apart from other bad ids."""


class IdReader:
    """A column of ids of one file, batch after batch; what is wrong with the whole file is said at its end."""

    def __init__(self, file: str, name: str, *, text: bool = False) -> None:
        """`text`: the file holds text only (CSV, RecBole), so decimals must be recognized by their look."""
        self._file, self._name, self._text = file, name, text
        self._decimals = 0
        self._decimal: str | None = None
        self._other = False

    def refuse_type(self, kind: Any, rows: int) -> None:
        """Refuse what cannot be an id.

        Raises:
            DataError: with the number of rows of the file.
        """
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        known = (pa.types.is_integer, pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
        if not any(is_kind(kind) for is_kind in (*known, pa.types.is_null)):
            what = f"{rows} rows hold {kind} values, which are no ids"
            raise DataError.at(self._file, self._name, what, _FIX)

    def read(self, column: Any) -> IdColumn:
        """Encode the Arrow chunked array of one batch.

        Raises:
            DataError: for bytes that are no text.
        """
        distinct, indices = _encoded(_decoded(column))
        values = as_text(distinct, self._file, self._name, "ids")
        codes = pc.fill_null(pc.cast(indices, pa.int64()), -1).to_numpy(zero_copy_only=False)
        if self._text and not self._other:
            self._look_for_decimals(codes, values)
        empty = pc.equal(values, "").to_numpy(zero_copy_only=False)
        return IdColumn(codes, values, _good(values), empty)

    def finish(self) -> None:
        """Refuse a file whose ids are all numbers and some of them decimals: 1 and 1.0 would be two ids.

        Raises:
            DataError: with the number of rows.
        """
        if self._decimal is not None and not self._other:
            what = f"{self._decimals} rows hold decimal numbers such as {self._decimal}"
            raise DataError.at(self._file, self._name, what, _FIX)

    def _look_for_decimals(self, codes: Codes, values: Any) -> None:
        self._other = not pc.all(
            pc.or_(pc.equal(values, ""), pc.match_substring_regex(values, _NUMBER)), min_count=0
        ).as_py()
        decimal = pc.match_substring_regex(values, _DECIMAL).to_numpy(zero_copy_only=False)
        if not self._other and decimal.any():
            self._decimal = self._decimal or values[int(decimal.argmax())].as_py()
            self._decimals += int(decimal[codes[codes >= 0]].sum())


def used(column: IdColumn, keep: npt.NDArray[np.bool_]) -> tuple[Any, npt.NDArray[np.int32]]:
    """(the values that the rows of `keep` have, the codes of these rows in them). All of these must be good."""
    codes = column.codes[keep]
    present = np.bincount(codes, minlength=len(column.values)) > 0
    return column.values.filter(pa.array(present)), (np.cumsum(present) - 1).astype(np.int32)[codes]


def _decoded(column: Any) -> Any:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.string()) if pa.types.is_null(column.type) else column


def _encoded(column: Any) -> tuple[Any, Any]:
    """(distinct values, index of each row); the strings themselves are never copied into one buffer."""
    chunks = pc.dictionary_encode(column).unify_dictionaries().chunks
    if not chunks:
        return pa.array([], column.type), pa.array([], pa.int64())
    return chunks[0].dictionary, pa.concat_arrays([chunk.indices for chunk in chunks])


def _good(values: Any) -> npt.NDArray[np.bool_]:
    plain = pc.and_(
        pc.match_substring_regex(values, _PLAIN), pc.less_equal(pc.binary_length(values), MAX_ID_BYTES)
    ).to_numpy(zero_copy_only=False)
    good: npt.NDArray[np.bool_] = np.array(plain, dtype=np.bool_)
    for at in np.flatnonzero(~good):
        good[at] = _is_id(values[int(at)].as_py())
    return good


def _is_id(text: str) -> bool:
    try:
        return canonical_id(text) == text
    except InvalidIdError:
        return False


def rows_of(ids: Ids, known: Ids) -> npt.NDArray[np.int32]:
    """For each of `ids` its position in `known`, or -1."""
    found = pc.index_in(ids.texts, value_set=known.texts)
    rows: npt.NDArray[np.int32] = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    return rows
