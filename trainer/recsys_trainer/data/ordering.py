"""All good rows of a source: collected with the codes of their batches, then in time order with rows for ids."""

from contextlib import ExitStack
from types import TracebackType

import numpy as np
import numpy.typing as npt

from recsys_api.spec.data import Data
from recsys_trainer.data.budget import Budget, grouped_rows, new_array
from recsys_trainer.data.checking import Batch
from recsys_trainer.data.columns import refuse_many_groups
from recsys_trainer.data.distinct import Distinct
from recsys_trainer.data.idlist import Ids
from recsys_trainer.data.interactions import Groups, Interactions, Rows
from recsys_trainer.data.spool import Columns, Spool
from recsys_trainer.errors import DataError


class Collected:
    """The rows on disk, and the values that they refer to. To be entered before it is used."""

    def __init__(self, data: Data, budget: Budget) -> None:
        columns = data.columns
        self.kinds = ["user", "item"]
        self.kinds += [kind for kind in ("user_group", "item_group") if getattr(columns, kind)]
        stored: dict[str, npt.DTypeLike] = dict.fromkeys(self.kinds, np.int32)
        stored["timestamp"] = np.int64
        if columns.rating:
            stored["rating"] = np.float32
        if data.split.predefined:
            stored["part"] = np.uint8
        self._stack = ExitStack()
        self.spool = Spool(stored)
        self.values = {kind: Distinct(budget) for kind in self.kinds}

    def __enter__(self) -> "Collected":
        self._stack.enter_context(self.spool)
        for values in self.values.values():
            self._stack.enter_context(values)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    @property
    def rows(self) -> int:
        """Rows so far."""
        return self.spool.rows

    def add(self, batch: Batch, part: int) -> None:
        """The next batch.

        Raises:
            OutOfMemoryError: the disk is full.
        """
        for kind, values in batch.values.items():
            self.values[kind].add(values)
        columns: Columns = {**batch.codes, "timestamp": batch.timestamp}
        if batch.rating is not None:
            columns["rating"] = batch.rating
        columns["part"] = np.full(len(batch.timestamp), part, dtype=np.uint8)
        self.spool.append(columns)


def in_time_order(collected: Collected, data: Data, budget: Budget) -> Interactions:
    """Everything that was collected, by time, then user, then item: the order does not depend on that of the files.

    Raises:
        DataError: repeats where the manifest refuses them, or too many groups.
        OutOfMemoryError: the disk is full.
    """
    names = {kind: Ids(values.finish()) for kind, values in collected.values.items()}
    rows = {kind: values.rows() for kind, values in collected.values.items()}

    def known_rows(columns: Columns) -> None:
        for kind in collected.kinds:
            columns[kind][:] = np.append(next(rows[kind]), np.int32(-1))[columns[kind]]

    runs = collected.spool.sort_runs(known_rows)
    length = collected.rows
    result = {
        name: new_array(length, kind, budget) for name, kind in collected.spool.kinds.items() if "group" not in name
    }
    groups = {kind: np.full(len(names[kind.split("_")[0]]), -1, dtype=np.int32) for kind in collected.kinds[2:]}
    at = 0
    for piece in runs.merged(budget):
        for name, values in result.items():
            values[at : at + len(piece["user"])] = piece[name]
        for kind, of in groups.items():
            known = piece[kind] >= 0
            of[piece[kind.split("_")[0]][known]] = piece[kind][known]  # in time order: the last assignment stays
        at += len(piece["user"])
    users, items = names["user"], names["item"]
    _refuse_repeats(result["user"], result["item"], len(users), data, budget)
    found = {kind: _groups(names[kind], of, data, kind) for kind, of in groups.items()}
    return Interactions(
        users,
        items,
        result["user"],
        result["item"],
        result["timestamp"],
        rating_I=result.get("rating"),
        part_I=result.get("part"),
        user_groups=found.get("user_group"),
        item_groups=found.get("item_group"),
    )


def _groups(names: Ids, of: Rows, data: Data, kind: str) -> Groups:
    refuse_many_groups(len(names), data.source.uri, getattr(data.columns, kind))
    return Groups(tuple(names), of)


def _refuse_repeats(user: Rows, item: Rows, users: int, data: Data, budget: Budget) -> None:
    if data.validation.on_duplicates != "Refuse":
        return
    pairs = 0
    for owners, at in grouped_rows(user, users, budget):
        pair = (user[at].astype(np.int64) - owners.start) << 32 | item[at]
        pairs += len(np.unique(pair))
    if pairs < len(user):
        what = f"{len(user) - pairs} of {len(user)} rows repeat a user and item"
        raise DataError.at(data.source.uri, "", what, "remove them or set data.validation.onDuplicates: KeepLast")
