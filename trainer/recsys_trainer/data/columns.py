"""Groups of users and items."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys_trainer.data.interactions import Groups, Rows
from recsys_trainer.errors import DataError

MAX_GROUPS = 100
"""More groups have too few users each to say anything."""


def group_column(column: Any, file: str, name: str) -> Any:
    """The column as text.

    Raises:
        DataError: for a type that names no group.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    simple = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_boolean, pa.types.is_null)
    if not any(each(kind) for each in simple):
        what = f"{len(column)} rows hold {kind} values, which name no group"
        raise DataError.at(file, name, what, "write the column as text or integers")
    text = column.cast(pa.string()).combine_chunks()
    return pc.if_else(pc.equal(text, ""), None, text)


def groups_of(rows: Rows, texts: Any, size: int, uri: str, name: str) -> Groups:
    """The group of each of `size` users or items: its last value, where it has one.

    Args:
        rows: user or item of each interaction, in time order.
        texts: Arrow text of each interaction.

    Raises:
        DataError: too many groups.
    """
    names = pc.unique(texts.drop_null())
    names = pc.take(names, pc.sort_indices(names))
    if len(names) > MAX_GROUPS:
        what = f"{len(names)} groups are more than {MAX_GROUPS}"
        raise DataError.at(uri, name, what, "name a coarser column")
    codes = pc.fill_null(pc.index_in(texts, value_set=names), -1).to_numpy(zero_copy_only=False)
    known = codes >= 0
    of = np.full(size, -1, dtype=np.int32)
    of[rows[known]] = codes[known]  # in time order: the last assignment stays
    return Groups(tuple(names.to_pylist()), of)
