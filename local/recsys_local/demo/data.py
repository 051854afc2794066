"""ML-100K for the demo: taken from a package that carries it, turned into Parquet, uploaded to the cluster's S3."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

PACKAGE = "recbole==1.2.1"
MEMBER = "recbole/dataset_example/ml-100k/ml-100k.inter"
TEST_FRACTION = 0.1


def fetch_ml100k(cache: Path) -> Path:
    """The interactions file in `cache`, downloaded once (MovieLens may not be redistributed, so we never commit it)."""
    target = cache / "ml-100k.inter"
    if target.exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(cache), PACKAGE]
    subprocess.run(command, check=True)
    wheel = next(cache.glob("recbole-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        target.with_suffix(".part").write_bytes(archive.read(MEMBER))
    target.with_suffix(".part").rename(target)
    wheel.unlink()
    return target


def read_interactions(path: Path) -> list[tuple[str, str, float, int]]:
    """(user, item, rating, timestamp) of all 100,000 rows, in time order."""
    lines = path.read_text().splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    return sorted(((row[0], row[1], float(row[2]), int(float(row[3]))) for row in rows), key=lambda row: row[3])


def write_parquet(rows: list[tuple[str, str, float, int]], target: Path) -> None:
    """The table that examples/movies.yaml names the columns of."""
    users, items, ratings, times = zip(*rows, strict=True)
    table = pa.table({"user_id": users, "item_id": items, "rating": ratings, "timestamp": times})
    target.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, target)


def visitors(rows: list[tuple[str, str, float, int]]) -> dict[str, set[str]]:
    """All users, and what each really took in the test period: the truth that replayed users click on.

    Those of the test period alone are 166, of whom a model without refit knows 69: 5 % of the buckets may hold one, who tells nothing of
    a model's speed in a step's seconds.
    """
    start = rows[int(len(rows) * (1 - TEST_FRACTION))][3]
    truth: dict[str, set[str]] = {}
    for user, item, _, at in rows:
        taken = truth.setdefault(user, set())
        if at > start:
            taken.add(item)
    return truth
