"""The whole path on the real cluster: apply -> prepared, trained, judged, served through the gateway -> deleted."""

import json
import urllib.request
from collections.abc import Iterator

import pytest
from tests.cluster.shop import Object, Shop, Spec, eventually, new_namespace

from recsys_local.demo.api import Api
from recsys_local.demo.stage import Kubectl

CHILDREN = {
    "apis/apps/v1": ("deployments", "replicasets"),
    "apis/batch/v1": ("jobs",),
    "apis/gateway.networking.k8s.io/v1": ("httproutes",),
    "apis/autoscaling/v2": ("horizontalpodautoscalers",),
    "api/v1": ("pods", "services", "secrets", "configmaps"),
}
NOT_OURS = {"s3-credentials", "kube-root-ca.crt"}


@pytest.fixture
def shop(installed: Kubectl, api: Api) -> Iterator[Shop]:
    with new_namespace(installed) as namespace:
        yield Shop(api, installed, namespace)


def test_a_model_is_trained_judged_served_and_deleted(shop: Shop) -> None:
    def gated(spec: Spec) -> None:
        gate = {"name": "floor", "metric": {"name": "NDCG", "k": 10}, "atLeast": "0.001"}
        spec["evaluation"] = {"gates": [gate], "onUndecided": "Pass"}

    shop.apply(gated)
    version = shop.wait_version(1, ("Stable",), seconds=400)

    assert version["status"]["offline"]["ndcg@10"]["n"] > 0
    assert version["status"]["gates"][0]["outcome"] == "Pass"
    assert version["status"]["digest"].startswith("sha256:")
    shop.api.wait(shop.route, _accepted, seconds=30, what="the accepted route")
    answer = _ask(shop, "196")
    assert answer["source"] == "Model"
    assert answer["version"] == version["metadata"]["name"]
    assert len(answer["items"]) == 5

    shop.kubectl("-n", shop.namespace, "delete", "recm", shop.model)
    eventually(lambda: not _children(shop), seconds=90, what="nothing is left behind")
    assert [item["metadata"]["name"] for item in shop.versions()] == [version["metadata"]["name"]], "Retain"


def test_a_missing_column_is_said_in_status_in_one_line(shop: Shop) -> None:
    shop.apply(lambda spec: spec["data"]["columns"].update(user="customer"))

    message = shop.wait_version(1, ("Invalid",), seconds=120)["status"]["message"]

    assert "customer" in message
    assert "user_id" in message
    assert "\n" not in message


def test_two_models_in_one_namespace_do_not_disturb_each_other(shop: Shop) -> None:
    other = Shop(shop.api, shop.kubectl, shop.namespace, "series")
    for model in (shop, other):
        model.apply()
    for model in (shop, other):
        model.wait_version(1, ("Stable",), seconds=400)
    for model in (shop, other):
        model.api.wait(model.route, _accepted, seconds=30, what="the accepted route")
        assert _ask(model, "196")["version"] == model.name(1)

    shop.kubectl("-n", shop.namespace, "delete", "recm", other.model)
    eventually(lambda: shop.api.get(other.route) is None, seconds=60, what="the other model's route is gone")
    assert _ask(shop, "196")["version"] == shop.name(1)


def _ask(shop: Shop, user: str) -> Object:
    body = json.dumps({"user": user, "k": 5}).encode()
    request = urllib.request.Request(f"{shop.url}/v1/recommend", body, {"x-recsys-bucket": "0001"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return dict(json.load(response))


def _accepted(route: Object) -> bool:
    parents = route.get("status", {}).get("parents", [])
    return any(c["type"] == "Accepted" and c["status"] == "True" for parent in parents for c in parent["conditions"])


def _children(shop: Shop) -> list[str]:
    """All objects of the namespace that somebody made for a model."""
    found = []
    for group, resources in CHILDREN.items():
        for resource in resources:
            items = shop.api.request("GET", f"/{group}/namespaces/{shop.namespace}/{resource}")["items"]
            names = {item["metadata"]["name"] for item in items} - NOT_OURS
            found += [f"{resource}/{name}" for name in sorted(names)]
    return found
