"""What must hold of interactions before a GPU is asked for, and what is set aside."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_UP, Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys_api.recommender_model import Columns, Data, DataValidation
from recsys_trainer.data.ids import IdColumn, id_column, merged
from recsys_trainer.data.ratings import Ratings, rating_column
from recsys_trainer.data.readers import SourceFile, read_source
from recsys_trainer.data.times import Seconds, timestamp_column
from recsys_trainer.errors import DataError

Rows = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Interactions:
    """Distinct (user, item) pairs in time order."""

    users: list[str]
    """Ids by row, sorted bytewise."""
    items: list[str]
    user_I: Rows
    item_I: Rows
    timestamp_I: Seconds
    """Seconds since the epoch, ascending; all 0 without a timestamp column."""
    rating_I: Ratings | None = None
    """Where they were asked for."""
    quarantined: int = 0
    duplicates: int = 0
    problems: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.user_I)


@dataclass(frozen=True)
class _FilePart:
    """The good rows of one file."""

    user: IdColumn
    item: IdColumn
    timestamp: Seconds
    rating: Ratings
    rows: int
    problems: Counter[str]


def load_interactions(data: Data, *, ratings: bool = False) -> Interactions:
    """Read, check and order the interactions of a manifest's `spec.data`.

    Args:
        ratings: whether the rating column must hold a number in every row.

    Raises:
        UnreadableError: the source cannot be read.
        DataError: the data is not what the manifest says; the message has file, column, counts and fix.
    """
    rated = data.columns.rating if ratings else None
    parts = [_good_rows(file, data.columns, rated) for file in read_source(data.source, data.columns)]
    problems = sum((part.problems for part in parts), Counter[str]())
    rows = sum(part.rows for part in parts)
    quarantined = rows - sum(len(part.timestamp) for part in parts)
    _refuse_quarantine(quarantined, rows, problems, data)
    users, user_rows = merged([part.user for part in parts])
    items, item_rows = merged([part.item for part in parts])
    user, item, timestamp, rating = _in_time_order(
        np.concatenate(user_rows), np.concatenate(item_rows),
        np.concatenate([part.timestamp for part in parts]), np.concatenate([part.rating for part in parts]),
    )  # fmt: skip
    keep = _last_of_pairs(user, item, data.validation, data.source.uri)
    _refuse_too_few(len(keep), data)
    return Interactions(
        users.to_pylist(), items.to_pylist(), user[keep].astype(np.int32), item[keep].astype(np.int32),
        timestamp[keep], rating[keep] if ratings else None,
        quarantined, len(user) - len(keep), dict(sorted(problems.items())),
    )  # fmt: skip


def _good_rows(file: SourceFile, columns: Columns, rated: str | None) -> _FilePart:
    rows = file.table.num_rows
    user = id_column(file.table[columns.user], file.uri, columns.user, text=file.text)
    item = id_column(file.table[columns.item], file.uri, columns.item, text=file.text)
    seconds, missing = _times(file, columns.timestamp)
    rating, unrated = _ratings(file, rated)
    found = {**_id_problems(user, "User"), **_id_problems(item, "Item")}
    found |= {"nullTimestamp": missing, "nullRating": unrated}
    keep = ~_any(found.values(), rows)
    problems = Counter({name: int(mask.sum()) for name, mask in found.items() if mask.any()})
    return _FilePart(_kept(user, keep), _kept(item, keep), seconds[keep], rating[keep], rows, problems)


def _ratings(file: SourceFile, name: str | None) -> tuple[Ratings, Mask]:
    rows = file.table.num_rows
    if name is None:
        return np.zeros(rows, dtype=np.float32), np.zeros(rows, dtype=np.bool_)
    return rating_column(file.table[name], file.uri, name)


def _times(file: SourceFile, name: str | None) -> tuple[Seconds, Mask]:
    rows = file.table.num_rows
    if name is None:
        return np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.bool_)
    return timestamp_column(file.table[name], file.uri, name)


def _id_problems(column: IdColumn, kind: str) -> dict[str, Mask]:
    null = column.codes < 0
    good, empty = (_by_row(flags, column.codes) for flags in (column.good, column.empty))
    return {f"null{kind}": null, f"empty{kind}": ~null & empty, f"invalid{kind}": ~null & ~good & ~empty}


def _by_row(flags: Mask, codes: npt.NDArray[np.int64]) -> Mask:
    return np.append(flags, False)[codes]  # code -1 takes the appended one


def _any(masks: Iterable[Mask], rows: int) -> Mask:
    result = np.zeros(rows, dtype=np.bool_)
    for mask in masks:
        result |= mask
    return result


def _kept(column: IdColumn, keep: Mask) -> IdColumn:
    return IdColumn(column.codes[keep], column.values, column.good, column.empty)


def _refuse_quarantine(quarantined: int, rows: int, problems: Counter[str], data: Data) -> None:
    if rows == 0:
        raise DataError.at(data.source.uri, "", "there are no rows", "write interactions into it")
    limit = Decimal(data.validation.max_null_fraction)
    if Decimal(quarantined) <= limit * rows:
        return
    counts = ", ".join(f"{name} {count}" for name, count in sorted(problems.items()))
    what = f"{quarantined} of {rows} rows have no usable {_named(problems, data.columns)} ({counts})"
    needed = (Decimal(quarantined) / rows).quantize(Decimal("0.0001"), ROUND_UP)
    fix = f"fix them or raise data.validation.maxNullFraction (now {limit}) to {needed}"
    if quarantined == rows:
        fix = "set data.columns to columns that are filled"
    raise DataError.at(data.source.uri, "", what, fix)


def _named(problems: Counter[str], columns: Columns) -> str:
    kinds = {"User": columns.user, "Item": columns.item, "Timestamp": columns.timestamp or ""}
    kinds["Rating"] = columns.rating or ""
    return " or ".join(name for kind, name in kinds.items() if any(problem.endswith(kind) for problem in problems))


def _in_time_order(user: Any, item: Any, timestamp: Seconds, rating: Ratings) -> tuple[Any, Any, Seconds, Ratings]:
    # By users, items and ratings too: the order must not depend on that of the files.
    order = np.lexsort((rating, item, user, timestamp))
    return user[order], item[order], timestamp[order], rating[order]


def _last_of_pairs(user: Any, item: Any, validation: DataValidation, uri: str) -> npt.NDArray[np.int64]:
    """Positions of the last row of every (user, item), ascending."""
    pair = user * (item.max(initial=0) + 1) + item
    _, last = np.unique(pair[::-1], return_index=True)
    keep: npt.NDArray[np.int64] = np.sort(len(pair) - 1 - last)
    duplicates = len(pair) - len(keep)
    if duplicates and validation.on_duplicates == "Refuse":
        what = f"{duplicates} of {len(pair)} rows repeat a user and item"
        raise DataError.at(uri, "", what, "remove them or set data.validation.onDuplicates: KeepLast")
    return keep


def _refuse_too_few(rows: int, data: Data) -> None:
    minimum = data.validation.min_interactions
    if rows < minimum:
        what = f"{rows} interactions are fewer than data.validation.minInteractions = {minimum}"
        raise DataError.at(data.source.uri, "", what, "add data or lower minInteractions")
