"""Text with a header: CSV, and RecBole's atomic files, whose header also says the type of each column."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.csv

from recsys_trainer.data.budget import Budget
from recsys_trainer.data.kinds import format_fix
from recsys_trainer.errors import DataError, one_line


@dataclass(frozen=True)
class Dialect:
    """How lines are written."""

    name: str
    delimiter: str
    quote: str | bool
    typed: bool
    """The header has `name:type`."""


CSV = Dialect("CSV", ",", '"', typed=False)
RECBOLE = Dialect("RecBole", "\t", False, typed=True)
_OTHERS = {"\t": "tabs", ";": "semicolons", "|": "bars"}
"""What separates columns in files that are no CSV here."""
_NOT_UTF8 = "convert it, as in: iconv -f latin1 -t utf-8 < old > new"
_CONVERTED = (
    'convert it, as in: python3 -c "import csv, sys; csv.writer(sys.stdout).writerows(csv.reader(sys.stdin, delimiter={}))" '
    "< old.csv > new.csv"
)


@dataclass(frozen=True)
class Header:
    """The first line of a file."""

    uri: str
    names: list[str]
    types: list[str] = field(default_factory=list)
    """`token`, `token_seq`, `float`, … by column; none where the dialect has none."""

    def require(self, wanted: list[str], fix: str) -> None:
        """Refuse a file without exactly one column of each name.

        Raises:
            DataError: with the columns that there are.
        """
        for name in wanted:
            if name not in self.names:
                raise DataError.at(self.uri, name, f"is missing; the file has {self.listed}", fix)
            if self.names.count(name) > 1:
                raise DataError.at(self.uri, name, "is there twice", "rename or remove one of them")

    def refuse_floats(self, wanted: list[str], what: str) -> None:
        """Refuse columns of decimals.

        Raises:
            DataError: with the type that the header says.
        """
        for name in wanted:
            if self.type_of(name) in ("float", "float_seq"):
                typed = f"{name}:{self.type_of(name)}"
                raise DataError.at(
                    self.uri, name, f"the header says {typed}, which is no {what}", f"write {name}:token"
                )

    def type_of(self, name: str) -> str:
        """Of a column that is there, where the dialect has types."""
        return self.types[self.names.index(name)]

    @property
    def listed(self) -> str:
        """The names of the columns, for messages."""
        return ", ".join(self.names) or "no columns"


def read_header(stream: Any, uri: str, dialect: Dialect) -> Header:
    """The header of a file that can be read from its beginning again.

    Raises:
        DataError: the file is empty, or its first line is no text.
    """
    with understood(dialect.name, uri):
        line = stream.readline()
        if not line.strip():
            raise empty(uri)
        if b"\r" in line.rstrip(b"\r\n") and b'"' not in line:
            fix = r"convert it, as in: tr '\r' '\n' < old > new"
            raise DataError.at(uri, "", "its lines end in carriage returns alone", fix)
        rows = csv.reader(
            io.StringIO(line.decode("utf-8-sig").rstrip("\r\n")),
            delimiter=dialect.delimiter,
            quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        )
        stream.seek(0)
        cells = [name.strip() for name in next(rows, [])]
    if not dialect.typed:
        _refuse_other_delimiters(uri, cells)
        return Header(uri, cells)
    _refuse_commas(uri, cells)
    split = [cell.partition(":") for cell in cells]
    return Header(uri, [name for name, _, _ in split], [kind for _, _, kind in split])


def _refuse_other_delimiters(uri: str, cells: list[str]) -> None:
    """Refuse a header of one column that would be several with another delimiter: no file has its user and item in one."""
    found = [each for each in _OTHERS if len(cells) == 1 and each in cells[0]]
    if not found:
        return
    what = f"the header is one column, {one_line(repr(cells[0]), 80)}: {_OTHERS[found[0]]} separate its names, and in format CSV commas do"
    fix = _CONVERTED.format(f"{found[0]!r}")
    if RECBOLE.delimiter in found:
        fix += "; or set data.source.format: RecBole, if the header says types, as in user_id:token"
    raise DataError.at(uri, "", what, fix)


def _refuse_commas(uri: str, cells: list[str]) -> None:
    """Refuse a CSV that is read as RecBole's."""
    if len(cells) == 1 and "," in cells[0]:
        what = f"the header is one column, {one_line(repr(cells[0]), 80)}: commas separate its names, and in format RecBole tabs do"
        raise DataError.at(uri, "", what, "set data.source.format: CSV, or write tabs and types, as in user_id:token")


def read_rows(stream: Any, header: Header, wanted: list[str], budget: Budget, dialect: Dialect) -> Iterator[Any]:
    """Batches of text columns that the header has."""
    if not stream.readline().endswith(b"\n"):
        return  # Arrow cannot skip a line without an end
    stream.seek(0)
    yield from pyarrow.csv.open_csv(
        stream,
        read_options=pyarrow.csv.ReadOptions(column_names=header.names, skip_rows=1, block_size=budget.block_bytes),
        # Without newlines_in_values a block may end within a quoted value, and then the file is refused.
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=dialect.delimiter, quote_char=dialect.quote, newlines_in_values=bool(dialect.quote)
        ),
        # Everything as text: an inferred integer would turn the id 007 into 7.
        convert_options=pyarrow.csv.ConvertOptions(
            include_columns=wanted, column_types=dict.fromkeys(header.names, pa.string())
        ),
    )


def empty(uri: str) -> DataError:
    """Of a file without a byte."""
    return DataError.at(uri, "", "the file is empty", "remove it or write rows into it")


@contextmanager
def understood(format_: str, uri: str) -> Iterator[None]:
    """Say which file is not of the format.

    Raises:
        DataError: what is wrong with the file, and what mends it.
    """
    try:
        yield
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise _not_compressed(uri, error) from error
    except UnicodeDecodeError as error:
        raise DataError.at(uri, "", f"is not UTF-8 ({error})", _NOT_UTF8) from error
    except (
        pa.ArrowInvalid,
        pa.ArrowTypeError,
        pa.ArrowNotImplementedError,
        pa.ArrowKeyError,
        csv.Error,
    ) as error:
        if "invalid UTF8" in str(error):
            raise DataError.at(uri, "", f"is not UTF-8 ({error})", _NOT_UTF8) from error
        raise DataError.at(uri, "", f"not readable as {format_} ({error})", format_fix(format_, uri)) from error
    except OSError as error:
        if format_ != "Parquet" or type(error) is not OSError or error.errno is not None:
            raise
        # Arrow's own, of pages that are not what was written: what a disk or a store says has a number or a class
        raise DataError.at(uri, "", f"its data is damaged ({error})", "copy or write it again") from error


def _not_compressed(uri: str, error: Exception) -> DataError:
    """Of a file that is decompressed because its name ends in .gz."""
    if isinstance(error, EOFError):
        return DataError.at(uri, "", f"ends before its compressed data does ({error})", "copy or write it again")
    if "Not a gzipped file" in str(error):
        return DataError.at(
            uri, "", f"is not gzip, which its name says ({error})", "rename it, or compress it with gzip"
        )
    return DataError.at(uri, "", f"its compressed data is damaged ({error})", "copy or write it again")
