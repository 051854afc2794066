"""The shortest whole path on the real cluster: apply -> prepared, trained, judged, served through the gateway."""

import json
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.conftest import ROOT, cluster  # noqa: F401 - the session fixture that brings the cluster up

from recsys_local.demo.api import Api
from recsys_local.demo.data import fetch_ml100k, read_interactions, write_parquet
from recsys_local.demo.install import cache_folder, endpoints, install_chart, make_namespace, put_file
from recsys_local.demo.stage import Kubectl

EXAMPLE = ROOT / "examples" / "movies.yaml"
TERMINAL = {"Stable", "Failed", "Invalid", "Rejected", "RolledBack"}


@pytest.fixture(scope="module")
def kubectl(cluster: Path, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:  # noqa: F811
    """kubectl against the cluster, with our chart installed and ML-100K in its S3 server."""
    run = Kubectl(cluster)
    install_chart(run)
    table = tmp_path_factory.mktemp("data") / "interactions.parquet"
    write_parquet(read_interactions(fetch_ml100k(cache_folder() / "data")), table)
    put_file(table, "s3://lake/ml-100k/interactions.parquet")
    put_file(table, "s3://models/.keep")
    return run


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace of its own that enforces Pod Security `restricted`."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    make_namespace(kubectl, name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


def _manifest(namespace: str, change: Callable[[dict[str, Any]], None]) -> str:
    document = yaml.safe_load(EXAMPLE.read_text())
    document["metadata"]["namespace"] = namespace
    document["spec"]["training"] |= {"epochs": 1, "refit": "Never"}
    document["spec"]["evaluation"]["gates"][0]["atLeast"] = "0.001"
    document["spec"]["rollout"]["gateway"]["pathPrefix"] = f"/{namespace}"
    change(document["spec"])
    return json.dumps(document)


def _ended(api: Api, namespace: str, *, seconds: float) -> dict[str, Any]:
    path = f"/apis/recsys.dev/v1alpha1/namespaces/{namespace}/modelversions"
    listing = api.wait(
        path,
        lambda found: bool(found["items"]) and found["items"][0].get("status", {}).get("phase") in TERMINAL,
        seconds=seconds,
        what="the version's end",
    )
    return dict(listing["items"][0])


def test_a_model_is_trained_judged_and_served_through_the_gateway(kubectl: Kubectl, namespace: str) -> None:
    api = Api(endpoints().kubeconfig)
    kubectl("apply", "-f", "-", stdin=_manifest(namespace, lambda spec: None))

    version = _ended(api, namespace, seconds=400)

    assert version["status"]["phase"] == "Stable", version["status"]
    assert version["status"]["offline"]["ndcg@10"]["n"] > 0
    assert version["status"]["digest"].startswith("sha256:")
    url = f"{endpoints().gateway}/{namespace}/v1/recommend"
    request = urllib.request.Request(url, json.dumps({"user": "196", "k": 5}).encode(), {"x-recsys-bucket": "0001"})
    api.wait(
        f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes/movies",
        _accepted,
        seconds=30,
        what="the route",
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        answer = json.load(response)
    assert answer["source"] == "Model"
    assert answer["version"] == version["metadata"]["name"]
    assert len(answer["items"]) == 5
    _deletion_leaves_what_retain_promises(api, kubectl, namespace)


def _deletion_leaves_what_retain_promises(api: Api, kubectl: Kubectl, namespace: str) -> None:
    kubectl("-n", namespace, "delete", "recm", "movies")
    for path in ("apis/apps/v1", "apis/batch/v1"):
        kind = "deployments" if "apps" in path else "jobs"
        api.wait(
            f"/{path}/namespaces/{namespace}/{kind}", lambda found: not found["items"], seconds=60, what=f"no {kind}"
        )
    versions = api.get(f"/apis/recsys.dev/v1alpha1/namespaces/{namespace}/modelversions")
    assert versions is not None
    assert len(versions["items"]) == 1, "the record is retained"


def test_a_missing_column_is_said_in_status_in_one_line(kubectl: Kubectl, namespace: str) -> None:
    api = Api(endpoints().kubeconfig)
    kubectl(
        "apply", "-f", "-", stdin=_manifest(namespace, lambda spec: spec["data"]["columns"].update(user="customer"))
    )

    version = _ended(api, namespace, seconds=120)

    assert version["status"]["phase"] == "Invalid"
    message = version["status"]["message"]
    assert "customer" in message
    assert "user_id" in message
    assert "\n" not in message


def _accepted(route: dict[str, Any]) -> bool:
    parents = route.get("status", {}).get("parents", [])
    return any(c["type"] == "Accepted" and c["status"] == "True" for parent in parents for c in parent["conditions"])
