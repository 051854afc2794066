"""A model that asks for a GPU where no node has one: said in status, and trained as soon as the node offers one."""

import contextlib
import json
from collections.abc import Iterator

from tests.cluster.shop import Shop, eventually, new_namespace

from recsys_local.demo.api import Api
from recsys_local.demo.stage import Kubectl

CAPACITY = "/status/capacity/nvidia.com~1gpu"


def test_a_gpu_job_waits_for_a_node_and_says_why(installed: Kubectl, api: Api) -> None:
    with new_namespace(installed) as namespace:
        shop = Shop(api, installed, namespace)
        shop.apply(lambda spec: spec["training"].update(gpusPerNode=1))
        shop.wait_version(1, ("Training",), seconds=120)
        eventually(lambda: "nvidia.com/gpu" in _message(shop), seconds=60, what="the scheduler's reason in status")
        assert shop.version(1)["status"]["reason"] == "Unschedulable"

        with _node_with_a_gpu(shop):
            shop.wait_version(1, ("Stable",), seconds=300)

        training = shop.version(1)["status"]["training"]
        assert training["device"] == "cpu"
        assert "no CUDA device" in training["message"]


def _message(shop: Shop) -> str:
    return str(shop.version(1)["status"].get("message", ""))


@contextlib.contextmanager
def _node_with_a_gpu(shop: Shop) -> Iterator[None]:
    """The node offers one GPU; the kubelet takes an extended resource's capacity for its allocatable amount."""
    node = shop.api.request("GET", "/api/v1/nodes")["items"][0]["metadata"]["name"]
    _patch(shop, node, {"op": "add", "path": CAPACITY, "value": "1"})
    try:
        yield
    finally:
        _patch(shop, node, {"op": "remove", "path": CAPACITY})


def _patch(shop: Shop, node: str, change: dict[str, str]) -> None:
    shop.kubectl("patch", "node", node, "--subresource=status", "--type=json", "-p", json.dumps([change]))
