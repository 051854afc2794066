"""Nothing of the test part reaches the weights."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_api.artifact import SnapshotManifest
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_trainer import cli
from recsys_trainer.data.snapshot import Snapshot, read_snapshot
from recsys_trainer.data.split import TEST
from recsys_trainer.device import torch_settings
from recsys_trainer.progress import silent
from recsys_trainer.training import fit_snapshot

SPEC = RecommenderModelSpec.model_validate(
    {
        "data": {"source": {"uri": "s3://x/"}},
        "artifacts": {"uri": "s3://x/"},
        "model": {"embeddingDim": 4, "hiddenLayers": [8], "dropout": 0.1},
        "training": {"epochs": 3, "batchSize": 512},
        "rollout": {"gateway": {"name": "g"}},
    }
)


def weights(snapshot: Snapshot) -> dict[str, torch.Tensor]:
    with torch_settings(SPEC.training):
        return fit_snapshot(SPEC, snapshot, "cpu", silent)[1].weights


def test_permuting_the_test_part_leaves_the_weights_bitwise_identical(fitted: Path) -> None:
    folder = fitted / "snapshot"
    original = read_snapshot(folder, SnapshotManifest.model_validate_json((folder / "snapshot.json").read_bytes()))
    expected = weights(original)

    @settings(max_examples=8, deadline=None)
    @given(st.integers(0, 2**31), st.booleans())
    def holds(seed: int, other_times: bool) -> None:
        random = np.random.default_rng(seed)
        test = np.flatnonzero(original.part_I == TEST)
        users, items, times = original.user_I.copy(), original.item_I.copy(), original.timestamp_I.copy()
        users[test] = random.integers(0, len(original.users), len(test))
        items[test] = random.permutation(items[test])
        if other_times:
            times[test] += random.integers(0, 10**6, len(test))
        found = weights(replace(original, user_I=users, item_I=items, timestamp_I=times))
        assert all(torch.equal(found[name], expected[name]) for name in expected)

    holds()


def test_the_validation_part_chooses_the_epoch_and_only_that(fitted: Path) -> None:
    folder = fitted / "snapshot"
    original = read_snapshot(folder, SnapshotManifest.model_validate_json((folder / "snapshot.json").read_bytes()))
    moved = replace(original, item_I=np.where(original.part_I == 1, original.item_I[::-1], original.item_I))
    first, other = (fit_snapshot(SPEC, each, "cpu", silent)[1] for each in (original, moved))
    assert [entry["loss"] for entry in first.history] == [entry["loss"] for entry in other.history]
    assert [entry["ndcg@10"] for entry in first.history] != [entry["ndcg@10"] for entry in other.history]


def fitted_on(folder: Path, table: pa.Table, write_manifest: Callable[..., Path]) -> dict[str, bytes]:
    """The files of the artifact that hold what was learned, by name."""
    folder.mkdir()
    pq.write_table(table, folder / "a.parquet")
    manifest = write_manifest(f"file://{folder}", **{"training.epochs": 2, "data.filter": {"minItemInteractions": 3}})
    assert cli.main(["fit", "-f", str(manifest), "--output", str(folder / "out")]) == 0
    names = ("users.idmap", "items.idmap", "weights.safetensors", "seen.safetensors", "popularity.safetensors")
    return {name: (folder / "out/artifact" / name).read_bytes() for name in names}


def test_other_test_rows_in_the_source_leave_every_file_of_the_artifact_as_it_was(
    tmp_path: Path, table: pa.Table, write_manifest: Callable[..., Path]
) -> None:
    random = np.random.default_rng(1)
    rows = table.to_pydict()
    for at in range(int(len(table) * 0.9), len(table)):
        rows["user_id"][at], rows["item_id"][at] = int(random.integers(0, 150)), int(random.integers(0, 80))
    expected = fitted_on(tmp_path / "one", table, write_manifest)
    assert fitted_on(tmp_path / "two", pa.table(rows), write_manifest) == expected
