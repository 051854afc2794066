"""Readers: Parquet, CSV with a header, RecBole's .inter, and plain lines; one file, a folder or a pattern, in batches."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from recsys_api.spec.data import Columns, DataSource
from recsys_trainer.data.attributes import ENDINGS, GroupColumns, group_columns, observe_groups
from recsys_trainer.data.budget import Budget, slices
from recsys_trainer.data.delimited import CSV, RECBOLE, Dialect, Header, empty, read_header, read_rows, understood
from recsys_trainer.data.kinds import FORMATS, refuse_other_kinds, refuse_typed_header
from recsys_trainer.data.lines import read_adjacency, read_user_item
from recsys_trainer.data.local_files import LocalFiles
from recsys_trainer.errors import DataError
from recsys_trainer.store import open_filesystem, protocols, reading

_PAGE_BYTES = 1 << 23
"""Read at once of a Parquet column: less is many requests to a store, and without it a whole column of a row group is."""
_UNCACHED = {"cache_type": "none"}
"""Of Parquet: columns are read in turns, so that a store's read-ahead would be thrown away each time."""
_FIX = "set data.columns to the names in the file"


@dataclass(frozen=True)
class SourceFile:
    """One opened file, as a stream of batches under the manifest's column names."""

    uri: str
    text: bool
    """The format knows text only."""
    kinds: dict[str, Any]
    """Arrow type of each wanted column; none where the format knows text only."""
    rows: int
    """Rows of the file, 0 where the format does not say."""
    batches: Iterator[Any]
    """Arrow tables with the wanted columns. What is wrong with the file as a whole is raised when all were taken."""
    groups: GroupColumns


def read_source(source: DataSource, columns: Columns, budget: Budget) -> Iterator[SourceFile]:
    """The files of a source, one after the other, in the order of their names. Each must be read before the next.

    Raises:
        UnreadableError: the URI cannot be read.
        DataError: no such file in the folder, a file that is not of the format, a missing column.
    """
    needed = [columns.user, columns.item, *(name for name in (columns.rating, columns.timestamp) if name)]
    for fs, file, uri, groups in find_groups(source, columns):
        wanted = list(dict.fromkeys([*needed, *groups.here.values()]))
        options = _UNCACHED if source.format == "Parquet" else {}
        with reading(uri), fs.open(file, "rb", compression="infer", **options) as stream:
            yield _opened(source.format, stream, uri, wanted, budget, groups)


def find_groups(source: DataSource, columns: Columns) -> Iterator[tuple[Any, str, str, GroupColumns]]:
    """(filesystem, path, name for messages, where its groups are) of the files of a source, by name.

    Raises:
        UnreadableError: the URI cannot be read.
        DataError: there are no files, or one of RecBole has a group column neither in it nor beside it.
    """
    fs, files = find_files(source)
    _, path = open_filesystem(source.uri)
    groups = GroupColumns(group_columns(columns))
    for file in files:
        uri = file if file != path else source.uri
        yield fs, file, uri, observe_groups(fs, file, uri, columns) if source.format == "RecBole" else groups


def find_files(source: DataSource) -> tuple[Any, list[str]]:
    """(filesystem, paths in it) of the files of a source, by name.

    Raises:
        UnreadableError: the URI cannot be read.
        DataError: there are none.
    """
    fs, path = open_filesystem(source.uri)
    if "file" in protocols(fs):
        fs = LocalFiles()
    return fs, _files(fs, path, source)


def _files(fs: Any, path: str, source: DataSource) -> list[str]:
    with reading(source.uri):
        if _is_pattern(path) and not fs.isdir(path):  # a folder may be called `data[1]`
            return _matches(fs, path, source)
        info = fs.info(path)
        if info["type"] == "file":
            return [path]
    return _inside(fs, [path], source, "the folder has no {} file among its {}")


def _inside(fs: Any, folders: list[str], source: DataSource, nothing: str) -> list[str]:
    """Files of the format in folders; `nothing` says that there are none, by endings and number of files."""
    with reading(source.uri):
        found = [(file, file[len(folder) :]) for folder in folders for file in fs.find(folder)]
    endings = FORMATS[source.format]
    files = {file for file, relative in found if file.endswith(endings) and not _hidden(relative)}
    if not files:
        what = nothing.format(" or ".join("*" + ending for ending in endings), len(found))
        raise DataError.at(source.uri, "", what, "check data.source.uri and data.source.format")
    return sorted(files)


def _is_pattern(path: str) -> bool:
    return any(sign in path for sign in "*?[")


def _matches(fs: Any, path: str, source: DataSource) -> list[str]:
    """Files of interactions that a pattern names, those in its folders, or the file whose name looks like one."""
    others = tuple(ENDINGS.values()) if source.format == "RecBole" else ()
    uri = source.uri
    with reading(uri):
        found = {name: info for name, info in fs.glob(path, detail=True).items() if _asked_for(name, path)}
        kinds = {name: fs.info(name)["type"] if info.get("islink") else info["type"] for name, info in found.items()}
        if uri.endswith("/") and (folders := [name for name, kind in kinds.items() if kind == "directory"]):
            return _inside(
                fs, folders, source, f"the {len(folders)} folders of the pattern have no {{}} file among their {{}}"
            )
        files = sorted(name for name, kind in kinds.items() if kind == "file" and not name.endswith(others))
        if not uri.endswith("/") and (files or fs.exists(path)):
            return files or [path]
    kind = "folder" if uri.endswith("/") else "file"
    fix = "check data.source.uri; names that begin with . or _ are left out where the pattern does not begin so too"
    raise DataError.at(uri, "", f"the pattern matches no {kind}", fix)


def _asked_for(name: str, pattern: str) -> bool:
    """Whether a match is no more hidden than the pattern says: `*` is for what a folder would give too."""
    parts = pattern.split("/")
    fixed = next((at for at, part in enumerate(parts) if _is_pattern(part)), len(parts))
    told = [part for part in parts[fixed:] if _hidden(part)]
    return all(
        any(fnmatchcase(part, each) for each in told) for part in name.split("/")[fixed:] if part and _hidden(part)
    )


def _hidden(relative: str) -> bool:
    return any(part.startswith((".", "_")) for part in relative.strip("/").split("/"))


def _opened(format_: str, stream: Any, uri: str, wanted: list[str], budget: Budget, groups: GroupColumns) -> SourceFile:
    if format_ == "Parquet":
        with understood(format_, uri):
            file = pyarrow.parquet.ParquetFile(_filled(stream, uri), pre_buffer=False, buffer_size=_PAGE_BYTES)
        names = file.schema_arrow.names
        Header(uri, names).require(wanted, _FIX)
        kinds = {name: file.schema_arrow.field(name).type for name in wanted}
        batches = file.iter_batches(budget.batch_rows, columns=wanted)
        return SourceFile(uri, False, kinds, file.metadata.num_rows, _batches(format_, batches, uri, budget), groups)
    with understood(format_, uri):
        refuse_other_kinds(stream, uri)
        if format_ in ("UserItem", "Adjacency"):
            refuse_typed_header(stream, uri)
    tables = _TEXTS[format_](stream, uri, wanted, budget)
    return SourceFile(uri, True, {}, 0, _batches(format_, tables, uri, budget), groups)


def _batches(format_: str, tables: Iterator[Any], uri: str, budget: Budget) -> Iterator[Any]:
    """Tables of `batch_rows` at most."""
    with reading(uri), understood(format_, uri):
        for table in tables:
            if isinstance(table, pa.RecordBatch):
                table = pa.Table.from_batches([table])
            for piece in slices(len(table), budget.batch_rows):
                yield table.slice(piece.start, budget.batch_rows)


def _read_csv(stream: Any, uri: str, wanted: list[str], budget: Budget) -> Iterator[Any]:
    return _read_table(stream, uri, wanted, budget, CSV)


def _read_recbole(stream: Any, uri: str, wanted: list[str], budget: Budget) -> Iterator[Any]:
    return _read_table(stream, uri, wanted, budget, RECBOLE)


def _read_user_item(stream: Any, uri: str, wanted: list[str], budget: Budget) -> Iterator[Any]:
    return read_user_item(_filled(stream, uri), uri, wanted, budget.block_bytes)


def _read_adjacency(stream: Any, uri: str, wanted: list[str], budget: Budget) -> Iterator[Any]:
    return read_adjacency(_filled(stream, uri), wanted, budget.block_bytes)


_TEXTS: dict[str, Callable[[Any, str, list[str], Budget], Iterator[Any]]] = {
    "CSV": _read_csv,
    "RecBole": _read_recbole,
    "UserItem": _read_user_item,
    "Adjacency": _read_adjacency,
}


def _read_table(stream: Any, uri: str, wanted: list[str], budget: Budget, dialect: Dialect) -> Iterator[Any]:
    header = read_header(stream, uri, dialect)
    header.require(wanted, _FIX)
    if dialect.typed:
        header.refuse_floats(wanted[:2], "id")
    yield from read_rows(stream, header, wanted, budget, dialect)


def _filled(stream: Any, uri: str) -> Any:
    """The stream, if there is a byte in it."""
    if not stream.read(1):
        raise empty(uri)
    stream.seek(0)
    return stream
