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
    rows: int
    problems: Counter[str]


def load_interactions(data: Data) -> Interactions:
    """Read, check and order the interactions of a manifest's `spec.data`.

    Raises:
        UnreadableError: the source cannot be read.
        DataError: the data is not what the manifest says; the message has file, column, counts and fix.
    """
    parts = [_good_rows(file, data.columns) for file in read_source(data.source, data.columns)]
    problems = sum((part.problems for part in parts), Counter[str]())
    rows = sum(part.rows for part in parts)
    quarantined = rows - sum(len(part.timestamp) for part in parts)
    _refuse_quarantine(quarantined, rows, problems, data)
    users, user_rows = merged([part.user for part in parts])
    items, item_rows = merged([part.item for part in parts])
    everything = _in_time_order(
        np.concatenate(user_rows), np.concatenate(item_rows), np.concatenate([part.timestamp for part in parts])
    )
    user, item, timestamp, duplicates = _without_duplicates(*everything, data.validation, data.source.uri)
    _refuse_too_few(len(user), data)
    return Interactions(
        users.to_pylist(), items.to_pylist(), user.astype(np.int32), item.astype(np.int32), timestamp,
        quarantined, duplicates, dict(sorted(problems.items())),
    )  # fmt: skip


def _good_rows(file: SourceFile, columns: Columns) -> _FilePart:
    rows = file.table.num_rows
    user = id_column(file.table[columns.user], file.uri, columns.user, text=file.text)
    item = id_column(file.table[columns.item], file.uri, columns.item, text=file.text)
    seconds, missing = _times(file, columns.timestamp)
    found = {**_id_problems(user, "User"), **_id_problems(item, "Item"), "nullTimestamp": missing}
    keep = ~_any(found.values(), rows)
    problems = Counter({name: int(mask.sum()) for name, mask in found.items() if mask.any()})
    return _FilePart(_kept(user, keep), _kept(item, keep), seconds[keep], rows, problems)


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
    return " or ".join(name for kind, name in kinds.items() if any(problem.endswith(kind) for problem in problems))


def _in_time_order(user: Any, item: Any, timestamp: Seconds) -> tuple[Any, Any, Seconds]:
    order = np.lexsort((item, user, timestamp))  # users and items too: the order must not depend on that of the files
    return user[order], item[order], timestamp[order]


def _without_duplicates(
    user: Any, item: Any, timestamp: Seconds, validation: DataValidation, uri: str
) -> tuple[Any, Any, Seconds, int]:
    pair = user * (item.max(initial=0) + 1) + item
    _, last = np.unique(pair[::-1], return_index=True)
    keep = np.sort(len(pair) - 1 - last)
    duplicates = len(pair) - len(keep)
    if duplicates and validation.on_duplicates == "Refuse":
        what = f"{duplicates} of {len(pair)} rows repeat a user and item"
        raise DataError.at(uri, "", what, "remove them or set data.validation.onDuplicates: KeepLast")
    return user[keep], item[keep], timestamp[keep], duplicates


def _refuse_too_few(rows: int, data: Data) -> None:
    minimum = data.validation.min_interactions
    if rows < minimum:
        what = f"{rows} interactions are fewer than data.validation.minInteractions = {minimum}"
        raise DataError.at(data.source.uri, "", what, "add data or lower minInteractions")
