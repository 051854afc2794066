"""A source is read once: snapshots are taken over where files and settings are the same, and only there."""

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.trainer.conftest import Manifest

from recsys_api.run_spec import StableReference
from recsys_api.spec.data import Data
from recsys_trainer import cli, stages
from recsys_trainer.data.origin import observe_origin
from recsys_trainer.data.preparing import prepare_interactions
from recsys_trainer.manifest import read_manifest
from recsys_trainer.store import Store


def prepared(manifest: Path, folder: Path, stable: Path | None = None) -> dict[str, Any]:
    reference = StableReference(name="s", version_uri=f"file://{stable}", digest="") if stable else None
    stages.prepare(read_manifest(manifest, folder, reference), Store(f"file://{folder}"))
    content: dict[str, Any] = json.loads((folder / "snapshot/snapshot.json").read_text())
    return content


def test_the_stable_versions_snapshot_is_taken_over(
    tmp_path: Path, source: Path, write_manifest: Manifest, reads: list[Data]
) -> None:
    manifest = write_manifest(f"file://{source}")
    first = prepared(manifest, tmp_path / "one")
    other = write_manifest(f"file://{source}", **{"model.embeddingDim": 4, "training.epochs": 7})
    assert prepared(other, tmp_path / "two", tmp_path / "one") == first
    assert len(reads) == 1
    files = [sorted(path.name for path in (tmp_path / name / "snapshot").iterdir()) for name in ("one", "two")]
    assert files[0] == files[1]


@pytest.mark.parametrize("what", ["file", "touched", "another file", "settings", "damaged"])
def test_what_differs_is_read_again(
    tmp_path: Path, source: Path, write_manifest: Manifest, reads: list[Data], table: pa.Table, what: str
) -> None:
    prepared(write_manifest(f"file://{source}"), tmp_path / "one")
    changes = {}
    if what == "file":
        pq.write_table(table.slice(0, 2900), source / "a.parquet")
    elif what == "touched":
        os.utime(source / "a.parquet", (1, 1))
    elif what == "another file":
        pq.write_table(table.slice(0, 9), source / "b.parquet")
    elif what == "settings":
        changes = {"data.filter": {"minUserInteractions": 2}}
    else:
        with (tmp_path / "one/snapshot/users.idmap").open("ab") as file:
            file.write(b"x")
    prepared(write_manifest(f"file://{source}", **changes), tmp_path / "two", tmp_path / "one")
    assert len(reads) == 2


def test_a_source_that_changes_while_it_is_read_is_not_taken_over(
    tmp_path: Path, source: Path, write_manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(data: Data, **kept: Any) -> Any:
        found = prepare_interactions(data, **kept)
        os.utime(source / "a.parquet", (1, 1))
        return found

    monkeypatch.setattr("recsys_trainer.stages.prepare_interactions", changed)
    assert prepared(write_manifest(f"file://{source}"), tmp_path / "one")["origin"] == ""


def test_fit_into_the_same_folder_reads_only_what_changed(
    tmp_path: Path, source: Path, write_manifest: Manifest, reads: list[Data], table: pa.Table
) -> None:
    def fit(**changes: Any) -> None:
        manifest = write_manifest(f"file://{source}", **{"training.epochs": 1} | changes)
        assert cli.main(["fit", "-f", str(manifest), "--output", str(tmp_path / "out")]) == 0

    fit()
    fit(**{"model.embeddingDim": 4})
    assert len(reads) == 1
    pq.write_table(table.slice(0, 2900), source / "a.parquet")
    fit()
    assert len(reads) == 2
    assert json.loads((tmp_path / "out/snapshot/snapshot.json").read_text())["rows"] < 2900


def test_whether_a_snapshot_stands_is_told_by_one_look_at_its_manifest(
    tmp_path: Path, source: Path, write_manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, store = write_manifest(f"file://{source}"), Store(f"file://{tmp_path / 'one'}")
    prepared(manifest, tmp_path / "one")
    looks: list[str] = []
    read = Store.read
    monkeypatch.setattr(Store, "read", lambda self, name: looks.append(name) or read(self, name))
    run = read_manifest(manifest, tmp_path / "one", None)
    assert stages.is_prepared(run, store)
    assert looks == ["snapshot/snapshot.json"]
    (tmp_path / "one/snapshot/items.idmap").write_bytes(b"changed")
    assert not stages.is_prepared(run, store)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31 - 1), st.sampled_from([0, 7]))
def test_the_parts_are_drawn_by_the_splits_own_seed_alone(
    tmp_path_factory: pytest.TempPathFactory, write_manifest: Manifest, training_seed: int, split_seed: int
) -> None:
    def snapshot(training: int, **split: int) -> dict[str, Any]:
        manifest = write_manifest(**{"training.seed": training, "data.split": {"strategy": "Random", **split}})
        return prepared(manifest, tmp_path_factory.mktemp("version"))

    expected = snapshot(0, seed=split_seed)
    assert snapshot(training_seed, seed=split_seed) == expected
    assert (snapshot(training_seed)["digest"] == expected["digest"]) == (split_seed == 0), "0 is the default"


def test_the_splits_seed_is_of_the_origin(source: Path) -> None:
    def origin(seed: int) -> str:
        data = {"source": {"uri": f"file://{source}"}, "split": {"strategy": "Random", "seed": seed}}
        return observe_origin(Data.model_validate(data))

    assert origin(1) != origin(2)
