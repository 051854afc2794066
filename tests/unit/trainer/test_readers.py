"""Readers and validation: what is read, and for every bad input the message with file, column, count and fix."""

import gzip
import io
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_api.spec.data import Data
from recsys_trainer.data.budget import Budget
from recsys_trainer.data.interactions import TRAIN, Interactions
from recsys_trainer.data.preparing import without_repeats
from recsys_trainer.data.validation import load_interactions
from recsys_trainer.errors import DataError, TrainerError, UnreadableError

GOOD = {"user_id": [1, 2, 1], "item_id": ["a", "b", "c"], "ts": [30, 20, 10]}


def load(path: Path | str, format_: str = "Parquet", **changes: Any) -> Interactions:
    uri = str(path) if "://" in str(path) else f"file://{path}"
    validation = {"minInteractions": 1, **changes.pop("validation", {})}
    columns = {"timestamp": "ts", **changes.pop("columns", {})}
    source = {"uri": uri, "format": format_}
    data = Data.model_validate({"source": source, "columns": columns, "validation": validation})
    found = load_interactions(data)
    return without_repeats(found, np.full(len(found), TRAIN, dtype=np.uint8))[0]


def parquet(folder: Path, **columns: Any) -> Path:
    path = folder / "a.parquet"
    pq.write_table(pa.table({**GOOD, **columns}), path)
    return path


def rows(data: Interactions) -> list[tuple[str, str, int]]:
    return [
        (data.users[user], data.items[item], int(time))
        for user, item, time in zip(data.user_I, data.item_I, data.timestamp_I, strict=True)
    ]


EXPECTED = [("1", "c", 10), ("2", "b", 20), ("1", "a", 30)]


def test_parquet_is_read_in_time_order(tmp_path: Path) -> None:
    assert rows(load(parquet(tmp_path))) == EXPECTED


@pytest.mark.parametrize(
    ("name", "format_", "text"),
    [
        ("a.csv", "CSV", "x,user_id,item_id,ts\n,1,a,30\n,2,b,20\n,1,c,10\n"),
        ("a.csv", "CSV", '\ufeffuser_id,"item_id",ts\r\n1,"a",30\r\n2,b,20.0\r\n1,c,1e1\r\n'),
        (
            "a.csv",
            "CSV",
            "user_id,item_id,ts\n1,a,1970-01-01 00:00:30\n2,b,1970-01-01T00:00:20\n1,c,1970-01-01 00:00:10\n",
        ),
        (
            "a.csv",
            "CSV",
            "user_id,item_id,ts\n1,a,1970-01-01T00:00:30Z\n2,b,1970-01-01T00:00:20Z\n1,c,1970-01-01T02:00:10+02:00\n",
        ),
        (
            "a.csv",
            "CSV",
            "user_id,item_id,ts\n1,a,1970-01-01T00:00:30.123456789Z\n2,b,1970-01-01T00:00:20.9Z\n"
            "1,c,1970-01-01T02:00:10.999999999999+02:00\n",
        ),
        (
            "a.inter",
            "RecBole",
            "user_id:token\titem_id:token\trating:float\tts:float\n1\ta\t3\t30\n2\tb\t3\t20\n1\tc\t3\t10\n",
        ),
    ],
    ids=["csv", "bom-quotes-floats", "iso", "iso-zones", "iso-fractions", "recbole"],
)
def test_text_formats_say_the_same(tmp_path: Path, name: str, format_: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    assert rows(load(tmp_path / name, format_)) == EXPECTED


@pytest.mark.parametrize("block_bytes", [100, 1 << 20])
def test_a_quoted_value_may_have_several_lines_wherever_a_block_ends(tmp_path: Path, block_bytes: int) -> None:
    lines = [f'u{row},i,"first, {row}\nsecond",{row}\n' for row in range(50)]
    (tmp_path / "a.csv").write_text("user_id,item_id,review,ts\n" + "".join(lines))
    source = {"uri": f"file://{tmp_path}/a.csv", "format": "CSV"}
    data = Data.model_validate({"source": source, "columns": {"timestamp": "ts"}, "validation": {"minInteractions": 1}})
    found = load_interactions(data, Budget(block_bytes=block_bytes))
    assert rows(found) == [(f"u{row}", "i", row) for row in range(50)]


def test_a_file_of_a_header_alone_adds_nothing_with_or_without_a_line_end(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user_id,item_id,ts")
    (tmp_path / "b.csv").write_text("user_id,item_id,ts\n1,c,10\n2,b,20\n1,a,30")
    assert rows(load(tmp_path, "CSV")) == EXPECTED


def test_text_ids_stay_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user_id,item_id,ts\n007,NULL,1\n7,1.0,2\n")
    assert rows(load(tmp_path / "a.csv", "CSV")) == [("007", "NULL", 1), ("7", "1.0", 2)]


def test_a_folder_is_read_whole_whatever_lies_beside_and_in_whatever_order(tmp_path: Path) -> None:
    (tmp_path / "day=1").mkdir()
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / ".hidden.csv").write_text("no")
    (tmp_path / "notes.txt").write_text("no")
    (tmp_path / "b.csv").write_text("user_id,item_id,ts\n1,a,30\n")
    with gzip.open(tmp_path / "day=1/c.csv.gz", "wt") as file:
        file.write("ts,item_id,user_id\n10,c,1\n20,b,2\n")
    assert rows(load(tmp_path, "CSV")) == EXPECTED


@pytest.mark.parametrize(
    "times",
    [
        [datetime(1970, 1, 1, 0, 0, second, tzinfo=UTC) for second in (30, 20, 10)],
        [datetime(1970, 1, 1, 0, 0, second, 500) for second in (30, 20, 10)],
        pa.array([30.9, 20.5, 10.1]),
        pa.array(["30", "20", "10"]).dictionary_encode(),
        pa.array([30, 20, 10], pa.uint32()),
    ],
    ids=["zoned", "naive", "float", "dictionary", "uint"],
)
def test_times_of_every_kind_become_whole_seconds(tmp_path: Path, times: Any) -> None:
    assert rows(load(parquet(tmp_path, ts=times))) == EXPECTED


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_fractions_of_a_second_are_cut_towards_the_past_before_1970_too(
    tmp_path: Path, unit: str, zone: str | None
) -> None:
    times = [datetime(1970, 1, 1) + timedelta(seconds=each) for each in (0.25, -0.25, -1.0)]
    data = load(parquet(tmp_path, ts=pa.array(times, pa.timestamp(unit)).cast(pa.timestamp(unit, zone))))
    assert data.timestamp_I.tolist() == [-1, -1, 0]
    text = [each.isoformat(timespec="milliseconds") + ("" if zone is None else "Z") for each in times]
    assert load(parquet(tmp_path, ts=text)).timestamp_I.tolist() == [-1, -1, 0]


def test_what_is_no_time_before_its_fraction_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"3 rows hold text such as '10:00\.5'"):
        load(parquet(tmp_path, ts=["10:00.5", "10:00.5", "10:00.5"]))


def test_dates_are_times_too(tmp_path: Path) -> None:
    data = load(parquet(tmp_path, ts=[date(1970, 1, day) for day in (4, 3, 2)]))
    assert data.timestamp_I.tolist() == [86400, 172800, 259200]


def test_of_duplicates_the_last_is_kept_and_they_are_counted(tmp_path: Path) -> None:
    data = load(parquet(tmp_path, user_id=[1, 1, 1], item_id=["a", "a", "c"]))
    assert rows(data) == [("1", "c", 10), ("1", "a", 30)]
    assert data.duplicates == 1


def test_bad_rows_within_the_limit_are_set_aside_and_counted_by_kind(tmp_path: Path) -> None:
    users: list[str | None] = [None, "", " x", "u" * 257, *(f"u{row}" for row in range(16))]
    times = [None if row in (0, 9) else row for row in range(20)]
    path = parquet(tmp_path, user_id=users, item_id=list(range(20)), ts=times)
    data = load(path, validation={"maxNullFraction": "0.25"})
    assert (len(data), data.quarantined) == (15, 5)
    assert data.problems == {"emptyUser": 1, "invalidUser": 2, "nullTimestamp": 2, "nullUser": 1}
    with pytest.raises(DataError, match=r"5 of 20 rows have no usable user_id or ts \(emptyUser 1, invalidUser 2"):
        load(path, validation={"maxNullFraction": "0.24"})


def corrupted(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-40])
    return path


def text(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
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


def test_ratings_and_the_last_group_in_time_are_kept(tmp_path: Path) -> None:
    path = parquet(tmp_path, stars=[5, 4, None], country=["fr", None, "de"], ts=[30, 20, 10])
    data = load(path, columns={"userGroup": "country"})
    assert data.user_groups is not None
    assert data.user_groups.names == ("de", "fr")
    assert data.user_groups.of.tolist() == [1, -1]
    rated = load(path, columns={"rating": "stars"}, validation={"maxNullFraction": "0.5"})
    assert rated.rating_I is not None
    assert rated.rating_I.tolist() == [4.0, 5.0]


def parquet_of(folder: Path, columns: dict[str, Any]) -> Path:
    pq.write_table(pa.table(columns), folder / "a.parquet")
    return folder / "a.parquet"


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


def test_the_digest_inputs_do_not_depend_on_how_rows_lie_in_files(tmp_path: Path) -> None:
    table = pa.table(GOOD)
    for name, part in (("one", [table]), ("two", [table.slice(2), table.slice(0, 2)])):
        (tmp_path / name).mkdir()
        for number, piece in enumerate(part):
            buffer = io.BytesIO()
            pq.write_table(piece, buffer)
            (tmp_path / name / f"{number}.parquet").write_bytes(buffer.getvalue())
    assert rows(load(tmp_path / "one")) == rows(load(tmp_path / "two"))
