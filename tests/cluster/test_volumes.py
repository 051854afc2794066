"""Data and artifacts on claims instead of an object store."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.shop import Object, Shop, Spec, new_namespace

from recsys_local.demo.api import Api
from recsys_local.demo.data import fetch_ml100k, read_interactions, write_parquet
from recsys_local.demo.install import cache_folder
from recsys_local.demo.stage import Kubectl


@pytest.fixture
def shop(installed: Kubectl, api: Api, tmp_path: Path) -> Iterator[Shop]:
    """A namespace with the claims `lake`, which has the table, and `models`, both bound to folders of the node."""
    with new_namespace(installed) as namespace:
        found = Shop(api, installed, namespace)
        (tmp_path / "lake" / "ml-100k").mkdir(parents=True)
        rows = read_interactions(fetch_ml100k(cache_folder() / "data"))
        write_parquet(rows, tmp_path / "lake" / "ml-100k" / "interactions.parquet")
        (tmp_path / "models").mkdir()
        (tmp_path / "models").chmod(0o777)  # pods run as users without rights on the node
        for claim in ("lake", "models"):
            _bind(found, claim, tmp_path / claim)
        yield found
        for claim in ("lake", "models"):
            installed("delete", "persistentvolume", f"{namespace}-{claim}", "--wait=false")


def test_a_model_is_trained_and_served_from_claims(shop: Shop, tmp_path: Path) -> None:
    def change(spec: Spec) -> None:
        spec["data"]["source"] = {"uri": "pvc://lake/ml-100k/", "format": "Parquet"}
        spec["artifacts"] = {"uri": "pvc://models/shop"}

    shop.apply(change)
    shop.wait_version(1, ("Stable",), seconds=300)
    assert [path.parent.name for path in (tmp_path / "models").rglob("weights.safetensors")] == ["artifact"]
    assert all(_is_read_only(pod) for pod in shop.pods(shop.name(1)))


def _bind(shop: Shop, claim: str, folder: Path) -> None:
    name = f"{shop.namespace}-{claim}"
    shared: Object = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    volume = {
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {
            **shared, "capacity": {"storage": "1Gi"}, "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": str(folder), "type": "Directory"},
            "claimRef": {"namespace": shop.namespace, "name": claim},
        },
    }  # fmt: skip
    wish = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": claim, "namespace": shop.namespace},
        "spec": {**shared, "volumeName": name, "resources": {"requests": {"storage": "1Gi"}}},
    }  # fmt: skip
    for document in (volume, wish):
        shop.kubectl("apply", "-f", "-", stdin=json.dumps(document))


def _is_read_only(pod: Object) -> bool:
    """Whether serving mounts the artifacts' claim without writing to it."""
    containers = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
    mounts = [mount for container in containers for mount in container["volumeMounts"]]
    of_claim = [mount for mount in mounts if mount["name"] == "pvc-models"]
    return bool(of_claim) and all(mount.get("readOnly") for mount in of_claim)
