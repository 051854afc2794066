"""Text without column names: lines of `user item [weight]`, and lines of `user item item …`."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from recsys_trainer.data.times import Wrong
from recsys_trainer.errors import DataError

_NOWHERE = "\x01"
"""A delimiter that no text file has: every line is one column."""
_SHOWN = 60


def read_user_item(stream: Any, uri: str, names: list[str], block_bytes: int) -> Iterator[Any]:
    """Tables of two or three text columns.

    Args:
        names: user, item and, where the weight is wanted, rating.

    Raises:
        DataError: lines with another number of words, when all were read.
    """
    lines, wrong = 0, Wrong()
    for words in _words(stream, block_bytes):
        counts = pc.list_value_length(words).to_numpy(zero_copy_only=False)
        lines += len(counts)
        wrong.add(words.filter(pa.array((counts != 2) & (counts != 3))))
        if not wrong.count:
            yield _user_item(words, names)
    _refuse(wrong, lines, uri, "user item", "user item weight")


def _user_item(words: Any, names: list[str]) -> Any:
    found = [pc.list_element(words, 0), pc.list_element(words, 1)]
    if len(names) > 2:
        padded = pc.list_slice(words, 2, 3, return_fixed_size_list=True)
        found.append(pc.list_flatten(padded) if len(words) else pa.array([], pa.string()))
    return pa.table(dict(zip(names, found, strict=True)))


def read_adjacency(stream: Any, names: list[str], block_bytes: int) -> Iterator[Any]:
    """Tables of two text columns, a row for each item of each line; a line with a user alone has none."""
    for words in _words(stream, block_bytes):
        counts = pc.list_value_length(words).to_numpy(zero_copy_only=False).astype(np.int64)
        flat = pc.list_flatten(words)
        is_user = np.zeros(len(flat), dtype=np.bool_)
        starts = np.cumsum(counts) - counts
        is_user[starts] = True
        users = pc.take(flat, pa.array(np.repeat(starts, counts - 1)))
        yield pa.table({names[0]: users, names[1]: flat.filter(pa.array(~is_user))})


def _words(stream: Any, block_bytes: int) -> Iterator[Any]:
    """The words of every line that has some, as Arrow list arrays."""
    batches = pyarrow.csv.open_csv(
        stream,
        read_options=pyarrow.csv.ReadOptions(column_names=["line"], block_size=block_bytes),
        parse_options=pyarrow.csv.ParseOptions(delimiter=_NOWHERE, quote_char=False, ignore_empty_lines=True),
        convert_options=pyarrow.csv.ConvertOptions(column_types={"line": pa.string()}),
    )
    for batch in batches:
        lines = pc.ascii_trim_whitespace(batch.column(0))
        lines = lines.filter(pc.not_equal(lines, ""))
        yield pc.ascii_split_whitespace(lines)


def _refuse(wrong: Wrong, lines: int, uri: str, *shapes: str) -> None:
    if wrong.count:
        line = " ".join(wrong.first.as_py())
        shown = line if len(line) <= _SHOWN else line[:_SHOWN] + "…"
        what = f"{wrong.count} of {lines} lines are not {' or '.join(f'`{shape}`' for shape in shapes)}, as {shown!r}"
        raise DataError.at(uri, "", what, "correct them, or check data.source.format")
