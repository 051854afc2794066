"""Text without column names: lines of `user item [weight]`, and lines of `user item item …`."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from recsys_trainer.errors import DataError

MAX_LINE_BYTES = 1 << 26
_NOWHERE = "\x01"
"""A delimiter that no text file has: every line is one column."""
_SHOWN = 60


def read_user_item(stream: Any, uri: str, names: list[str]) -> Any:
    """Table of two or three text columns.

    Args:
        names: user, item and, where the weight is wanted, rating.

    Raises:
        DataError: lines with another number of words.
    """
    words = _words(stream)
    counts = pc.list_value_length(words).to_numpy(zero_copy_only=False)
    _refuse(counts, (counts == 2) | (counts == 3), words, uri, "user item", "user item weight")
    found = [pc.list_element(words, 0), pc.list_element(words, 1)]
    if len(names) > 2:
        padded = pc.list_slice(words, 2, 3, return_fixed_size_list=True)
        found.append(pc.list_flatten(padded) if len(words) else pa.array([], pa.string()))
    return pa.table(dict(zip(names, found, strict=True)))


def read_adjacency(stream: Any, uri: str, names: list[str]) -> Any:
    """Table of two text columns, a row for each item of each line; a line with a user alone has none."""
    words = _words(stream)
    counts = pc.list_value_length(words).to_numpy(zero_copy_only=False).astype(np.int64)
    flat = pc.list_flatten(words)
    is_user = np.zeros(len(flat), dtype=np.bool_)
    starts = np.cumsum(counts) - counts
    is_user[starts] = True
    users = pc.take(flat, pa.array(np.repeat(starts, counts - 1)))
    return pa.table({names[0]: users, names[1]: flat.filter(pa.array(~is_user))})


def _words(stream: Any) -> Any:
    """The words of every line that has some, as an Arrow list array."""
    table = pyarrow.csv.read_csv(
        stream,
        read_options=pyarrow.csv.ReadOptions(column_names=["line"], block_size=MAX_LINE_BYTES),
        parse_options=pyarrow.csv.ParseOptions(delimiter=_NOWHERE, quote_char=False, ignore_empty_lines=True),
        convert_options=pyarrow.csv.ConvertOptions(column_types={"line": pa.string()}),
    )
    lines = pc.ascii_trim_whitespace(table["line"]).combine_chunks()
    lines = lines.filter(pc.not_equal(lines, ""))
    return pc.ascii_split_whitespace(lines)


def _refuse(counts: Any, good: Any, words: Any, uri: str, *shapes: str) -> None:
    wrong = np.flatnonzero(~good)
    if wrong.size:
        line = " ".join(words[int(wrong[0])].as_py())
        shown = line if len(line) <= _SHOWN else line[:_SHOWN] + "…"
        what = (
            f"{wrong.size} of {len(counts)} lines are not {' or '.join(f'`{shape}`' for shape in shapes)}, as {shown!r}"
        )
        raise DataError.at(uri, "", what, "correct them, or check data.source.format")
