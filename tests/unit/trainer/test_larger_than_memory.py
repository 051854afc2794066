"""Preparing in small pieces: the same snapshot, to the bit, and never more than a piece in memory."""

import io
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError

from recsys_api.idmap import write_idmap
from recsys_api.spec.data import WITH_FRACTIONS, Data
from recsys_trainer.data import readers
from recsys_trainer.data.attributes import GroupColumns
from recsys_trainer.data.budget import BUDGET, Budget
from recsys_trainer.data.idlist import Ids
from recsys_trainer.data.mapping import read_ids, write_ids
from recsys_trainer.data.preparing import prepare_interactions
from recsys_trainer.data.snapshot import read_snapshot, write_snapshot
from recsys_trainer.data.sorting import stable_order
from recsys_trainer.data.validation import load_interactions
from recsys_trainer.errors import DataError, OutOfMemoryError
from recsys_trainer.training_data import build_positives

TINY = Budget(batch_rows=7, block_bytes=256, sort_rows=11, values=5, array_bytes=16)
BUDGETS = st.builds(
    Budget,
    batch_rows=st.integers(5, 40),
    block_bytes=st.integers(64, 400),
    sort_rows=st.integers(10, 60),
    values=st.integers(1, 60),
    array_bytes=st.sampled_from([0, 100, 1 << 20]),
)


def table(random: np.random.Generator, rows: int) -> pa.Table:
    """Many repeats and equal times, groups and ratings with gaps."""
    countries = np.array(["fr", "de", "", "it"])
    return pa.table(
        {
            "user_id": random.integers(0, 12, rows).astype(str),
            "item_id": random.integers(0, 9, rows),
            "ts": random.integers(0, 6, rows),
            "stars": random.integers(1, 6, rows).astype(np.float32),
            "country": countries[random.integers(0, 4, rows)],
        }
    )


def config(folder: Path, format_: str, **changes: Any) -> Data:
    base: dict[str, Any] = {
        "source": {"uri": f"file://{folder}", "format": format_},
        "columns": {"timestamp": "ts", "rating": "stars", "userGroup": "country", "itemGroup": "country"},
        "validation": {"minInteractions": 1},
        "split": {"testFraction": 0.3, "validationFraction": 0.3},
    }
    return Data.model_validate(base | changes)


def outcome(data: Data, folder: Path, budget: Budget) -> tuple[Any, str]:
    """(snapshot, "") or (None, why it was refused)."""
    try:
        manifest = write_snapshot(folder, *prepare_interactions(data, budget))
    except DataError as error:
        return None, error.line
    return read_snapshot(folder, manifest), ""


@given(
    seed=st.integers(0, 2**32),
    format_=st.sampled_from(["Parquet", "CSV"]),
    strategy=st.sampled_from(["Temporal", "LeaveOneOut", "Random", "Predefined"]),
    by_seconds=st.booleans(),
    least=st.integers(1, 3),
    timed=st.booleans(),
    budget=BUDGETS,
)
@settings(max_examples=25, deadline=None)
def test_a_snapshot_does_not_depend_on_how_much_is_held_at_once(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    format_: str,
    strategy: str,
    by_seconds: bool,
    least: int,
    timed: bool,
    budget: Budget,
) -> None:
    folder, random = tmp_path_factory.mktemp("tiny"), np.random.default_rng(seed)
    parts = ("train", "validation", "test")
    for part in parts:
        (folder / "data" / part).mkdir(parents=True)
        for number in range(2):
            content = table(random, int(random.integers(20, 60)))
            if format_ == "CSV":
                pa.csv.write_csv(content, folder / f"data/{part}/{number}.csv")
            else:
                pq.write_table(content, folder / f"data/{part}/{number}.parquet", row_group_size=13)
    split: dict[str, Any] = {"strategy": strategy}
    if strategy == "Temporal" and by_seconds:
        split |= {"testSeconds": 2, "validationSeconds": 2}
    elif strategy in WITH_FRACTIONS:
        split |= {"testFraction": 0.3, "validationFraction": 0.3}
    if strategy == "Predefined":
        split |= {"predefined": {part: f"file://{folder}/data/{part}" for part in parts}}
    columns = {"rating": "stars", "userGroup": "country", "itemGroup": "country"}
    data = config(
        folder / "data", format_, split=split, filter={"minUserInteractions": least, "minItemInteractions": least},
        columns=columns | ({"timestamp": "ts"} if timed or strategy == "Temporal" else {}),
    )  # fmt: skip
    whole, refused = outcome(data, folder / "whole", BUDGET)
    pieces, also_refused = outcome(data, folder / "pieces", budget)
    assert also_refused == refused
    if refused:
        return
    assert pieces.manifest == whole.manifest
    expected, found = build_positives(whole), build_positives(pieces, budget=budget)
    assert expected.cutoff == found.cutoff
    for name in ("user_of", "item_of", "indptr", "indices", "ratings"):
        assert np.array_equal(getattr(expected, name), getattr(found, name)), name


class Counted(io.BytesIO):
    """A file that knows how much of it was asked for."""

    asked = 0

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        self.asked += len(found)
        return found


LINES = 60_000
PAIRS = [(row % 401, row % 397) for row in range(LINES)]


def content(format_: str) -> bytes:
    if format_ == "Parquet":
        columns = [pa.array(np.random.default_rng(0).permutation(LINES)) for _ in range(2)]
        sink = io.BytesIO()
        pages = {"use_dictionary": False, "data_page_size": 1000, "write_batch_size": 100}  # of one row group
        pq.write_table(pa.table(dict(zip(("user_id", "item_id"), columns, strict=True))), sink, **pages)
        return sink.getvalue()
    separator = {"CSV": ",", "RecBole": "\t"}.get(format_, " ")
    header = {"CSV": "user_id,item_id\n", "RecBole": "user_id:token\titem_id:token\n"}.get(format_, "")
    return (header + "".join(f"{user}{separator}{item}\n" for user, item in PAIRS)).encode()


@pytest.mark.parametrize("format_", ["Parquet", "CSV", "RecBole", "UserItem", "Adjacency"])
def test_a_file_is_read_as_its_rows_are_taken(format_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_PAGE_BYTES", 1000)
    raw = content(format_)
    stream = Counted(raw)
    file = readers._opened(
        format_, stream, "f", ["user_id", "item_id"], Budget(batch_rows=50, block_bytes=1000), GroupColumns()
    )
    sizes = [next(file.batches).num_rows for _ in range(3)]
    assert stream.asked < len(raw) / 2, "most of the file was read for its first rows"
    sizes += [batch.num_rows for batch in file.batches]
    assert sum(sizes) == LINES
    assert max(sizes) <= 50


def test_whole_file_counts_are_said_although_it_is_read_in_pieces(tmp_path: Path) -> None:
    def refused(name: str, text: str, format_: str, message: str, **changes: Any) -> None:
        (tmp_path / name).write_text(text)
        data = config(tmp_path / name, format_, **({"columns": {}} | changes))
        with pytest.raises(DataError, match=message):
            load_interactions(data, TINY)

    rows = [f"{row % 9},{row % 7}" for row in range(60)]
    timed = {"columns": {"timestamp": "ts"}}
    header = "user_id,item_id,ts\n"
    times = [f"{row},now\n" if number % 4 == 3 else f"{row},{number}\n" for number, row in enumerate(rows)]
    refused("a.csv", header + "".join(times), "CSV", "15 rows hold text such as 'now'", **timed)
    mixed = [f"{row},2020-01-01{'T00:00:00Z' if number == 59 else ''}\n" for number, row in enumerate(rows)]
    refused("b.csv", header + "".join(mixed), "CSV", "60 rows hold text such as '2020-01-01'", **timed)
    late = [f"{row},{number}000000000000\n" if number > 49 else f"{row},1\n" for number, row in enumerate(rows)]
    refused("c.csv", header + "".join(late), "CSV", "10 rows hold times such as 50000000000000.*by 1000", **timed)
    decimals = "".join(f"{number}.0,{number % 3}\n" for number in range(60))
    refused("d.csv", "user_id,item_id\n" + decimals, "CSV", "column user_id: 60 rows hold decimal numbers such as 0.0")
    some = "".join(f"{number}{'.0' if number > 49 else ''},{number % 3}\n" for number in range(60))
    refused("h.csv", "user_id,item_id\n" + some, "CSV", "column user_id: 10 rows hold decimal numbers such as 50.0")
    rated = [f"{row},{'good' if number % 10 == 9 else 3}\n" for number, row in enumerate(rows)]
    text = "user_id,item_id,stars\n" + "".join(rated)
    refused("e.csv", text, "CSV", "6 rows hold text such as 'good'", columns={"rating": "stars"})
    lines = [f"{number} 1 2 3\n" if number % 20 == 19 else f"{number} 1\n" for number in range(60)]
    refused("f.txt", "".join(lines), "UserItem", "3 of 60 lines are not .* as '19 1 2 3'")
    repeats = {"validation": {"minInteractions": 1, "onDuplicates": "Refuse"}}
    refused("g.csv", "user_id,item_id\n" + "\n".join(rows * 2), "CSV", "60 of 120 rows repeat", **repeats)


def test_decimals_among_other_ids_are_ids_wherever_they_stand(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user_id,item_id\n" + "1.0,5\n" * 40 + "u,5\n")
    found = load_interactions(config(tmp_path / "a.csv", "CSV", columns={}), TINY)
    assert list(found.users) == ["1.0", "u"]


@given(st.lists(st.tuples(*(st.integers(-3, 2**34) | st.integers(0, 3),) * 2), max_size=50))
def test_rows_of_equal_keys_stay_as_they_are(rows: list[tuple[int, int]]) -> None:
    keys = np.array(rows, dtype=np.int64).reshape(-1, 2)
    assert stable_order(keys[:, 0], keys[:, 1]).tolist() == sorted(range(len(rows)), key=rows.__getitem__)


IDS = st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=5), unique=True, max_size=30)


@given(IDS)
@settings(deadline=None)
def test_an_id_map_written_in_bulk_is_the_published_file(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("maps")
    write_idmap(folder / "one", ids)
    write_ids(folder / "bulk", Ids.of(ids))
    assert (folder / "bulk").read_bytes() == (folder / "one").read_bytes()
    found = read_ids(folder / "bulk")
    assert list(found) == ids
    assert found == Ids.of(ids)
    part = found[1:]  # begins within the buffers
    write_ids(folder / "part", part)
    assert list(read_ids(folder / "part")) == ids[1:]
    assert [found[row] for row in range(len(ids))] == ids
    assert all(text in found for text in ids)
    assert "\x00no id of these" not in found


def test_a_full_disk_is_one_line_that_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    pq.write_table(table(np.random.default_rng(0), 50), tmp_path / "a.parquet")
    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(OutOfMemoryError, match=r"no space left .* 60 bytes .* set TMPDIR to a larger disk"):
        load_interactions(config(tmp_path, "Parquet"), TINY)


def test_that_no_file_may_become_so_large_is_one_line_too(tmp_path: Path) -> None:
    pq.write_table(table(np.random.default_rng(0), 50), tmp_path / "a.parquet")
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, allowed[1]))
    try:
        with pytest.raises(OutOfMemoryError, match=r"no space left \(.*: ulimit -f\) for the interactions"):
            load_interactions(config(tmp_path, "Parquet"), TINY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, allowed)


def test_a_disk_that_is_full_as_the_snapshot_is_written_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(table(np.random.default_rng(0), 50), tmp_path / "a.parquet")
    found = prepare_interactions(config(tmp_path, "Parquet"))
    said = r"no space left for the snapshot.*, or set TMPDIR to a larger disk"
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot/users.idmap").symlink_to("/dev/full")
    with pytest.raises(OutOfMemoryError, match=said):
        write_snapshot(tmp_path / "snapshot", *found)

    def full(*_: object) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("recsys_trainer.disk.save_file", full)
    with pytest.raises(OutOfMemoryError, match=said):
        write_snapshot(tmp_path / "other", *found)
