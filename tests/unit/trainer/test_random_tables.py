"""Whatever the table: a result or one line, never a traceback."""

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_trainer import cli

IDS = st.one_of(
    st.lists(st.one_of(st.none(), st.integers(0, 5)), min_size=12, max_size=12).map(lambda v: pa.array(v, pa.int64())),
    st.lists(st.one_of(st.none(), st.text(max_size=3)), min_size=12, max_size=12).map(
        lambda v: pa.array(v, pa.string())
    ),
    st.lists(st.floats(), min_size=12, max_size=12).map(pa.array),
    st.just(pa.nulls(12)),
    st.just(pa.array([{"a": 1}] * 12)),
)
TIMES = st.one_of(
    st.lists(st.one_of(st.none(), st.integers(0, 20)), min_size=12, max_size=12).map(lambda v: pa.array(v, pa.int64())),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=12, max_size=12).map(lambda v: pa.array(v, pa.int64())),
    st.lists(st.floats(), min_size=12, max_size=12).map(pa.array),
    st.lists(st.sampled_from(["1", "", "x", "2020-01-01", "1e400", "nan"]), min_size=12, max_size=12).map(pa.array),
    st.lists(st.integers(0, 2**62), min_size=12, max_size=12).map(lambda v: pa.array(v, pa.timestamp("ns"))),
)
NAMES = st.sampled_from(["ts", "ts", "ts", "time"])
SPLITS = st.sampled_from(["Temporal", "LeaveOneOut", "Random"])


def run_fit(folder: Path, format_: str, file: Path, split: str, nulls: str) -> int:
    spec: dict[str, Any] = {
        "data": {
            "source": {"uri": f"file://{file}", "format": format_},
            "columns": {"timestamp": "ts"},
            "split": {"strategy": split, "testFraction": 0.3, "validationFraction": 0.3},
            "validation": {"minInteractions": 1, "maxNullFraction": nulls},
        },
        "artifacts": {"uri": "s3://m/"},
        "model": {"embeddingDim": 2, "hiddenLayers": [2]},
        "training": {"epochs": 1},
        "rollout": {"gateway": {"name": "g"}},
    }
    manifest = folder / "model.yaml"
    manifest.write_text(yaml.safe_dump({"kind": "RecommenderModel", "spec": spec}))
    return cli.main(["fit", "-f", str(manifest), "--output", str(folder / "out")])


def check(code: int, output: str) -> None:
    assert code in (0, 64, 65, 66), output
    assert "Traceback" not in output
    if code:
        assert output.splitlines()[-1].startswith("error: ")


SETTINGS = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@SETTINGS
@given(IDS, IDS, TIMES, NAMES, SPLITS, st.sampled_from(["0", "0.5", "1"]))
def test_a_random_table_never_ends_in_a_traceback(
    capsys: pytest.CaptureFixture[str], user: Any, item: Any, ts: Any, name: str, split: str, nulls: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.parquet"
        pq.write_table(pa.table({"user_id": user, "item_id": item, name: ts}), file)
        code = run_fit(Path(folder), "Parquet", file, split, nulls)
    check(code, capsys.readouterr().err)


CELLS = st.sampled_from(["1", "2", "a", "", '"', "x,y", "\x00", "é", "5.5"])
LINES = st.lists(st.lists(CELLS, min_size=2, max_size=4).map(",".join), max_size=15)
TEXTS = st.binary(max_size=80) | LINES.map(lambda rows: "\n".join(["user_id,item_id,ts", *rows]).encode())


@SETTINGS
@given(TEXTS, st.sampled_from(["CSV", "RecBole", "Parquet"]))
def test_a_random_file_never_ends_in_a_traceback(
    capsys: pytest.CaptureFixture[str], content: bytes, format_: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.bin"
        file.write_bytes(content)
        code = run_fit(Path(folder), format_, file, "Random", "1")
    check(code, capsys.readouterr().err)
