"""Groups of users and items, and text of columns."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from recsys_trainer.errors import DataError

MAX_GROUPS = 100
"""More groups have too few users each to say anything."""

_WORDS = "(?s)^ *([^ ]*).*$"


class GroupReader:
    """A column that names the group of each row's user or item."""

    def __init__(self, file: str, name: str, *, first_word: bool = False) -> None:
        """`first_word`: of values of several words the first is the group."""
        self._file, self._name, self._first_word = file, name, first_word

    def refuse_type(self, kind: Any, rows: int) -> None:
        """Refuse a type that names no group.

        Raises:
            DataError: with the number of rows of the file.
        """
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        text = (pa.types.is_string, pa.types.is_large_string)
        if not any(is_kind(kind) for is_kind in (*text, pa.types.is_integer, pa.types.is_boolean, pa.types.is_null)):
            what = f"{rows} rows hold {kind} values, which name no group"
            raise DataError.at(self._file, self._name, what, "write the column as text or integers")

    def read(self, column: Any) -> Any:
        """The column of one batch as an Arrow dictionary array of text, null where it is empty.

        Raises:
            DataError: for bytes that are no text.
        """
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        text = as_text(column, self._file, self._name, "groups").combine_chunks()
        if self._first_word:
            text = pc.replace_substring_regex(text, _WORDS, r"\1")
        return pc.dictionary_encode(pc.if_else(pc.equal(text, ""), None, text))

    def finish(self) -> None:
        """Nothing is wrong with a whole file."""


def as_text(values: Any, file: str, name: str, what: str) -> Any:
    """An Arrow array as text.

    Raises:
        DataError: for bytes that are no text.
    """
    try:
        text = pc.cast(values, pa.string())
        text.validate(full=True)
    except pa.ArrowInvalid as error:
        raise DataError.at(file, name, f"not valid UTF-8 text ({error})", f"write {what} as UTF-8") from error
    return text


def refuse_many_groups(groups: int, uri: str, name: str) -> None:
    """Refuse a column that is too fine.

    Raises:
        DataError: with the number of groups.
    """
    if groups > MAX_GROUPS:
        what = f"{groups} groups are more than {MAX_GROUPS}"
        raise DataError.at(uri, name, what, "name a coarser column")
