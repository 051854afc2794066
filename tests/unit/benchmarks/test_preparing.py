"""The interactions that the preparing benchmark makes up, and what it says of them."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from benchmarks import preparing
from benchmarks.sizes import Sizes


def test_popularity_falls_off_by_zipfs_law_and_every_id_is_in_range() -> None:
    ids = preparing.zipf(np.random.default_rng(0), 1000, 200_000)
    counts = np.sort(np.bincount(ids, minlength=1000))[::-1]
    assert (ids.min() >= 0, ids.max() < 1000, len(counts)) == (True, True, 1000)
    slope = np.polyfit(np.log(np.arange(10, 500)), np.log(counts[10:500]), 1)[0]
    assert abs(slope + preparing.EXPONENT) < 0.1


def test_every_interaction_is_written_piece_by_piece(tmp_path: Path) -> None:
    preparing.write_interactions(tmp_path / "data", Sizes(50, 40, preparing.PIECE + 7))
    (file,) = (tmp_path / "data").iterdir()
    groups = pq.ParquetFile(file).metadata
    assert [groups.row_group(at).num_rows for at in range(groups.num_row_groups)] == [preparing.PIECE, 7]
    assert preparing.scan(tmp_path / "data")["rows"] == preparing.PIECE + 7


def test_without_a_group_the_peak_must_be_below_the_limit() -> None:
    prepared = {"seconds": 2.0, "cpuSeconds": 1.5, "peakMib": 1000.0}
    row = preparing._row(Sizes(), 1.0, prepared, {"seconds": 0.5})
    assert (row["value"], row["peerValue"], row["ratio"], row["ok"]) == (500_000, 2_000_000, 4.0, True)
    assert not preparing._row(Sizes(), 0.9, prepared, {"seconds": 0.5})["ok"]
    assert preparing._row(Sizes(), 0.9, prepared | {"groupPeakMib": 921.6}, {"seconds": 0.5})["ok"]
