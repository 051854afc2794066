"""What must hold of interactions before a GPU is asked for, and what is set aside."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsys_api.recommender_model import Columns, Data
from recsys_trainer.data.columns import group_column, groups_of
from recsys_trainer.data.ids import IdColumn, id_column, merged
from recsys_trainer.data.interactions import TEST, TRAIN, VALIDATION, Groups, Interactions, Mask
from recsys_trainer.data.ratings import rating_column
from recsys_trainer.data.readers import SourceFile, read_source
from recsys_trainer.data.times import Seconds, timestamp_column
from recsys_trainer.errors import DataError


@dataclass(frozen=True)
class _FilePart:
    """The good rows of one file."""

    user: IdColumn
    item: IdColumn
    timestamp: Seconds
    rating: npt.NDArray[np.float32] | None
    groups: dict[str, Any]
    """Arrow text by kind, `user` or `item`."""
    part: int
    rows: int
    problems: Counter[str]


def load_interactions(data: Data) -> Interactions:
    """Read, check and order the interactions of a manifest's `spec.data`, repeats included.

    Args:
        ratings: whether the rating column must hold a number in every row.

    Raises:
        UnreadableError: the source cannot be read.
        DataError: the data is not what the manifest says; the message has file, column, counts and fix.
    """
    files = [_good_rows(file, data.columns, part) for file, part in _files(data)]
    problems = sum((file.problems for file in files), Counter[str]())
    rows = sum(file.rows for file in files)
    quarantined = rows - sum(len(file.timestamp) for file in files)
    _refuse_quarantine(quarantined, rows, problems, data)
    refuse_too_few(rows - quarantined, data)
    users, user_rows = merged([file.user for file in files])
    items, item_rows = merged([file.item for file in files])
    user, item = np.concatenate(user_rows), np.concatenate(item_rows)
    _refuse_repeats(user, item, data)
    timestamp = np.concatenate([file.timestamp for file in files])
    order = np.lexsort((item, user, timestamp))  # users and items too: the order must not depend on that of the files
    user_I, item_I = user[order].astype(np.int32), item[order].astype(np.int32)
    part = np.repeat(np.array([file.part for file in files], dtype=np.uint8), [len(file.timestamp) for file in files])
    return Interactions(
        users.to_pylist(),
        items.to_pylist(),
        user_I,
        item_I,
        timestamp[order],
        quarantined=quarantined,
        problems=dict(sorted(problems.items())),
        rating_I=_ratings(files, order),
        part_I=part[order] if data.split.predefined else None,
        user_groups=_groups(files, "user", user_I, len(users), order, data),
        item_groups=_groups(files, "item", item_I, len(items), order, data),
    )


def _files(data: Data) -> Iterator[tuple[SourceFile, int]]:
    """Every file with the part that it belongs to, all of them TRAIN where the split decides later."""
    given = data.split.predefined
    parts = ((data.source.uri, TRAIN),)
    if given is not None:
        parts = ((given.train, TRAIN), (given.validation, VALIDATION), (given.test, TEST))  # type: ignore[assignment]
    for uri, part in parts:
        for file in read_source(data.source.model_copy(update={"uri": uri}), data.columns):
            yield file, part


def _good_rows(file: SourceFile, columns: Columns, part: int) -> _FilePart:
    rows = file.table.num_rows
    user = id_column(file.table[columns.user], file.uri, columns.user, text=file.text)
    item = id_column(file.table[columns.item], file.uri, columns.item, text=file.text)
    seconds, missing = _times(file, columns.timestamp)
    found = {**_id_problems(user, "User"), **_id_problems(item, "Item"), "nullTimestamp": missing}
    rating = None
    if columns.rating:
        rating, found["nullRating"] = rating_column(file.table[columns.rating], file.uri, columns.rating)
    names = {"user": columns.user_group, "item": columns.item_group}
    groups = {kind: group_column(file.table[name], file.uri, name) for kind, name in names.items() if name}
    keep = ~_any(found.values(), rows)
    return _FilePart(
        _kept(user, keep),
        _kept(item, keep),
        seconds[keep],
        None if rating is None else rating[keep],
        {kind: text.filter(pa.array(keep)) for kind, text in groups.items()},
        part,
        rows,
        Counter({name: int(mask.sum()) for name, mask in found.items() if mask.any()}),
    )


def _ratings(files: list[_FilePart], order: npt.NDArray[np.int64]) -> npt.NDArray[np.float32] | None:
    found = [file.rating for file in files if file.rating is not None]
    return np.concatenate(found)[order] if found else None


def _groups(
    files: list[_FilePart], kind: str, rows: npt.NDArray[np.int32], size: int, order: Any, data: Data
) -> Groups | None:
    name = data.columns.user_group if kind == "user" else data.columns.item_group
    if name is None:
        return None
    texts = pa.chunked_array([file.groups[kind] for file in files], pa.string()).combine_chunks()
    return groups_of(rows, texts.take(pa.array(order)), size, data.source.uri, name)


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
    kinds = {
        "User": columns.user,
        "Item": columns.item,
        "Timestamp": columns.timestamp or "",
        "Rating": columns.rating or "",
    }
    return " or ".join(name for kind, name in kinds.items() if any(problem.endswith(kind) for problem in problems))


def _refuse_repeats(user: npt.NDArray[np.int64], item: npt.NDArray[np.int64], data: Data) -> None:
    if data.validation.on_duplicates != "Refuse":
        return
    duplicates = len(user) - len(np.unique(user * (int(item.max(initial=0)) + 1) + item))
    if duplicates:
        what = f"{duplicates} of {len(user)} rows repeat a user and item"
        raise DataError.at(data.source.uri, "", what, "remove them or set data.validation.onDuplicates: KeepLast")


def refuse_too_few(rows: int, data: Data) -> None:
    """Refuse fewer interactions than the manifest asks for.

    Raises:
        DataError: with both numbers.
    """
    minimum = data.validation.min_interactions
    if rows < minimum:
        what = f"{rows} interactions are fewer than data.validation.minInteractions = {minimum}"
        raise DataError.at(data.source.uri, "", what, "add data or lower minInteractions")
