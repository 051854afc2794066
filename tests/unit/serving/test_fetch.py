"""What the init container refuses, and how it says so."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from recsys_serving import fetch
from recsys_serving.errors import ServingError, run_main
from recsys_serving.repository import build_config
from recsys_serving.testing.artifacts import CONFIG, make, write, write_manifest


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """An artifact in a store."""
    root = tmp_path / "store/artifact"
    write(make(), root)
    return root


def env_for(store: Path, **changes: str) -> dict[str, str]:
    manifest = store / "manifest.json"
    digest = json.loads(manifest.read_text())["digest"] if manifest.exists() else "sha256:" + "0" * 64
    return {
        "RECSYS_ARTIFACT_URI": f"file://{store}",
        "RECSYS_ARTIFACT_DIGEST": digest,
        "RECSYS_MODELS_DIR": str(store.parent.parent / "models"),
        "RECSYS_MEMORY_LIMIT_BYTES": str(2**30),
        **changes,
    }


def models(store: Path) -> Path:
    return store.parent.parent / "models"


def test_the_artifact_and_tritons_repository_are_laid(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    env = env_for(store)
    fetch.fetch(env)
    model = models(store) / "repository/recommender"
    assert env["RECSYS_ARTIFACT_DIGEST"] in (model / "config.pbtxt").read_text()
    assert "TritonPythonModel" in (model / "1/model.py").read_text()
    assert (models(store) / "artifact/manifest.json").exists()
    assert "memory: items" in capsys.readouterr().out


def test_a_second_run_copies_nothing(store: Path) -> None:
    env = env_for(store)
    fetch.fetch(env)
    env["RECSYS_ARTIFACT_URI"] = "file:///nowhere"
    fetch.fetch(env)


@pytest.mark.parametrize(
    ("uri", "env", "expected"),
    [
        ("s3://models/x", {}, "s3://models/x"),
        ("pvc://claim/models/x", {}, "file:///pvc/claim/models/x"),
        ("pvc://claim/x", {"RECSYS_PVC_ROOT": "/mnt"}, "file:///mnt/claim/x"),
    ],
)
def test_a_claim_is_read_where_it_is_mounted(uri: str, env: dict[str, str], expected: str) -> None:
    assert fetch.local_uri(uri, env) == expected


def test_a_damaged_local_copy_is_replaced(store: Path) -> None:
    env = env_for(store)
    fetch.fetch(env)
    copy = models(store) / "artifact/items.idmap"
    copy.write_bytes(b"x")
    fetch.fetch(env)
    assert copy.read_bytes() == (store / "items.idmap").read_bytes()


def test_what_an_interrupted_removal_left_is_replaced(store: Path) -> None:
    env = env_for(store)
    fetch.fetch(env)
    (models(store) / "artifact/manifest.json").unlink()
    (models(store) / "artifact/left.over").touch()
    fetch.fetch(env)
    copied = {path.name for path in (models(store) / "artifact").rglob("*")}
    assert copied == {path.name for path in store.rglob("*")}


def test_a_full_disk_is_not_taken_for_a_store_that_cannot_be_read(store: Path) -> None:
    with pytest.raises(ServingError, match="RECSYS_MODELS_DIR: no room") as caught:
        fetch.Store(f"file://{store}").copy("items.idmap", Path("/dev/full"))
    assert "credentials" not in str(caught.value)


@pytest.mark.parametrize("place", ["", "below", "models/.incoming", "models/repository"])
def test_a_folder_for_models_that_cannot_be_written_is_one_line(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / (place if place.startswith("models") else "file")).write_text("")
    folder = tmp_path / ("models" if place.startswith("models") else f"file/{place}")
    env = env_for(store, RECSYS_MODELS_DIR=str(folder))
    assert run_main("recsys-fetch", lambda: fetch.fetch(env) or 0) == 66
    said = capsys.readouterr().err
    assert said.startswith(f"recsys-fetch: RECSYS_MODELS_DIR: {folder}")
    assert "cannot be written (" in said
    assert said.endswith("); name a folder that this user may write to\n")


def code_file(store: Path) -> None:
    (store / "triton/recommender/1").mkdir()
    (store / "triton/recommender/1/model.py").write_text("import os")


def listed_code_file(store: Path) -> None:
    code_file(store)
    manifest = json.loads((store / "manifest.json").read_text())
    manifest["files"]["triton/recommender/1/model.py"] = "0" * 64
    (store / "manifest.json").write_text(json.dumps(manifest))


def missing_file(store: Path) -> None:
    (store / "seen.safetensors").unlink()


def half_written(store: Path) -> None:
    (store / "manifest.json").unlink()


def truncated(store: Path) -> None:
    weights = store / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def other_manifest(store: Path) -> None:
    (store / "manifest.json").write_text("[]")


def gone(store: Path) -> None:
    for path in sorted(store.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    store.rmdir()


REFUSALS = [
    (code_file, {}, 65, "triton/recommender/1/model.py"),
    (listed_code_file, {}, 65, "triton/recommender/1/model.py"),
    (missing_file, {}, 65, "seen.safetensors"),
    (half_written, {}, 65, "did not finish"),
    (truncated, {}, 65, "weights.safetensors: sha256"),
    (other_manifest, {"RECSYS_ARTIFACT_DIGEST": "sha256:" + "1" * 64}, 65, "manifest.json"),
    (gone, {}, 66, "does not exist"),
    (lambda store: None, {"RECSYS_ARTIFACT_DIGEST": "sha256:" + "1" * 64}, 65, "must be equal"),
    (lambda store: None, {"RECSYS_ARTIFACT_DIGEST": "abc"}, 64, "64 hex digits"),
    (lambda store: None, {"RECSYS_ARTIFACT_URI": ""}, 64, "RECSYS_ARTIFACT_URI is not set"),
    (lambda store: None, {"RECSYS_ARTIFACT_URI": "nosuch://x/y"}, 66, "nosuch"),
    (
        lambda store: None,
        {"RECSYS_ARTIFACT_URI": "az://m/v1"},
        66,
        "az://m/v1 needs the Python package adlfs, which is not installed here; in a cluster name an image that has it "
        "in the chart's images.serving",
    ),
    (lambda store: None, {"RECSYS_MEMORY_LIMIT_BYTES": "1000000"}, 71, "1.0 MiB"),
]


@pytest.mark.parametrize(("change", "env", "code", "words"), REFUSALS, ids=[str(i) for i in range(len(REFUSALS))])
def test_refusals_are_one_line_with_an_exit_code(
    store: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Path], None],
    env: dict[str, str],
    code: int,
    words: str,
) -> None:
    before = env_for(store)
    change(store)

    def main() -> int:
        fetch.fetch({**before, **env})
        return 0

    assert run_main("recsys-fetch", main) == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert words in error
    assert not (models(store) / "repository").exists()


BAD_CONFIGS = [
    (CONFIG + 'parameters { key: "EXECUTION_ENV_PATH" value { string_value: "/models/artifact/x" } }', "parameters"),
    (CONFIG + 'model_operations { op_library_filename: "x.so" }', "model_operations"),
    (CONFIG + 'default_model_filename: "../../artifact/weights.safetensors"', "default_model_filename"),
    (CONFIG.replace('"python"', '"../../x"'), "on '../../x'"),
    (CONFIG.replace('"recommender"', '"other"'), "'other'"),
    (CONFIG.replace('"k"', '"n"'), "inputs"),
    ("this is no configuration", "config.pbtxt"),
]


@pytest.mark.parametrize(("text", "words"), BAD_CONFIGS, ids=[str(i) for i in range(len(BAD_CONFIGS))])
def test_a_configuration_cannot_run_code(text: str, words: str) -> None:
    with pytest.raises(ServingError, match=words):
        build_config(text, "sha256:0")


def test_the_queue_keeps_prefetching() -> None:
    text = build_config(CONFIG, "sha256:0")
    assert "default_queue_policy" not in text
    assert "dynamic_batching" in text


def test_a_file_that_was_changed_after_the_manifest_is_refused(store: Path) -> None:
    (store / "triton/recommender/config.pbtxt").write_text(CONFIG + "# changed\n")
    with pytest.raises(ServingError, match="sha256"):
        fetch.fetch(env_for(store))
    write_manifest(store, make())
    fetch.fetch(env_for(store))
