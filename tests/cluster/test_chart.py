"""The chart at a real API server: accepted under Pod Security, and the operator may do what it must, no more."""

import json
import subprocess
import uuid
from collections.abc import Callable, Iterator

import pytest
from tests.chart.rendering import RELEASE_NAMESPACE, Manifest, render

Kubectl = Callable[..., subprocess.CompletedProcess[str]]
ACCOUNT_NAME = "rbac-test"
ACCOUNT = f"system:serviceaccount:{RELEASE_NAMESPACE}:{ACCOUNT_NAME}"
RBAC = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")


def _as_list(objects: list[Manifest]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


@pytest.fixture(scope="module")
def granted(kubectl: Kubectl) -> Iterator[str]:
    """The permissions of a release in one watched namespace, for an account that no running release has."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    objects = render(scope="Namespaced", watchNamespaces=[name], serviceAccount={"name": ACCOUNT_NAME})
    mine = [item for item in objects if item["kind"] in RBAC and item["metadata"].get("namespace") == name]
    assert kubectl("create", "namespace", name).returncode == 0
    applied = kubectl("create", "--filename", "-", stdin=_as_list(mine))
    assert applied.returncode == 0, applied.stderr
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


def test_every_object_is_accepted_in_a_restricted_namespace(kubectl: Kubectl, namespace: str) -> None:
    """Server-side dry run; a violation of Pod Security would be a warning about the Deployment's pods."""
    objects = [
        item for item in render(crds={"install": False}) if item["kind"] not in ("ClusterRole", "ClusterRoleBinding")
    ]
    for item in objects:
        item["metadata"]["namespace"] = namespace
    result = kubectl("apply", "--dry-run=server", "--filename", "-", stdin=_as_list(objects))
    assert result.returncode == 0, result.stderr
    assert "would violate PodSecurity" not in result.stderr


@pytest.mark.parametrize(
    ("verb", "resource", "answer"),
    [
        ("watch", "recommendermodels.recsys.dev", "yes"),
        ("patch", "recommendermodels.recsys.dev/status", "yes"),
        ("patch", "recommendermodels.recsys.dev", "no"),
        ("update", "recommendermodels.recsys.dev", "no"),
        ("create", "modelversions.recsys.dev", "yes"),
        ("patch", "modelversions.recsys.dev", "no"),
        ("create", "jobs.batch", "yes"),
        ("patch", "deployments.apps", "yes"),
        ("create", "pods", "no"),
        ("create", "pods/exec", "no"),
        ("create", "secrets", "yes"),
        ("list", "secrets", "no"),
        ("delete", "secrets", "no"),
        ("create", "rolebindings.rbac.authorization.k8s.io", "no"),
        ("create", "serviceaccounts/token", "no"),
    ],
)
def test_operator_may_do_what_it_must_and_no_more(
    kubectl: Kubectl, granted: str, verb: str, resource: str, answer: str
) -> None:
    kind, _, subresource = resource.partition("/")
    arguments = [f"--subresource={subresource}"] if subresource else []
    result = kubectl("auth", "can-i", verb, kind, "--namespace", granted, "--as", ACCOUNT, *arguments)
    assert result.stdout.strip() == answer


def test_operator_may_do_nothing_in_other_namespaces(kubectl: Kubectl, granted: str, namespace: str) -> None:
    result = kubectl("auth", "can-i", "list", "pods", "--namespace", namespace, "--as", ACCOUNT)
    assert result.stdout.strip() == "no"
