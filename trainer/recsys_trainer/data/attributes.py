"""Groups that a RecBole `.inter` file does not say: the `.user` or `.item` file beside it does, a row for each id."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys_api.spec.data import Columns
from recsys_trainer.data.budget import Budget
from recsys_trainer.data.columns import GroupReader, refuse_many_groups
from recsys_trainer.data.delimited import RECBOLE, Header, read_header, read_rows, understood
from recsys_trainer.data.idlist import Ids
from recsys_trainer.data.ids import rows_of
from recsys_trainer.data.interactions import Groups
from recsys_trainer.data.times import Wrong
from recsys_trainer.errors import DataError
from recsys_trainer.store import reading

ENDINGS = {"user_group": ".user", "item_group": ".item"}
_FIELDS = {"user_group": "data.columns.userGroup", "item_group": "data.columns.itemGroup"}
_TEXT = pa.large_string()


@dataclass(frozen=True)
class AttributeFile:
    """A file that says the group of each id."""

    uri: str
    path: str
    id_column: str
    column: str
    fs: Any = field(compare=False, repr=False)


@dataclass(frozen=True)
class GroupColumns:
    """Where the groups of one file's users and items are."""

    here: dict[str, str] = field(default_factory=dict)
    """Column of the file itself, by kind: `user_group`, `item_group`."""
    beside: dict[str, AttributeFile] = field(default_factory=dict)
    """The file beside it, where it has no such column."""
    sequences: frozenset[str] = frozenset()
    """Kinds whose values are several words (`token_seq`) of which the first is the group."""


def group_columns(columns: Columns) -> dict[str, str]:
    """Those that the manifest names, by kind."""
    named = {"user_group": columns.user_group, "item_group": columns.item_group}
    return {kind: name for kind, name in named.items() if name}


def observe_groups(fs: Any, path: str, uri: str, columns: Columns) -> GroupColumns:
    """Where the groups of a `.inter` file are; its own columns go first. Headers are read, no rows.

    Raises:
        UnreadableError: a file cannot be read.
        DataError: neither it nor the file beside it has the column, or the column has decimals.
    """
    named = group_columns(columns)
    if not named:
        return GroupColumns()
    header = _header(fs, path, uri)
    here = {kind: name for kind, name in named.items() if name in header.names}
    header.refuse_floats(list(here.values()), "group")
    beside = {kind: _beside(fs, path, header, kind, columns) for kind in named if kind not in here}
    return GroupColumns(here, beside, frozenset(kind for kind, name in here.items() if _is_sequence(header, name)))


def _beside(fs: Any, path: str, inter: Header, kind: str, columns: Columns) -> AttributeFile:
    id_column, column = columns.user if kind == "user_group" else columns.item, group_columns(columns)[kind]
    folder, slash, name = path.rpartition("/")
    place = inter.uri.removesuffix(name)
    candidates = _candidates(name, ENDINGS[kind])
    fix = f"name another column in {_FIELDS[kind]}"
    for candidate in candidates:
        with reading(place + candidate):
            found = fs.isfile(folder + slash + candidate)
        if found:
            file = AttributeFile(place + candidate, folder + slash + candidate, id_column, column, fs)
            header = _header(fs, file.path, file.uri)
            header.require([file.column], f"{name} has {inter.listed}; {fix}")
            header.require([file.id_column], f"name its ids as those of {name}")
            header.refuse_floats([file.id_column], "id")
            header.refuse_floats([file.column], "group")
            return file
    what = f"is missing; the file has {inter.listed}, and no {' or '.join(candidates)} lies beside it"
    raise DataError.at(inter.uri, column, what, f"{fix}, or put {candidates[0]} there")


def _candidates(name: str, ending: str) -> list[str]:
    """`a.train.user`, then `a.user`, of `a.train.inter`."""
    words = name.split(".")
    return [".".join(words[:end]) + ending for end in range(len(words) - 1, 0, -1) if words[0]] or [name + ending]


def _header(fs: Any, path: str, uri: str) -> Header:
    with reading(uri), fs.open(path, "rb", compression="infer") as stream:
        return read_header(stream, uri, RECBOLE)


def _is_sequence(header: Header, name: str) -> bool:
    return header.names.count(name) == 1 and header.type_of(name) == "token_seq"


def with_attributes(groups: Groups, ids: Ids, files: Iterable[AttributeFile], budget: Budget) -> Groups:
    """The groups, filled from files where the interactions say none.

    Raises:
        UnreadableError: a file cannot be read.
        DataError: two groups for one id, no row for any id, or too many groups.
    """
    files = list(files)
    if not files:
        return groups
    filling = _Filling(groups, ids)
    for file in files:
        filling.read(file, budget)
    if not filling.matched:
        what = f"has none of the {len(ids)} ids of the interactions"
        raise DataError.at(
            files[0].uri, files[0].id_column, what, "write ids there as they are written in the .inter file"
        )
    refuse_many_groups(len(filling.names), files[0].uri, files[0].column)
    return filling.finish()


class _Filling:
    """Groups by id while files are read; in memory are a number for each id and the names."""

    def __init__(self, groups: Groups, ids: Ids) -> None:
        self._ids = ids
        self._of = groups.of.copy()
        self._open = np.append(groups.of < 0, False)  # position -1, an id that nobody asks for, takes the appended one
        self.names = pa.array(groups.names, pa.string())
        self.matched = False

    def read(self, file: AttributeFile, budget: Budget) -> None:
        """The rows of one file, which may not contradict those before."""
        with reading(file.uri), file.fs.open(file.path, "rb", compression="infer") as stream:
            header = read_header(stream, file.uri, RECBOLE)
            column = GroupReader(file.uri, file.column, first_word=_is_sequence(header, file.column))
            other = Wrong()
            with understood(RECBOLE.name, file.uri):
                for batch in read_rows(stream, header, [file.id_column, file.column], budget, RECBOLE):
                    self._add(pa.Table.from_batches([batch]), file, column, other)
        if other.count:
            what = f"{other.count} rows give an id another group than a row before, as of {other.first.as_py()}"
            raise DataError.at(file.uri, file.column, what, f"keep one row for each {file.id_column}")

    def _add(self, table: Any, file: AttributeFile, column: GroupReader, other: Wrong) -> None:
        texts = table[file.id_column].cast(_TEXT).combine_chunks()
        rows = rows_of(Ids(texts), self._ids)
        self.matched = self.matched or bool((rows >= 0).any())
        wanted = self._open[rows]
        found = column.read(table[file.column].filter(pa.array(wanted)))
        rows, codes = rows[wanted], found.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        self.names = pc.unique(pa.chunked_array([self.names, found.dictionary], pa.string()))
        known = pc.index_in(found.dictionary, value_set=self.names).to_numpy(zero_copy_only=False).astype(np.int32)
        codes = np.append(known, np.int32(-1))[codes]
        rows, codes = rows[codes >= 0], codes[codes >= 0]
        fresh = self._of[rows] < 0
        self._of[rows[fresh][::-1]] = codes[fresh][::-1]  # the last assignment stays: that of the first row
        other.add(self._ids.take(rows[self._of[rows] != codes]).texts)

    def finish(self) -> Groups:
        """With names in bytewise order, however the rows lay."""
        order = pc.sort_indices(self.names).to_numpy()
        place = np.full(len(order) + 1, -1, dtype=np.int32)
        place[order] = np.arange(len(order))
        return Groups(tuple(self.names.take(pa.array(order)).to_pylist()), place[self._of])
