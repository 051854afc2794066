"""What the operator may do, held against a table: a new permission is a change of this file."""

from typing import get_args, get_type_hints

import pytest
from tests.chart.rendering import RELEASE_NAMESPACE, Manifest, of_kind, permissions, render

from recsys_operator.core.decision import DeleteObject
from recsys_operator.resources.kinds import KINDS

READ = ("get", "list", "watch")
WRITE = (*READ, "create", "patch", "delete")
ALLOWED: dict[str, tuple[str, ...]] = {
    "recommendermodels.recsys.dev": READ,
    "recommendermodels/status.recsys.dev": ("patch",),
    "modelversions.recsys.dev": (*READ, "create", "delete"),
    "modelversions/status.recsys.dev": ("patch",),
    "modelactions.recsys.dev": (*READ, "delete"),
    "modelactions/status.recsys.dev": ("patch",),
    "jobs.batch": (*READ, "create", "delete"),
    "deployments.apps": WRITE,
    "horizontalpodautoscalers.autoscaling": WRITE,
    "services": WRITE,
    "httproutes.gateway.networking.k8s.io": WRITE,
    "gateways.gateway.networking.k8s.io": READ,
    "pods": READ,
    "secrets": ("get", "create"),
    "events.events.k8s.io": ("create",),
}
"""In a namespace whose models the operator serves."""
EXPECTED = {(resource, verb) for resource, verbs in ALLOWED.items() for verb in verbs}


def _named(objects: list[Manifest], kind: str, name: str, namespace: str = "") -> Manifest:
    (found,) = [
        manifest
        for manifest in of_kind(objects, kind)
        if manifest["metadata"]["name"] == name and manifest["metadata"].get("namespace", "") == namespace
    ]
    return found


def test_cluster_scope_grants_the_table() -> None:
    role = _named(render(), "ClusterRole", "recsys-recsys-operator")
    assert permissions(role) == EXPECTED


@pytest.mark.parametrize("namespace", ["shop", "media"])
def test_namespaced_scope_grants_the_table_in_each_namespace(namespace: str) -> None:
    objects = render(scope="Namespaced", watchNamespaces=["shop", "media"])
    assert permissions(_named(objects, "Role", "recsys-recsys-operator", namespace)) == EXPECTED


def test_namespaced_scope_grants_the_operator_nothing_cluster_wide() -> None:
    objects = render(scope="Namespaced", watchNamespaces=["shop"])
    assert of_kind(objects, "ClusterRoleBinding") == []
    names = {role["metadata"]["name"] for role in of_kind(objects, "ClusterRole")}
    assert names == {"recsys-viewer", "recsys-editor", "recsys-oncall"}


@pytest.mark.parametrize("places", [["edge"], ["edge", "shop"]])
def test_namespaced_scope_reads_the_proxies_where_they_are(places: list[str]) -> None:
    objects = render(scope="Namespaced", watchNamespaces=["shop"], gateway={"metrics": {"namespaces": places}})
    for place in places:
        role = _named(objects, "Role", "recsys-recsys-operator-gateway", place)
        assert permissions(role) == {("pods", "list")}
        binding = _named(objects, "RoleBinding", "recsys-recsys-operator-gateway", place)
        assert binding["roleRef"]["name"] == role["metadata"]["name"]
    roles = [role for role in of_kind(objects, "Role") if role["metadata"]["name"].endswith("-gateway")]
    assert len(roles) == len(places)


def test_own_namespace_holds_lease_and_switch() -> None:
    role = _named(render(), "Role", "recsys-recsys-operator-own", RELEASE_NAMESPACE)
    assert permissions(role) == {
        ("leases.coordination.k8s.io", "create"),
        ("leases.coordination.k8s.io", "get"),
        ("leases.coordination.k8s.io", "update"),
        ("configmaps", "get"),
        ("configmaps", "list"),
        ("configmaps", "watch"),
    }
    named = [rule for rule in role["rules"] if rule["verbs"] != ["create"]]
    assert all(rule["resourceNames"] == ["recsys-operator"] for rule in named)


@pytest.mark.parametrize("scope", ["Cluster", "Namespaced"])
def test_no_role_has_a_wildcard_or_reads_all_secrets(scope: str) -> None:
    objects = render(scope=scope)
    for role in of_kind(objects, "ClusterRole") + of_kind(objects, "Role"):
        granted = permissions(role)
        assert not any("*" in part for pair in granted for part in pair)
        assert not {("secrets", verb) for verb in ("list", "watch", "update", "patch", "delete")} & granted
        assert not any(resource.startswith(("pods/", "serviceaccounts", "roles.")) for resource, _ in granted)


def test_only_what_a_decision_can_delete_may_be_deleted() -> None:
    """And routes, to write their owner back (OwnerReferencesPermissionEnforcement)."""
    role = _named(render(), "ClusterRole", "recsys-recsys-operator")
    of_acts = set(get_args(get_type_hints(DeleteObject)["kind"])) - {"Serving"}
    kinds = [KINDS[name] for name in of_acts | {"Deployment", "Service", "HorizontalPodAutoscaler", "HTTPRoute"}]
    named = {f"{kind.plural}.{kind.group}" if kind.group else kind.plural for kind in kinds}
    assert {resource for resource, verb in permissions(role) if verb == "delete"} == named


def test_spec_of_a_model_is_never_written() -> None:
    role = _named(render(), "ClusterRole", "recsys-recsys-operator")
    verbs = {verb for resource, verb in permissions(role) if resource == "recommendermodels.recsys.dev"}
    assert verbs == {"get", "list", "watch"}


def test_every_binding_is_for_the_operator_and_its_role_exists() -> None:
    objects = render(scope="Namespaced", watchNamespaces=["shop", "media"])
    for binding in of_kind(objects, "RoleBinding"):
        (subject,) = binding["subjects"]
        assert subject == {"kind": "ServiceAccount", "name": "recsys-recsys-operator", "namespace": RELEASE_NAMESPACE}
        assert _named(objects, "Role", binding["roleRef"]["name"], binding["metadata"]["namespace"])


def test_on_call_may_create_actions_and_nothing_else() -> None:
    role = _named(render(), "ClusterRole", "recsys-oncall")
    assert permissions(role) == {("modelactions.recsys.dev", "create")}
    assert not any("aggregate" in label for label in role["metadata"]["labels"])


def test_viewer_reads_and_editor_writes_models() -> None:
    objects = render()
    viewer = permissions(_named(objects, "ClusterRole", "recsys-viewer"))
    editor = permissions(_named(objects, "ClusterRole", "recsys-editor"))
    assert {verb for _, verb in viewer} == {"get", "list", "watch"}
    assert ("recommendermodels.recsys.dev", "patch") in editor
    assert ("recommendermodels/scale.recsys.dev", "patch") in editor
    assert ("modelversions.recsys.dev", "delete") not in editor


def test_roles_for_people_can_be_left_out() -> None:
    names = {role["metadata"]["name"] for role in of_kind(render(roles={"create": False}), "ClusterRole")}
    assert names == {"recsys-recsys-operator"}
