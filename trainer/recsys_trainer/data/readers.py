"""Readers: Parquet, CSV with a header, RecBole's .inter, and plain lines; one file, a folder or a pattern."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from recsys_api.recommender_model import Columns, DataSource
from recsys_trainer.data.lines import read_adjacency, read_user_item
from recsys_trainer.errors import DataError
from recsys_trainer.store import open_filesystem, reading

_ENDINGS = {
    "Parquet": (".parquet",),
    "CSV": (".csv", ".csv.gz"),
    "RecBole": (".inter",),
    "UserItem": (".txt", ".tsv", ".dat", ".txt.gz", ".tsv.gz", ".dat.gz"),
    "Adjacency": (".txt", ".txt.gz"),
}


@dataclass(frozen=True)
class SourceFile:
    """One opened file: `names` are the columns that it has, without RecBole's types."""

    uri: str
    table: Any
    """Arrow table with the wanted columns under their manifest names."""
    text: bool
    """The format knows text only."""


def read_source(source: DataSource, columns: Columns) -> Iterator[SourceFile]:
    """The files of a source, one after the other, in the order of their names.

    Raises:
        UnreadableError: the URI cannot be read.
        DataError: no such file in the folder, a file that is not of the format, a missing column.
    """
    optional = (columns.rating, columns.timestamp, columns.user_group, columns.item_group)
    wanted = [columns.user, columns.item, *(name for name in optional if name)]
    fs, path = open_filesystem(source.uri)
    for file in _files(fs, path, source):
        uri = file if file != path else source.uri
        with reading(uri), fs.open(file, "rb", compression="infer") as stream:
            yield _read_file(source.format, stream, uri, wanted)


def _files(fs: Any, path: str, source: DataSource) -> list[str]:
    if _is_pattern(path):
        return _matches(fs, path, source.uri)
    with reading(source.uri):
        info = fs.info(path)
        if info["type"] == "file":
            return [path]
        found = sorted(fs.find(path))
    endings = _ENDINGS[source.format]
    files = [file for file in found if file.endswith(endings) and not _hidden(file[len(path) :])]
    if not files:
        what = f"the folder has no {' or '.join('*' + ending for ending in endings)} file among its {len(found)}"
        raise DataError.at(source.uri, "", what, "check data.source.uri and data.source.format")
    return files


def _is_pattern(path: str) -> bool:
    return any(sign in path for sign in "*?[")


def _matches(fs: Any, path: str, uri: str) -> list[str]:
    """Files that a pattern names, or the file whose name looks like one."""
    with reading(uri):
        found = fs.glob(path, detail=True)
        files = sorted(name for name, info in found.items() if info["type"] == "file")
        if files or fs.exists(path):
            return files or [path]
    raise DataError.at(uri, "", "the pattern matches no file", "check data.source.uri")


def _hidden(relative: str) -> bool:
    return any(part.startswith((".", "_")) for part in relative.strip("/").split("/"))


def _read_file(format_: str, stream: Any, uri: str, wanted: list[str]) -> SourceFile:
    try:
        return SourceFile(uri, _READERS[format_](stream, uri, wanted), text=format_ != "Parquet")
    except (
        pa.ArrowInvalid,
        pa.ArrowTypeError,
        pa.ArrowNotImplementedError,
        pa.ArrowKeyError,
        UnicodeDecodeError,
        csv.Error,
    ) as error:
        raise DataError.at(
            uri, "", f"not readable as {format_} ({error})", "check data.source.format and the file"
        ) from error


def _read_parquet(stream: Any, uri: str, wanted: list[str]) -> Any:
    file = pyarrow.parquet.ParquetFile(_filled(stream, uri))
    _require_columns(file.schema_arrow.names, wanted, uri)
    return file.read(columns=wanted)


def _read_csv(stream: Any, uri: str, wanted: list[str]) -> Any:
    return _read_text(stream, uri, wanted, ",", '"')


def _read_recbole(stream: Any, uri: str, wanted: list[str]) -> Any:
    return _read_text(stream, uri, wanted, "\t", False)


_READERS: dict[str, Callable[[Any, str, list[str]], Any]] = {
    "Parquet": _read_parquet,
    "CSV": _read_csv,
    "RecBole": _read_recbole,
    "UserItem": lambda stream, uri, wanted: read_user_item(_filled(stream, uri), uri, wanted),
    "Adjacency": lambda stream, uri, wanted: read_adjacency(_filled(stream, uri), uri, wanted),
}


def _read_text(stream: Any, uri: str, wanted: list[str], delimiter: str, quote: str | bool) -> Any:
    header = _header(stream, uri, delimiter, quote)
    names = [name.split(":", 1)[0] for name in header] if delimiter == "\t" else header
    _require_columns(names, wanted, uri)
    if delimiter == "\t":
        _refuse_float_ids(header, names, wanted[:2], uri)
    table = pyarrow.csv.read_csv(
        stream,
        read_options=pyarrow.csv.ReadOptions(column_names=names, skip_rows=1),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, quote_char=quote),
        # Everything as text: an inferred integer would turn the id 007 into 7.
        convert_options=pyarrow.csv.ConvertOptions(
            include_columns=wanted, column_types=dict.fromkeys(names, pa.string())
        ),
    )
    return table.select(wanted)


def _header(stream: Any, uri: str, delimiter: str, quote: str | bool) -> list[str]:
    line = stream.readline()
    if not line.strip():
        raise _empty(uri)
    rows = csv.reader(
        io.StringIO(line.decode("utf-8-sig").rstrip("\r\n")),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
    )
    stream.seek(0)
    return [name.strip() for name in next(rows, [])]


def _refuse_float_ids(header: list[str], names: list[str], ids: list[str], uri: str) -> None:
    for name in ids:
        typed = header[names.index(name)]
        if typed.endswith((":float", ":float_seq")):
            raise DataError.at(uri, name, f"the header says {typed}, which is no id", f"write {name}:token")


def _require_columns(names: list[str], wanted: list[str], uri: str) -> None:
    for name in wanted:
        if names.count(name) == 1:
            continue
        what = "is there twice" if name in names else f"is missing; the file has {', '.join(names) or 'no columns'}"
        raise DataError.at(uri, name, what, "set data.columns to the names in the file")


def _empty(uri: str) -> DataError:
    return DataError.at(uri, "", "the file is empty", "remove it or write interactions into it")


def _filled(stream: Any, uri: str) -> Any:
    """The stream, if there is a byte in it."""
    if not stream.read(1):
        raise _empty(uri)
    stream.seek(0)
    return stream
