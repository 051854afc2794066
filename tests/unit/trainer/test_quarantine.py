"""Rows that were set aside lie in a file, whether the data was refused for them or not."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.trainer.conftest import Manifest

from recsys_api.spec.data import Data
from recsys_trainer import cli
from recsys_trainer.data import quarantine as module
from recsys_trainer.data.budget import Budget
from recsys_trainer.data.quarantine import Quarantine
from recsys_trainer.data.validation import load_interactions


@pytest.fixture
def source(tmp_path: Path, table: pa.Table) -> Path:
    """3,000 rows, four of them bad in three ways."""
    users: list[str | None] = [str(user) for user in table["user_id"].to_pylist()]
    times: list[int | None] = table["ts"].to_pylist()
    users[6], users[99], users[2999], times[99], times[700] = None, "", " x", None, None
    columns = {"user_id": users, "item_id": table["item_id"], "ts": times}
    folder = tmp_path / "data"
    folder.mkdir()
    pq.write_table(pa.table(columns), folder / "a.parquet")
    return folder


def listed(output: Path) -> list[dict[str, str]]:
    with (output / "reports/quarantine.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("limit", "code"), [("0.01", 0), ("0.001", 65)])
def test_bad_rows_are_listed_with_place_problem_and_values(
    source: Path, write_manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str], limit: str, code: int
) -> None:
    manifest = write_manifest(f"file://{source}", **{"data.validation.maxNullFraction": limit, "training.epochs": 1})
    assert cli.main(["fit", "-f", str(manifest), "--output", str(tmp_path / "out")]) == code
    found = listed(tmp_path / "out")
    assert [(row["row"], row["problems"], row["user_id"]) for row in found] == [
        ("7", "nullUser", ""), ("100", "emptyUser nullTimestamp", ""), ("701", "nullTimestamp", found[2]["user_id"]),
        ("3000", "invalidUser", " x"),
    ]  # fmt: skip
    assert all(row["file"].endswith("data/a.parquet") and row["item_id"] for row in found)
    if code:
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        for words in ("4 of 3000 rows", "maxNullFraction", f"{tmp_path}/out/reports/quarantine.csv"):
            assert words in error


def test_data_without_bad_rows_leaves_no_file_and_takes_an_old_one_away(
    source: Path, write_manifest: Manifest, tmp_path: Path
) -> None:
    refused = write_manifest(f"file://{source}", **{"training.epochs": 1})
    good = write_manifest(**{"training.epochs": 1})
    for manifest, code in ((refused, 65), (good, 0)):
        assert cli.main(["fit", "-f", str(manifest), "--output", str(tmp_path / "out")]) == code
        assert (tmp_path / "out/reports/quarantine.csv").exists() == bool(code)


@pytest.mark.parametrize("batch_rows", [3, 10_000])
def test_the_first_rows_are_listed_and_numbered_whatever_is_read_at_once(
    source: Path, monkeypatch: pytest.MonkeyPatch, batch_rows: int
) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 3)
    data = Data.model_validate(
        {"source": {"uri": f"file://{source}"}, "columns": {"timestamp": "ts"}, "validation": {"maxNullFraction": "1"}}
    )
    quarantine = Quarantine()
    found = load_interactions(data, Budget(batch_rows=batch_rows), quarantine)
    assert found.quarantined == 4
    lines = quarantine.content().decode().splitlines()
    assert [line.split(",")[1] for line in lines] == ["row", "7", "100", "701"]


def test_long_values_are_cut_and_odd_ones_quoted() -> None:
    quarantine = Quarantine()
    table = pa.table({"user_id": ["x" * 999, 'a,"b"\n'], "item_id": ["1", None]})
    quarantine.add("f", 0, table, {"invalidUser": [True, True], "nullItem": [False, True]})  # type: ignore[dict-item]
    first, second = list(csv.reader(quarantine.content().decode().splitlines(keepends=True)))[1:]
    assert len(first[3]) == module.MOST_CHARACTERS
    assert second == ["f", "2", "invalidUser nullItem", 'a,"b"\n', ""]


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        (pa.timestamp("us"), 0, "1970-01-01 00:00:00"),
        (pa.timestamp("ns"), 1, "1970-01-01 00:00:00.000000001"),
        (pa.timestamp("s"), 2**62, f"<value out of range: {2**62}>"),
        (pa.duration("ns"), 1, "1"),
    ],
    ids=str,
)
def test_times_that_python_has_no_type_for_are_shown(kind: pa.DataType, value: int, shown: str) -> None:
    found = Quarantine()
    table = pa.table({"when": pa.array([value], pa.int64()).cast(kind)})
    found.add("a.parquet", 0, table, {"late": np.array([True])})
    assert found.content().decode().splitlines()[1] == f"a.parquet,1,late,{shown}"
