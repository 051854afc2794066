"""Releases of the chart: a newer one over models that serve, and one that may see a single namespace."""

import json
from collections.abc import Iterator

import pytest
from tests.cluster.shop import Object, Shop, eventually, new_namespace, operator_away

from recsys_local.demo.api import Api
from recsys_local.demo.install import RELEASE, install_chart, uninstall_chart
from recsys_local.demo.stage import Kubectl


@pytest.fixture
def shop(installed: Kubectl, api: Api) -> Iterator[Shop]:
    with new_namespace(installed) as namespace:
        yield Shop(api, installed, namespace)


def test_a_newer_operator_creates_no_job_and_restarts_no_pod(shop: Shop) -> None:
    """Its images of Jobs and versions are others; a change of the spec afterwards shows that it has looked."""
    shop.apply()
    shop.wait_version(1, ("Stable",), seconds=400)
    jobs, pods = shop.jobs(), _restarts(shop)
    try:
        install_chart(shop.kubectl, values={"podAnnotations": {"release": "next"}}, tags="next")
        shop.apply(lambda spec: spec["rollout"].update(bakeSeconds=20))
        eventually(lambda: _has_looked(shop), seconds=60, what="the newer operator has seen the change")
        assert _restarts(shop) == pods
        assert shop.jobs() == jobs
        assert len(shop.versions()) == 1
    finally:
        install_chart(shop.kubectl)


def test_a_namespaced_release_serves_its_namespace_and_sees_nothing_else(shop: Shop) -> None:
    with operator_away(shop), new_namespace(shop.kubectl) as release, new_namespace(shop.kubectl) as elsewhere:
        other = Shop(shop.api, shop.kubectl, elsewhere)
        values = {
            "scope": "Namespaced", "watchNamespaces": [shop.namespace],
            "crds": {"install": False}, "roles": {"create": False},
        }  # fmt: skip
        install_chart(shop.kubectl, namespace=release, values=values)
        try:
            other.apply()
            shop.apply()
            shop.wait_version(1, ("Stable",), seconds=400)
            assert other.versions() == []
            assert "status" not in _model(other)
            assert not _may_list(shop.kubectl, f"system:serviceaccount:{release}:{RELEASE}", elsewhere)
        finally:
            uninstall_chart(release)


def _may_list(kubectl: Kubectl, account: str, namespace: str) -> bool:
    """Whether an account may list the models of a namespace."""
    asked = {"namespace": namespace, "verb": "list", "group": "recsys.dev", "resource": "recommendermodels"}
    review = {
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": account, "resourceAttributes": asked},
    }  # fmt: skip
    answer = json.loads(kubectl("create", "-o", "json", "-f", "-", stdin=json.dumps(review)))
    return bool(answer["status"]["allowed"])


def _model(shop: Shop) -> Object:
    return shop.api.request("GET", f"{shop.ours}/recommendermodels/{shop.model}")


def _has_looked(shop: Shop) -> bool:
    model = _model(shop)
    return bool(model["status"]["observedGeneration"] == model["metadata"]["generation"])


def _restarts(shop: Shop) -> dict[str, int]:
    """{pod: restarts of all its containers}"""
    return {
        pod["metadata"]["uid"]: sum(status["restartCount"] for status in pod["status"]["containerStatuses"])
        for pod in shop.pods(shop.name(1))
    }
