"""Synthetic interactions, manifests and one finished fit that many tests read."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import recsys_trainer  # noqa: F401  first: it sets OpenMP's wait policy before torch is loaded

import numpy as np  # isort: skip
import pyarrow as pa  # isort: skip
import pyarrow.parquet as pq  # isort: skip
import pytest  # isort: skip
import torch  # isort: skip
import yaml  # isort: skip
from recsys_api.artifact import SnapshotManifest  # isort: skip
from recsys_api.run_spec import parse_job_result  # isort: skip
from recsys_api.spec.data import Data  # isort: skip
from recsys_trainer import cli  # isort: skip
from recsys_trainer.data.preparing import prepare_interactions  # isort: skip
from recsys_trainer.data.snapshot import Snapshot, read_snapshot  # isort: skip
from recsys_trainer.snapshot_cache import CACHE_VARIABLE  # isort: skip
from recsys_trainer.termination import MAX_BYTES  # isort: skip

USERS, ITEMS = 120, 60
Manifest = Callable[..., Path]
Job = Callable[..., tuple[int, Any]]


def interactions(rows: int = 3000, seed: int = 0) -> pa.Table:
    """Two groups of users who like two halves of the catalogue; late users appear in the test only."""
    random = np.random.default_rng(seed)
    user = random.integers(0, USERS, rows)
    liked = (random.random(rows) ** 2 * (ITEMS // 2)).astype(int)
    item = liked + (user % 2) * (ITEMS // 2)
    order = np.arange(rows)
    late = order > rows * 0.95
    user = np.where(late & (order % 2 == 0), USERS + order % 7, user)
    item = np.where(late & (order % 9 == 0), ITEMS + 1, item)
    return pa.table({"user_id": user, "item_id": item, "ts": 1_600_000_000 + order})


def deep_update(target: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Changes with dotted names, for example {"training.epochs": 3}."""
    for name, value in changes.items():
        *path, last = name.split(".")
        at = target
        for part in path:
            at = at.setdefault(part, {})
        at[last] = value
    return target


def spec(uri: str, **changes: Any) -> dict[str, Any]:
    """A small spec."""
    base: dict[str, Any] = {
        "data": {
            "source": {"uri": uri},
            "columns": {"timestamp": "ts"},
            "validation": {"minInteractions": 10},
        },
        "artifacts": {"uri": "s3://models/"},
        "model": {"embeddingDim": 8, "hiddenLayers": [16, 8]},
        "training": {"epochs": 3, "batchSize": 256, "optimizer": {"learningRate": 0.01}},
        "rollout": {"gateway": {"name": "public"}},
    }
    return deep_update(base, changes)


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """torch's threads as they were, whatever a test set."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits of a test take no snapshot that a person's cache holds."""
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)


@pytest.fixture(scope="session")
def table() -> pa.Table:
    """The interactions."""
    return interactions()


@pytest.fixture(scope="session")
def parquet(tmp_path_factory: pytest.TempPathFactory, table: pa.Table) -> Path:
    """A folder with the interactions."""
    folder = tmp_path_factory.mktemp("data")
    pq.write_table(table, folder / "part-0.parquet")
    return folder


@pytest.fixture
def source(tmp_path: Path, table: pa.Table) -> Path:
    """A folder of its own, which a test may change."""
    (tmp_path / "data").mkdir()
    pq.write_table(table, tmp_path / "data/a.parquet")
    return tmp_path / "data"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Data]:
    """What was read and sorted."""
    found: list[Data] = []

    def counted(data: Data, **kept: Any) -> Any:
        found.append(data)
        return prepare_interactions(data, **kept)

    monkeypatch.setattr("recsys_trainer.stages.prepare_interactions", counted)
    return found


@pytest.fixture(scope="session")
def write_manifest(tmp_path_factory: pytest.TempPathFactory, parquet: Path) -> Manifest:
    """Writes a RecommenderModel manifest with changes in dotted names."""

    def write(uri: str | None = None, **changes: Any) -> Path:
        path = tmp_path_factory.mktemp("manifest") / "model.yaml"
        document = {
            "apiVersion": "recsys.dev/v1alpha1",
            "kind": "RecommenderModel",
            "metadata": {"name": "movies"},
            "spec": spec(uri or f"file://{parquet}", **changes),
        }
        path.write_text(yaml.safe_dump(document))
        return path

    return write


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory, write_manifest: Manifest) -> Path:
    """The output folder of one `recsys-trainer fit`."""
    output = tmp_path_factory.mktemp("fitted") / "out"
    gates = [
        {"name": "floor", "metric": {"name": "NDCG", "k": 10}, "atLeast": "0.01"},
        {"name": "no-worse", "metric": {"name": "Recall", "k": 20}, "maxRegressionPercent": "2"},
    ]
    assert cli.main(["fit", "-f", str(write_manifest(**{"evaluation.gates": gates})), "--output", str(output)]) == 0
    return output


@pytest.fixture(scope="session")
def fitted_report(fitted: Path) -> dict[str, Any]:
    """Its report.json."""
    report: dict[str, Any] = json.loads((fitted / "report.json").read_text())
    return report


@pytest.fixture
def snapshot(fitted: Path) -> Snapshot:
    """Its snapshot."""
    folder = fitted / "snapshot"
    return read_snapshot(folder, SnapshotManifest.model_validate_json((folder / "snapshot.json").read_bytes()))


@pytest.fixture
def job(tmp_path: Path, parquet: Path, write_manifest: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Job:
    """Runs a verb as a Job would; returns (exit code, parsed termination message)."""
    monkeypatch.setenv("RECSYS_RUN_FILE", str(tmp_path / "run.json"))
    monkeypatch.setenv("RECSYS_TERMINATION_LOG", str(tmp_path / "termination-log"))
    monkeypatch.setenv("RECSYS_PVC_ROOT", str(parquet.parent))

    def run(*arguments: str, run_file: dict[str, Any] | None = None, **changes: Any) -> tuple[int, Any]:
        manifest = write_manifest(f"pvc://{parquet.name}/", **changes)
        document = {
            "namespace": "shop", "model": "movies", "version": "movies-0123456789", "versionUid": "u1", "number": 1,
            "versionUri": f"file://{tmp_path}/version", "spec": yaml.safe_load(manifest.read_text())["spec"],
            **(run_file or {}),
        }  # fmt: skip
        (tmp_path / "run.json").write_text(json.dumps(document))
        (tmp_path / "termination-log").unlink(missing_ok=True)
        code = cli.main(arguments)
        message = (tmp_path / "termination-log").read_bytes() if (tmp_path / "termination-log").exists() else b""
        assert len(message) <= MAX_BYTES
        return code, parse_job_result(message.decode())

    return run
