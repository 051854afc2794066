"""Readers and validation: what is read."""

import gzip
import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.trainer.reading import GOOD, load, parquet, rows

from recsys_api.spec.data import Data
from recsys_trainer.data.budget import Budget
from recsys_trainer.data.validation import load_interactions
from recsys_trainer.errors import DataError

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


def test_ratings_and_the_last_group_in_time_are_kept(tmp_path: Path) -> None:
    path = parquet(tmp_path, stars=[5, 4, None], country=["fr", None, "de"], ts=[30, 20, 10])
    data = load(path, columns={"userGroup": "country"})
    assert data.user_groups is not None
    assert data.user_groups.names == ("de", "fr")
    assert data.user_groups.of.tolist() == [1, -1]
    rated = load(path, columns={"rating": "stars"}, validation={"maxNullFraction": "0.5"})
    assert rated.rating_I is not None
    assert rated.rating_I.tolist() == [4.0, 5.0]


def test_the_digest_inputs_do_not_depend_on_how_rows_lie_in_files(tmp_path: Path) -> None:
    table = pa.table(GOOD)
    for name, part in (("one", [table]), ("two", [table.slice(2), table.slice(0, 2)])):
        (tmp_path / name).mkdir()
        for number, piece in enumerate(part):
            buffer = io.BytesIO()
            pq.write_table(piece, buffer)
            (tmp_path / name / f"{number}.parquet").write_bytes(buffer.getvalue())
    assert rows(load(tmp_path / "one")) == rows(load(tmp_path / "two"))
