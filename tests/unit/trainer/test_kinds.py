"""A file that is something else than the manifest says: what it is, and which setting or command mends it."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_api.spec.data import Data
from recsys_trainer.data.interactions import Interactions
from recsys_trainer.data.validation import load_interactions
from recsys_trainer.errors import DataError

LINES = b"user_id,item_id\n" + b"1,2\n" * 9


def load(path: Path, format_: str) -> Interactions:
    source = {"uri": f"file://{path}", "format": format_}
    data = {"source": source, "columns": {"user": "user_id", "item": "item_id"}, "split": {"strategy": "Random"}}
    return load_interactions(Data.model_validate({**data, "validation": {"minInteractions": 1}}))


def refused(path: Path, format_: str) -> str:
    with pytest.raises(DataError) as caught:
        load(path, format_)
    return caught.value.line.removeprefix(f"file://{path}: ")


@pytest.mark.parametrize("format_", ["CSV", "RecBole", "UserItem", "Adjacency"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PAR1....", "is Parquet; set data.source.format: Parquet"),
        (gzip.compress(LINES), "is gzip, which its name does not say; let its name end in .gz"),
        (b"PK\x03\x04....", "is a ZIP archive; unpack it"),
        (LINES.decode().encode("utf-16"), "is UTF-16; convert it, as in: iconv -f utf-16 -t utf-8 < old > new"),
    ],
    ids=["parquet", "gzip", "zip", "utf-16"],
)
def test_what_is_no_text_is_named(tmp_path: Path, format_: str, content: bytes, words: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    assert refused(path, format_) == words


@pytest.mark.parametrize("format_", ["UserItem", "Adjacency"])
def test_a_header_of_recbole_is_no_user_and_what_stands_below_it_no_items(tmp_path: Path, format_: str) -> None:
    path = tmp_path / "a.inter"
    path.write_text("user_id:token\titem_id:token\ttimestamp:float\n" + "1\t2\t881250949\n" * 9)
    words = "the first line is a header of RecBole, 'user_id:token item_id:token timestamp:float'"
    assert refused(path, format_) == f"{words}; set data.source.format: RecBole"
    path.write_text("user:1 item:token\n")
    assert len(load(path, format_)) == 1, "ids may have colons"


def test_the_fix_for_gzip_mends_it(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(LINES))
    assert len(load(path, "CSV")) == 9


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("a.inter", "set data.source.format: RecBole, as its name says, or check the file"),
        ("a.csv", "set data.source.format: CSV, as its name says, or check the file"),
        ("a.txt", "check data.source.format and the file"),
        ("a.parquet", "check data.source.format and the file"),
    ],
)
def test_text_that_is_read_as_parquet_gets_the_format_that_its_name_says(tmp_path: Path, name: str, fix: str) -> None:
    path = tmp_path / name
    path.write_bytes(LINES)
    assert refused(path, "Parquet").endswith(f"; {fix}")


@pytest.mark.parametrize("compression", ["snappy", "zstd", "gzip"])
def test_damaged_pages_of_parquet_are_the_datas_fault_and_not_the_uris(tmp_path: Path, compression: str) -> None:
    path, drawn = tmp_path / "a.parquet", np.random.default_rng(0)
    ids = {name: pa.array(drawn.integers(0, 10**12, 500)) for name in ("user_id", "item_id")}
    pq.write_table(pa.table(ids), path, compression=compression, use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[1000:1100] = bytes(100)
    path.write_bytes(content)
    said = refused(path, "Parquet")
    assert said.startswith("its data is damaged (")
    assert said.endswith("; copy or write it again")


@pytest.mark.parametrize(
    ("ids", "counts", "fix"),
    [
        (
            [" 1", "x" * 257],
            "invalidUser 2; an id is invalid with outer space or more than 256 bytes",
            "strip or shorten them",
        ),
        (["", None], "emptyUser 1, nullUser 1", "set data.columns to columns that are filled"),
    ],
)
def test_a_column_without_a_usable_id_says_what_an_id_is(
    tmp_path: Path, ids: list[str | None], counts: str, fix: str
) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"user_id": pa.array(ids, pa.string()), "item_id": ["1", "2"]}), path)
    assert refused(path, "Parquet") == f"2 of 2 rows have no usable user_id ({counts}); {fix}"
