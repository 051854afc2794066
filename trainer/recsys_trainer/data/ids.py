"""Ids by the column: the rules of `recsys_api.ids` applied to the distinct values, not to every row."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recsys_api.ids import MAX_ID_BYTES, InvalidIdError, canonical_id
from recsys_trainer.errors import DataError

Codes = npt.NDArray[np.int64]
# Printable ASCII without outer space needs no second look; whatever else goes through canonical_id itself.
_PLAIN = r"^[!-~]([ -~]*[!-~])?$"
_DECIMAL = r"^[+-]?[0-9]+\.[0-9]+$"


@dataclass(frozen=True)
class IdColumn:
    """One file's ids: `values[codes[row]]`, code -1 where null, `good[code]` where the value is an id."""

    codes: Codes
    """[rows]"""
    values: Any
    """Arrow string array [distinct]"""
    good: npt.NDArray[np.bool_]
    """[distinct]"""
    empty: npt.NDArray[np.bool_]
    """[distinct]; empty strings are counted apart from other bad ids."""


def id_column(column: Any, file: str, name: str, *, text: bool = False) -> IdColumn:
    """Encode a column of ids.

    Args:
        column: Arrow chunked array of integers or strings.
        file: for the error.
        name: for the error.
        text: the file holds text only (CSV, RecBole), so decimals must be recognized by their look.

    Raises:
        DataError: for a type that cannot be an id, with the number of rows.
    """
    column = _decoded(column)
    _refuse_type(column, file, name)
    distinct, indices = _encoded(column)
    values = _as_text(distinct, file, name)
    if text:
        _refuse_decimals(values, len(column), file, name)
    codes = pc.fill_null(pc.cast(indices, pa.int64()), -1).to_numpy(zero_copy_only=False)
    empty = pc.equal(values, "").to_numpy(zero_copy_only=False)
    return IdColumn(codes, values, _good(values), empty)


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


def _refuse_type(column: Any, file: str, name: str) -> None:
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return
    if pa.types.is_string_view(kind):
        return
    what = f"{len(column)} rows hold {kind} values, which are no ids"
    raise DataError.at(file, name, what, "write the column as integers or strings")


def _as_text(values: Any, file: str, name: str) -> Any:
    try:
        text = pc.cast(values, pa.string())
        text.validate(full=True)
    except pa.ArrowInvalid as error:
        raise DataError.at(file, name, f"not valid UTF-8 text ({error})", "write ids as UTF-8") from error
    return text


def _refuse_decimals(values: Any, rows: int, file: str, name: str) -> None:
    filled = values.filter(pc.not_equal(values, ""))
    if len(filled) and pc.all(pc.match_substring_regex(filled, _DECIMAL)).as_py():
        what = f"{rows} rows hold decimal numbers such as {filled[0].as_py()}"
        raise DataError.at(file, name, what, "write the column as integers or strings")


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


def merged(columns: list[IdColumn]) -> tuple[Any, list[Codes]]:
    """Rows for all files together: (ids sorted bytewise, codes of each file as rows). All codes must be good."""
    used = [pc.take(column.values, pa.array(np.unique(column.codes))) for column in columns]
    distinct = pc.unique(pa.chunked_array(used, pa.string()))
    ids = pc.take(distinct, pc.sort_indices(distinct))
    return ids, [_rows(column, ids) for column in columns]


def _rows(column: IdColumn, ids: Any) -> Codes:
    by_code = pc.fill_null(pc.index_in(column.values, value_set=ids), -1).to_numpy(zero_copy_only=False)
    rows: Codes = by_code.astype(np.int64)[column.codes]
    return rows


def rows_of(ids: list[str], known: list[str]) -> npt.NDArray[np.int32]:
    """For each of `ids` its position in `known`, or -1."""
    found = pc.index_in(pa.array(ids, pa.string()), value_set=pa.array(known, pa.string()))
    rows: npt.NDArray[np.int32] = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int32)
    return rows
