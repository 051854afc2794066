"""The artifact: files, digests, rows, golden answers, and what serving may never see."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_tensors
from tests.unit.trainer.conftest import Manifest

from recsys_api.artifact import ARTIFACT_FILES, ArtifactManifest, artifact_digest
from recsys_api.idmap import write_idmap
from recsys_trainer.artifact.export import write_artifact
from recsys_trainer.artifact.served import Served, load_served, verify
from recsys_trainer.artifact.triton import build_config
from recsys_trainer.data.snapshot import Snapshot, file_digests
from recsys_trainer.errors import OutOfMemoryError, UnreadableError
from recsys_trainer.manifest import read_manifest
from recsys_trainer.training_data import build_positives


@pytest.fixture
def manifest(fitted: Path) -> ArtifactManifest:
    return ArtifactManifest.model_validate_json((fitted / "artifact/manifest.json").read_bytes())


@pytest.fixture
def served(fitted: Path, manifest: ArtifactManifest) -> Served:
    return load_served(fitted / "artifact", manifest.model)


@pytest.fixture
def golden(fitted: Path) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = json.loads((fitted / "artifact/golden.json").read_text())
    return answers


def test_the_files_are_those_of_the_contract_and_their_digest_is_the_artifacts(
    fitted: Path, manifest: ArtifactManifest
) -> None:
    folder = fitted / "artifact"
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert found == sorted([*ARTIFACT_FILES, "manifest.json"])
    assert manifest.files == file_digests(folder, ARTIFACT_FILES)
    assert manifest.digest == artifact_digest(manifest.files)


def test_a_changed_file_is_refused(fitted: Path, manifest: ArtifactManifest, tmp_path: Path) -> None:
    for file in ARTIFACT_FILES:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes((fitted / "artifact" / file).read_bytes())
    verify(tmp_path, manifest, "s3://models/v1/artifact")
    (tmp_path / "golden.json").write_text("[]")
    with pytest.raises(
        UnreadableError, match=r"s3://models/v1/artifact: .* its manifest says sha256:.*; copy it again whole"
    ):
        verify(tmp_path, manifest, "s3://models/v1/artifact")


def test_golden_answers_are_utf_8_whatever_the_locale(fitted: Path, manifest: ArtifactManifest, tmp_path: Path) -> None:
    for file in ("items.idmap", "weights.safetensors", "seen.safetensors", "popularity.safetensors"):
        (tmp_path / file).write_bytes((fitted / "artifact" / file).read_bytes())
    write_idmap(tmp_path / "users.idmap", [f"ü{row}" for row in range(manifest.model.users)])
    (tmp_path / "model.json").write_text(manifest.model.model_dump_json())
    code = (
        "import sys; from pathlib import Path; from recsys_api.artifact import ArtifactModel\n"
        "from recsys_trainer.artifact.golden import write_golden; folder = Path(sys.argv[1])\n"
        "write_golden(folder, ArtifactModel.model_validate_json((folder / 'model.json').read_bytes()))"
    )
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env={**os.environ, **ascii_only}, check=True)
    assert json.loads((tmp_path / "golden.json").read_bytes())[0]["user"] == "ü0"


def test_tensors_of_another_architecture_are_refused(fitted: Path, manifest: ArtifactManifest, tmp_path: Path) -> None:
    for file in ARTIFACT_FILES:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes((fitted / "artifact" / file).read_bytes())
    save_file({"gmf_user": np.zeros((1, 1), np.float32)}, tmp_path / "weights.safetensors")
    with pytest.raises(UnreadableError, match="not a NeuMF"):
        load_served(tmp_path, manifest.model)


@pytest.mark.parametrize("file", ["users.idmap", "golden.json"])
def test_a_disk_that_is_full_as_the_artifact_is_written_says_so(
    file: str, fitted: Path, snapshot: Snapshot, write_manifest: Manifest, tmp_path: Path
) -> None:
    run, weights = (
        read_manifest(write_manifest(), tmp_path, None),
        load_tensors(fitted / "artifact/weights.safetensors"),
    )
    (tmp_path / file).symlink_to("/dev/full")
    with pytest.raises(
        OutOfMemoryError, match=r"no space left for the artifact; give it .*, or set TMPDIR to a larger disk"
    ):
        write_artifact(tmp_path, run, snapshot, build_positives(snapshot), weights)


def test_maps_have_trained_ids_only_and_seen_is_the_training_part(served: Served, snapshot: Snapshot) -> None:
    trained = snapshot.part_I == 0
    pairs = {
        (snapshot.users[user], snapshot.items[item])
        for user, item in zip(snapshot.user_I[trained], snapshot.item_I[trained], strict=True)
    }
    assert set(served.users) == {user for user, _ in pairs}
    assert set(served.item_ids) == {item for _, item in pairs}
    assert len(served.users) < len(snapshot.users), "the synthetic data has users of the test alone"
    assert len(served.item_ids) < len(snapshot.items)
    seen = {(served.users[row], served.item_ids[item]) for row in range(len(served.users)) for item in served.seen(row)}
    assert seen == pairs


def test_popularity_counts_training_interactions_ties_by_row(fitted: Path, served: Served) -> None:
    popularity = load_file(fitted / "artifact/popularity.safetensors")
    counts = np.bincount(served.indices, minlength=served.items)
    assert popularity["scores"].tolist() == counts[popularity["items"]].tolist()
    keys = list(zip(-popularity["scores"], popularity["items"], strict=True))
    assert keys == sorted(keys)


def test_golden_answers_are_what_the_files_say(golden: list[dict[str, Any]], served: Served) -> None:
    kinds = {"unknown": 0, "empty": 0, "extra": 0}
    for answer in golden:
        assert answer["items"] == [served.item_ids[row] for row in answer["rows"]]
        kinds["extra" if answer["seen"] else "empty"] += 1
        assert not set(answer["seen"]) & set(answer["items"])
        if answer["row"] < 0:
            kinds["unknown"] += 1
            assert answer["user"] not in served.users
            assert answer["scores"] == []
            continue
        assert served.users[answer["row"]] == answer["user"]
        assert not set(answer["rows"]) & set(served.seen(answer["row"]).tolist())
        with torch.no_grad():
            logits = served.network(torch.tensor([answer["row"]]), torch.tensor(answer["rows"]))[0]
        np.testing.assert_allclose(answer["scores"], logits.numpy(), rtol=1e-4, atol=1e-5)
        assert answer["scores"] == sorted(answer["scores"], reverse=True)
    assert len(golden) == min(64, len(served.users) + 4)
    assert all(kinds.values())


def test_the_golden_tensors_are_the_known_users_of_the_golden_answers(
    fitted: Path, golden: list[dict[str, Any]]
) -> None:
    tensors = load_file(fitted / "artifact/golden.safetensors")
    known = [answer for answer in golden if answer["row"] >= 0]
    assert tensors["user_rows"].tolist() == [answer["row"] for answer in known]
    for row, answer in enumerate(known):
        size = len(answer["rows"])
        assert tensors["item_rows"][row].tolist() == answer["rows"] + [-1] * (50 - size)
        np.testing.assert_array_equal(tensors["scores"][row, :size], np.float32(answer["scores"]))
    assert {name: values.dtype.name for name, values in tensors.items()} == {
        "user_rows": "int32", "extra_seen": "int32", "item_rows": "int32", "scores": "float32",
    }  # fmt: skip


def test_a_full_catalogue_answer_leaves_nothing_seen_and_nothing_out(served: Served) -> None:
    rows, _ = served.top(0, np.array([1], dtype=np.int32), served.items)
    assert sorted(rows) == sorted(set(range(served.items)) - set(served.seen(0).tolist()) - {1})


def test_the_triton_config_has_the_contracts_signature() -> None:
    text = build_config(250)
    for expected in (
        'name: "recommender"', 'backend: "python"', "max_batch_size: 64", "default_timeout_microseconds: 250000",
        "max_queue_size: 256", "timeout_action: REJECT", '"rows" data_type: TYPE_INT32 dims: [ 1 ]',
        '"extra_seen" data_type: TYPE_INT32 dims: [ -1 ]', '"item_rows" data_type: TYPE_INT32 dims: [ -1 ]',
        '"scores" data_type: TYPE_FP32 dims: [ -1 ]',
    ):  # fmt: skip
        assert expected in text
    assert text.count("{") == text.count("}")


def test_the_lineage_names_snapshot_and_data(manifest: ArtifactManifest, snapshot: Snapshot) -> None:
    assert manifest.lineage.snapshot_digest == snapshot.manifest.digest
    assert manifest.train_cutoff_timestamp == snapshot.manifest.train_cutoff_timestamp
    assert manifest.resolved["training"]["seed"] == 0  # type: ignore[index]
