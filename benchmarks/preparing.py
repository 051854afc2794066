"""Preparing interactions that are larger than the memory it may use, beside a plain scan of the same columns.

The child process that prepares gets a memory group with a limit where this may be made (version 1 of control groups, as
root); elsewhere its peak is measured only. Interactions are synthetic (seeded): users and items whose popularity falls off
by Zipf's law, written to Parquet piece by piece. The peer is a limit, measured in the same run: pyarrow reads the same
columns batch by batch and forgets them.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.memory_group import join, memory_group, peak_mib
from benchmarks.sizes import Sizes
from recsys_api.spec.data import Data
from recsys_trainer.data.preparing import prepare_interactions
from recsys_trainer.data.snapshot import read_snapshot, write_snapshot
from recsys_trainer.training_data import build_positives

Row = dict[str, Any]
PEER = "pyarrow reads the same columns"
PIECE = 1 << 20
EXPONENT = 1.05
MEMORY_GIB = 2.0
"""That preparing may use."""
COLUMNS = ["user_id", "item_id", "ts"]


def rows(sizes: Sizes, memory_gib: float = MEMORY_GIB) -> list[Row]:
    """One row: rows a second, beside the scan's."""
    with tempfile.TemporaryDirectory(prefix="recsys-bench-") as folder:
        write_interactions(Path(folder) / "data", sizes)
        scanned = _child("scan", Path(folder), memory_gib)
        prepared = _child("prepare", Path(folder), memory_gib)
    return [_row(sizes, memory_gib, prepared, scanned)]


def write_interactions(folder: Path, sizes: Sizes) -> None:
    """Parquet files of ten pieces each."""
    folder.mkdir()
    random = np.random.default_rng(0)
    schema = pa.schema([(name, pa.int64()) for name in COLUMNS])
    for number, start in enumerate(range(0, sizes.interactions, 10 * PIECE)):
        with pq.ParquetWriter(folder / f"{number:05}.parquet", schema) as writer:
            for at in range(start, min(start + 10 * PIECE, sizes.interactions), PIECE):
                count = min(PIECE, sizes.interactions - at)
                columns = [
                    zipf(random, sizes.users, count),
                    zipf(random, sizes.items, count),
                    1_600_000_000 + random.integers(0, 30_000_000, count),
                ]
                writer.write_table(pa.table(dict(zip(COLUMNS, columns, strict=True))))


def zipf(random: np.random.Generator, size: int, count: int) -> npt.NDArray[np.int64]:
    """Ids whose frequencies fall off as rank to the power of -EXPONENT, by inversion of the continuous law."""
    power = 1.0 - EXPONENT
    rank = ((random.random(count) * ((size + 1.0) ** power - 1.0)) + 1.0) ** (1.0 / power)
    ranks: npt.NDArray[np.int64] = np.minimum(rank.astype(np.int64) - 1, size - 1)
    return ranks * 2_654_435_761 % size if np.gcd(2_654_435_761, size) == 1 else ranks


def prepare(folder: Path, snapshot: Path) -> dict[str, Any]:
    """What the preparing Job does, and the table that training begins with."""
    data = Data.model_validate(
        {"source": {"uri": f"file://{folder}", "format": "Parquet"}, "columns": {"timestamp": "ts"}}
    )
    began = time.perf_counter()
    manifest = write_snapshot(snapshot, *prepare_interactions(data))
    prepared = time.perf_counter() - began
    peak, cpu = _peak_mib(), time.process_time()
    positives = build_positives(read_snapshot(snapshot, manifest))
    return {
        "seconds": prepared, "cpuSeconds": cpu, "peakMib": peak, "rows": manifest.rows, "users": manifest.users, "items": manifest.items,
        "digest": manifest.digest, "positives": len(positives.indices),
        "positivesSeconds": time.perf_counter() - began - prepared, "peakWithPositivesMib": _peak_mib(),
    }  # fmt: skip


def scan(folder: Path) -> dict[str, Any]:
    """Reads every batch and forgets it."""
    began = time.perf_counter()
    found = 0
    for path in sorted(folder.iterdir()):
        for batch in pq.ParquetFile(path, pre_buffer=False, buffer_size=PIECE).iter_batches(PIECE, columns=COLUMNS):
            found += batch.num_rows
    return {"seconds": time.perf_counter() - began, "rows": found}


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _child(what: str, folder: Path, memory_gib: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.preparing", what, str(folder)]
    with memory_group(memory_gib) as group:
        if group:
            command += ["--group", str(group)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        found: dict[str, Any] = json.loads(done.stdout)
        if group:
            found["groupPeakMib"] = peak_mib(group)
    return found


def _row(sizes: Sizes, memory_gib: float, prepared: dict[str, Any], scanned: dict[str, Any]) -> Row:
    rate, peer = (sizes.interactions / found["seconds"] for found in (prepared, scanned))
    peak, held = prepared["peakMib"], "groupPeakMib" in prepared
    limit = f" under {memory_gib:g} GiB" if held else ""
    name = f"preparing {sizes.interactions:,} of {sizes.users:,} x {sizes.items:,}{limit}"
    return {
        "name": name, "unit": f"rows/s ({prepared['seconds']:.1f} s, {prepared['cpuSeconds']:.1f} s CPU)", "value": round(rate),
        "peer": PEER, "peerValue": round(peer), "ratio": round(peer / rate, 2), "atLeast": None,
        # A group's limit counts the pages of mapped files, and the kernel takes them back; the process's peak counts them
        # too, so that it says little. Who ended in the group kept to its limit.
        "ok": held or peak <= memory_gib * 1024, "details": prepared,
    }  # fmt: skip


def main() -> None:
    """What the child does, as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["scan", "prepare", "generate"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--group", type=Path)
    for name in ("users", "items", "interactions"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Sizes, name))
    options = parser.parse_args()
    if options.group:
        join(options.group)
    data = options.folder / "data"
    if options.what == "generate":
        write_interactions(data, Sizes(options.users, options.items, options.interactions))
        return
    print(json.dumps(scan(data) if options.what == "scan" else prepare(data, options.folder / "snapshot")))


if __name__ == "__main__":
    main()
