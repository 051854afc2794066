"""Whatever the table: a result or one line, never a traceback."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from recsys_api.spec.data import WITH_FRACTIONS
from recsys_api.spec.model import WITH_REGULARIZATION
from recsys_trainer import cli
from recsys_trainer.models.registry import FAMILIES

ROWS = 24
MANIFEST = {"apiVersion": "recsys.dev/v1alpha1", "kind": "RecommenderModel", "metadata": {"name": "random"}}


def column(values: st.SearchStrategy[Any], kind: pa.DataType | None = None) -> st.SearchStrategy[Any]:
    """Arrow columns of ROWS values."""
    return st.lists(values, min_size=ROWS, max_size=ROWS).map(lambda each: pa.array(each, kind))


def drawn(high: int, as_text: bool) -> st.SearchStrategy[Any]:
    """Good columns, from a seed: hypothesis' own lists are mostly zeros, and such a table has one interaction."""

    def make(seed: int) -> Any:
        values = np.random.default_rng(seed).integers(0, high, ROWS)
        return pa.array(values.astype(str) if as_text else values)

    return st.integers(0, 2**31).map(make)


GOOD_IDS = drawn(8, False) | drawn(8, True)
BAD_IDS = st.one_of(
    column(st.none() | st.integers(0, 5), pa.int64()),
    column(st.none() | st.text(max_size=3), pa.string()),
    column(st.floats()),
    st.just(pa.nulls(ROWS)),
    st.just(pa.array([{"a": 1}] * ROWS)),
)
GOOD_TIMES = drawn(10**9, False)
BAD_TIMES = st.one_of(
    column(st.none() | st.integers(0, 20), pa.int64()),
    column(st.integers(-(2**63), 2**63 - 1), pa.int64()),
    column(st.floats()),
    column(st.sampled_from(["1", "", "x", "2020-01-01", "1e400", "nan"])),
    column(st.integers(0, 2**62), pa.timestamp("ns")),
)
GOOD = st.fixed_dictionaries({"user_id": GOOD_IDS, "item_id": GOOD_IDS, "ts": GOOD_TIMES})
BAD = st.fixed_dictionaries(
    {"user_id": GOOD_IDS | BAD_IDS, "item_id": GOOD_IDS | BAD_IDS, "ts": GOOD_TIMES | BAD_TIMES},
    optional={"rating": BAD_TIMES},
)
PARTIAL = BAD.map(lambda columns: dict(list(columns.items())[1:]))
TABLES = st.one_of(GOOD, BAD, PARTIAL)
SPLITS = st.sampled_from(["Temporal", "LeaveOneOut", "Random"])
SHARES = {"testFraction": 0.3, "validationFraction": 0.3}


def run_fit(
    folder: Path,
    format_: str,
    file: Path,
    split: str,
    nulls: str,
    data: dict[str, Any] | None = None,
    **parts: dict[str, Any],
) -> int:
    spec: dict[str, Any] = {
        "data": {
            "source": {"uri": f"file://{file}", "format": format_},
            "columns": {} if format_ in ("UserItem", "Adjacency") else {"timestamp": "ts"},
            "split": {"strategy": split} | (SHARES if split in WITH_FRACTIONS else {}),
            "validation": {"minInteractions": 1, "maxNullFraction": nulls},
            **(data or {}),
        },
        "artifacts": {"uri": "s3://m/"},
        "model": {"embeddingDim": 2, "hiddenLayers": [2]},
        "training": {"epochs": 1},
        "rollout": {"gateway": {"name": "g"}},
        **parts,
    }
    manifest = folder / "model.yaml"
    manifest.write_text(yaml.safe_dump(MANIFEST | {"spec": spec}))
    return cli.main(["fit", "-f", str(manifest), "--output", str(folder / "out")])


def check(code: int, output: str, *others: int) -> None:
    event(f"exit code {code}")
    assert code in (0, 64, 65, 66, *others), output
    assert "Traceback" not in output
    if code:
        assert output.splitlines()[-1].startswith("error: ")


SETTINGS = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@SETTINGS
@given(TABLES, SPLITS, st.sampled_from(["0", "0.5", "1"]))
def test_a_random_table_never_ends_in_a_traceback(
    capsys: pytest.CaptureFixture[str], columns: dict[str, Any], split: str, nulls: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.parquet"
        pq.write_table(pa.table(columns), file)
        code = run_fit(Path(folder), "Parquet", file, split, nulls)
    check(code, capsys.readouterr().err)


CELLS = st.sampled_from(["1", "2", "a", "", '"', "x,y", "\x00", "é", "5.5"])
RAGGED = st.lists(st.lists(CELLS, min_size=2, max_size=4).map(",".join), max_size=15)
NUMBERS = st.integers(0, 2**31).map(
    lambda seed: [",".join(row) for row in np.random.default_rng(seed).integers(0, 9, (ROWS, 3)).astype(str)]
)
LINES = RAGGED | NUMBERS
WORDS = st.lists(st.lists(CELLS, max_size=4).map(" ".join), max_size=ROWS).map("\n".join).map(str.encode)
TEXTS = st.binary(max_size=80) | WORDS | LINES.map(lambda rows: "\n".join(["user_id,item_id,ts", *rows]).encode())


@SETTINGS
@given(TEXTS, st.sampled_from(["CSV", "CSV", "RecBole", "Parquet", "UserItem", "Adjacency"]))
def test_a_random_file_never_ends_in_a_traceback(
    capsys: pytest.CaptureFixture[str], content: bytes, format_: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.bin"
        file.write_bytes(content)
        code = run_fit(Path(folder), format_, file, "Random", "1")
    check(code, capsys.readouterr().err)


NUMBERED = st.integers(0, 2**31).map(
    lambda seed: "\n".join(" ".join(row) for row in np.random.default_rng(seed).integers(0, 9, (ROWS, 3)).astype(str))
)
PART = WORDS | NUMBERED.map(str.encode)


@SETTINGS
@given(st.tuples(PART, PART, PART), st.sampled_from(["UserItem", "Adjacency"]), st.integers(1, 4), st.booleans())
def test_random_parts_never_end_in_a_traceback(
    capsys: pytest.CaptureFixture[str], contents: tuple[bytes, ...], format_: str, minimum: int, weighted: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        parts = {}
        for part, content in zip(("train", "validation", "test"), contents, strict=True):
            (Path(folder) / f"{part}.txt").write_bytes(content)
            parts[part] = f"file://{folder}/{part}.txt"
        code = run_fit(
            Path(folder), format_, Path(folder), "Predefined", "1",
            data={
                "split": {"strategy": "Predefined", "predefined": parts}, "filter": {"minUserInteractions": minimum},
                "columns": {"rating": "stars"} if weighted and format_ == "UserItem" else {},
            },
        )  # fmt: skip
    check(code, capsys.readouterr().err)


RATINGS = drawn(5, False) | column(st.none() | st.floats(-3, 3)) | column(st.sampled_from(["1", "2.5", "", "x"]))
RATED = st.one_of(GOOD, GOOD, BAD).flatmap(lambda columns: RATINGS.map(lambda stars: {**columns, "stars": stars}))
TINY = 1e-6
"""So little that a user with fewer ratings than factors has no answer in float32."""
FAMILY_CHOICES = st.sampled_from(sorted(FAMILIES)).flatmap(
    lambda family: st.fixed_dictionaries(
        {"architecture": st.just(family), "embeddingDim": st.sampled_from([1, 3, 40])},
        optional={"regularization": st.sampled_from([TINY, 0.1, 1000.0])} if family in WITH_REGULARIZATION else {},
    )
)


@SETTINGS
@given(RATED, FAMILY_CHOICES, SPLITS, st.sampled_from(["0", "1"]), st.booleans())
def test_a_random_table_and_family_never_end_in_a_traceback(
    capsys: pytest.CaptureFixture[str],
    columns: dict[str, Any],
    model: dict[str, Any],
    split: str,
    nulls: str,
    refit: bool,
) -> None:
    training: dict[str, Any] = {"refit": "TrainPlusValidation"} if refit else {}
    if model["architecture"] != "PureSVD":
        training["epochs"] = 2
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.parquet"
        pq.write_table(pa.table(columns), file)
        named = {"timestamp": "ts", "rating": "stars", "userGroup": "item_id"}
        code = run_fit(
            Path(folder), "Parquet", file, split, nulls, data={"columns": named}, model=model, training=training
        )  # fmt: skip
    output = capsys.readouterr().err
    if code == 70:
        assert model.get("regularization") == TINY, output
        assert "raise model.regularization" in output
    check(code, output, 70)


CELL = st.sampled_from(["0", "1", "2", "a", "", '"', "M x", "\x00", "é", "\r"])
TYPED = st.sampled_from(["user_id:token", "item_id:token", "sex:token", "sex:token_seq", "sex:float", "sex", ":", ""])
ATTRIBUTES = st.one_of(
    st.binary(max_size=60),
    st.tuples(
        st.lists(TYPED, min_size=1, max_size=4) | st.permutations(["user_id:token", "item_id:token", "sex:token_seq"]),
        st.lists(st.lists(CELL, min_size=2, max_size=4), max_size=12),
        st.booleans(),
    ).map(lambda file: tab_separated(*file)),
)
ONE_ROW_FOR_EACH = st.lists(CELL, max_size=4).map(
    lambda groups: tab_separated(
        ["user_id:token", "item_id:token", "sex:token_seq"],
        [[str(row), str(row), group] for row, group in enumerate(groups)],
        square=True,
    )
)
BESIDE = st.none() | ATTRIBUTES | ONE_ROW_FOR_EACH | ONE_ROW_FOR_EACH


def tab_separated(header: list[str], rows: list[list[str]], square: bool) -> bytes:
    if square:
        rows = [(row + row + row)[: len(header)] for row in rows]
    return "\n".join("\t".join(row) for row in (header, *rows)).encode()


@SETTINGS
@given(BESIDE, BESIDE, st.integers(0, 2**31), st.booleans())
def test_random_attribute_files_never_end_in_a_traceback(
    capsys: pytest.CaptureFixture[str], user: bytes | None, item: bytes | None, seed: int, both: bool
) -> None:
    ids = np.random.default_rng(seed).integers(0, 4, (ROWS, 2)).astype(str).tolist()
    columns = {"userGroup": "sex"} | ({"itemGroup": "sex"} if both else {})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "a.inter").write_bytes(tab_separated(["user_id:token", "item_id:token"], ids, square=True))
        for ending, content in (("user", user), ("item", item)):
            if content is not None:
                (folder / f"a.{ending}").write_bytes(content)
        code = run_fit(folder, "RecBole", folder, "Random", "0", data={"columns": columns})
    check(code, capsys.readouterr().err)
