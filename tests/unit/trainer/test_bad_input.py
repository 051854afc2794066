"""For every bad input one message with file, column, count and fix."""

import gzip
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.trainer.reading import GOOD, load, parquet, parquet_of, rows, text

from recsys_trainer.errors import DataError, TrainerError, UnreadableError


def corrupted(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-40])
    return path


HEADER = "user_id,item_id,ts\n"


BAD: dict[str, tuple[Callable[[Path], Path | str], str, type[TrainerError], str]] = {
    "no file": (
        lambda p: p / "no.parquet",
        "Parquet",
        UnreadableError,
        "no.parquet: does not exist .*; check the path",
    ),
    "empty folder": (lambda p: p, "Parquet", DataError, r"the folder has no \*.parquet file among its 0; check"),
    "empty parquet": (
        lambda p: text(p / "a.parquet", ""),
        "Parquet",
        DataError,
        "a.parquet: the file is empty; remove it",
    ),
    "not parquet": (
        lambda p: text(p / "a.parquet", "hello, world"),
        "Parquet",
        DataError,
        "a.parquet: not readable as Parquet",
    ),
    "cut parquet": (lambda p: corrupted(parquet(p)), "Parquet", DataError, "a.parquet: not readable as Parquet"),
    "missing column": (
        lambda p: parquet_of(p, {"user": [1], "item_id": [1], "ts": [1]}),
        "Parquet",
        DataError,
        "a.parquet: column user_id: is missing; the file has user, item_id, ts; set data.columns",
    ),
    "float ids": (
        lambda p: parquet(p, user_id=[1.0, 2.0, None]),
        "Parquet",
        DataError,
        "column user_id: 3 rows hold double values",
    ),
    "text time": (
        lambda p: parquet(p, ts=["now", "1", "2"]),
        "Parquet",
        DataError,
        "column ts: 1 rows hold text such as 'now'; use seconds",
    ),
    "bool time": (
        lambda p: parquet(p, ts=[True, True, False]),
        "Parquet",
        DataError,
        "column ts: 3 rows hold bool values, which are no time",
    ),
    "milliseconds": (
        lambda p: parquet(p, ts=[1, 2, 1_700_000_000_000]),
        "Parquet",
        DataError,
        "1 rows hold times such as 1700000000000.*by 1000",
    ),
    "nulls": (
        lambda p: parquet(p, item_id=["a", None, "b"]),
        "Parquet",
        DataError,
        "1 of 3 rows have no usable item_id .nullItem 1.*maxNullFraction .now 0. to 0.3334",
    ),
    "infinite time": (
        lambda p: parquet(p, ts=[1.0, 2.0, float("inf")]),
        "Parquet",
        DataError,
        "1 of 3 rows have no usable ts",
    ),
    "no rows": (
        lambda p: parquet_of(p, {name: pa.array([], pa.int64()) for name in GOOD}),
        "Parquet",
        DataError,
        "there are no rows",
    ),
    "all null": (lambda p: parquet(p, user_id=pa.nulls(3)), "Parquet", DataError, "3 of 3 rows have no usable user_id"),
    "empty csv": (lambda p: text(p / "a.csv", ""), "CSV", DataError, "a.csv: the file is empty"),
    "bom only": (
        lambda p: text(p / "a.csv", b"\xef\xbb\xbf\n"),
        "CSV",
        DataError,
        "column user_id: is missing; the file has no columns",
    ),
    "header only": (lambda p: text(p / "a.csv", HEADER), "CSV", DataError, "there are no rows"),
    "twice": (
        lambda p: text(p / "a.csv", "user_id,user_id,item_id,ts\n1,1,1,1\n"),
        "CSV",
        DataError,
        "column user_id: is there twice; rename or remove one of them",
    ),
    "ragged": (
        lambda p: text(p / "a.csv", HEADER + "1,2\n"),
        "CSV",
        DataError,
        "a.csv: not readable as CSV .*Expected 3 columns, got 2",
    ),
    "latin-1": (
        lambda p: text(p / "a.csv", HEADER.encode() + b"\xe9,1,1\n"),
        "CSV",
        DataError,
        "a.csv: is not UTF-8 .*; convert it, as in: iconv -f latin1 -t utf-8 < old > new",
    ),
    "utf-16": (
        lambda p: text(p / "a.csv", (HEADER + "1,1,1\n").encode("utf-16")),
        "CSV",
        DataError,
        "a.csv: is UTF-16; convert it, as in: iconv -f utf-16 -t utf-8 < old > new",
    ),
    "latin-1 lines": (
        lambda p: text(p / "a.txt", b"\xe9 1\n"),
        "UserItem",
        DataError,
        "a.txt: is not UTF-8 .*; convert it",
    ),
    "carriage returns": (
        lambda p: text(p / "a.csv", (HEADER + "1,1,1\n").replace("\n", "\r")),
        "CSV",
        DataError,
        "a.csv: its lines end in carriage returns alone; convert it, as in: tr ",
    ),
    "gz by name": (
        lambda p: text(p / "a.csv.gz", HEADER + "1,1,1\n"),
        "CSV",
        DataError,
        "a.csv.gz: is not gzip, which its name says .*; rename it, or compress it with gzip",
    ),
    "cut gz": (
        lambda p: text(p / "a.csv.gz", gzip.compress((HEADER + "1,1,1\n" * 99).encode())[:-9]),
        "CSV",
        DataError,
        "a.csv.gz: ends before its compressed data does .*; copy or write it again",
    ),
    "damaged gz": (
        lambda p: text(p / "a.txt.gz", gzip.compress(b"1 1\n" * 99)[:-5] + b"12345"),
        "UserItem",
        DataError,
        "a.txt.gz: .*; copy or write it again|rename it, or compress",
    ),
    "commas in inter": (
        lambda p: text(p / "a.inter", "user_id:token,item_id:token,ts:float\n1,1,1\n"),
        "RecBole",
        DataError,
        "commas separate its names, and in format RecBole tabs do; set data.source.format: CSV, or",
    ),
    "csv decimals": (
        lambda p: text(p / "a.csv", HEADER + "1.0,1,1\n2.0,1,1\n"),
        "CSV",
        DataError,
        "column user_id: 2 rows hold decimal numbers such as 1.0",
    ),
    "csv time": (
        lambda p: text(p / "a.csv", HEADER + "1,1,yesterday\n"),
        "CSV",
        DataError,
        "column ts: 1 rows hold text such as 'yesterday'",
    ),
    "inter float": (
        lambda p: text(p / "a.inter", "user_id:float\titem_id:token\tts:float\n1\t1\t1\n"),
        "RecBole",
        DataError,
        "the header says user_id:float.*write user_id:token",
    ),
    "no package": (lambda p: "gs://lake/x", "Parquet", UnreadableError, "gs://lake/x needs the Python package gcsfs"),
}


@pytest.mark.parametrize(
    ("delimiter", "words"),
    [
        (
            ";",
            "the header is one column, 'user_id;item_id;ts': semicolons separate its names, and in format CSV commas",
        ),
        ("|", "the header is one column, 'user_id|item_id|ts': bars separate its names"),
        (
            "\t",
            r"the header is one column, 'user_id\titem_id\tts': tabs separate .*; or set data.source.format: RecBole",
        ),
    ],
)
def test_columns_that_commas_do_not_separate_are_told_with_what_converts_them(
    tmp_path: Path, delimiter: str, words: str
) -> None:
    lines = [("user_id", "item_id", "ts"), ("1", '"a,b"', "30"), ("007", "c", "10")]
    old, new = text(tmp_path / "old.csv", "".join(delimiter.join(line) + "\n" for line in lines)), tmp_path / "new.csv"
    with pytest.raises(DataError) as caught:
        load(old, "CSV")
    assert all(part in caught.value.line for part in words.split(" .*"))
    assert ("RecBole" in caught.value.line) == (delimiter == "\t")
    found = re.search(r"as in: (python3 .* > new.csv)", caught.value.line)
    assert found is not None
    subprocess.run(found[1], shell=True, check=True, cwd=tmp_path)
    assert rows(load(new, "CSV")) == [("007", "c", 10), ("1", "a,b", 30)]


COLUMNS: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "text rating": (
        {"rating": "x"},
        {"x": ["5", "good", "bad"]},
        "column x: 2 rows hold text such as 'good'; name a column of numbers in data.columns.rating",
    ),
    "list rating": ({"rating": "x"}, {"x": [[1], [2], [3]]}, "column x: 3 rows hold list.* which are no numbers"),
    "null rating": ({"rating": "x"}, {"x": [5.0, None, 1.0]}, "1 of 3 rows have no usable x .nullRating 1"),
    "float group": ({"userGroup": "x"}, {"x": [0.5, 1, 2]}, "column x: 3 rows hold double values, which name no group"),
    "no group": ({"itemGroup": "y"}, {"x": ["a", "b", "c"]}, "column y: is missing; the file has .*, x; set"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_bad_column_beside_the_ids_is_one_line(tmp_path: Path, name: str) -> None:
    columns, content, message = COLUMNS[name]
    with pytest.raises(DataError, match=message) as caught:
        load(parquet(tmp_path, **content), columns=columns)
    assert "\n" not in caught.value.line


def test_too_many_groups_are_refused(tmp_path: Path) -> None:
    many = {"user_id": list(range(101)), "item_id": list(range(101)), "ts": list(range(101))}
    with pytest.raises(DataError, match="column user_id: 101 groups are more than 100; name a coarser column"):
        load(parquet_of(tmp_path, many), columns={"userGroup": "user_id"})


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_with_file_column_and_fix(tmp_path: Path, name: str) -> None:
    make, format_, kind, message = BAD[name]
    with pytest.raises(kind, match=message) as caught:
        load(make(tmp_path), format_)
    assert "\n" not in caught.value.line
    assert caught.value.exit_code == {DataError: 65, UnreadableError: 66}[kind]


def test_too_few_interactions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"3 interactions are fewer than data.validation.minInteractions = 4"):
        load(parquet(tmp_path), validation={"minInteractions": 4})


def test_duplicates_can_be_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 of 3 rows repeat a user and item"):
        load(parquet(tmp_path, user_id=[1, 1, 1], item_id=["a", "a", "c"]), validation={"onDuplicates": "Refuse"})


def test_invalid_utf8_in_parquet_is_refused(tmp_path: Path) -> None:
    broken = pa.array([b"\xff", b"a", b"b"]).cast(pa.binary()).view(pa.string())
    with pytest.raises(DataError, match=r"user_id: not valid UTF-8|not readable as Parquet"):
        load(parquet(tmp_path, user_id=broken))
    with pytest.raises(DataError, match=r"column x: not valid UTF-8 text .*; write groups as UTF-8"):
        load(parquet(tmp_path, x=broken), columns={"userGroup": "x"})
