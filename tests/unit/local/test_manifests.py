"""Manifests and configuration files of the cluster."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from recsys_local import addons, configuration
from recsys_local.paths import Cache, State

GATEWAY = {"ENVOY_IMAGE": "localhost/recsys/envoy:1", "GATEWAY_ADDRESS": "10.96.0.20"}
S3 = {
    "S3_ACCESS_KEY": "access",
    "S3_SECRET_KEY": "secret",
    "S3_CONFIG": "{}",
    "S3_ADDRESS": "10.96.0.30",
    "S3_IMAGE": "localhost/recsys/s3:1",
}


def find(documents: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(document for document in documents if document["kind"] == kind)


def test_placeholders_are_filled_in_at_any_depth() -> None:
    assert addons.render({"a": ["x $(NAME) y", 1, None]}, {"NAME": "z"}) == {"a": ["x z y", 1, None]}


def test_an_unknown_placeholder_is_an_error() -> None:
    with pytest.raises(KeyError):
        addons.render("$(NOBODY)", {})


def test_values_with_quotes_and_newlines_stay_one_string() -> None:
    assert addons.render("$(A)", {"A": 'x: "y"\nz: 1'}) == 'x: "y"\nz: 1'


def test_the_gateway_accepts_routes_of_every_namespace() -> None:
    gateway = find(addons.load("gateway.yaml", GATEWAY), "Gateway")
    (listener,) = gateway["spec"]["listeners"]
    assert listener["name"] == "http"
    assert listener["allowedRoutes"] == {"namespaces": {"from": "All"}}


def test_the_gateway_class_uses_our_proxy() -> None:
    documents = addons.load("gateway.yaml", GATEWAY)
    proxy = find(documents, "EnvoyProxy")
    parameters = find(documents, "GatewayClass")["spec"]["parametersRef"]
    assert (parameters["name"], parameters["namespace"]) == (proxy["metadata"]["name"], proxy["metadata"]["namespace"])
    kubernetes = proxy["spec"]["provider"]["kubernetes"]
    assert kubernetes["envoyDeployment"]["container"]["image"] == "localhost/recsys/envoy:1"


def test_the_access_log_tells_version_bucket_and_answer() -> None:
    proxy = find(addons.load("gateway.yaml", GATEWAY), "EnvoyProxy")
    (setting,) = proxy["spec"]["telemetry"]["accessLog"]["settings"]
    wanted = {"start_time", "response_code", "response_flags", "duration", "upstream_cluster", "route_name", "path"}
    assert wanted | {"x_recsys_bucket", "x_recsys_version", "x_request_id"} <= set(setting["format"]["json"])


def test_the_s3_server_satisfies_the_restricted_profile() -> None:
    documents = addons.load("s3.yaml", S3)
    assert find(documents, "Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    pod = find(documents, "Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_containerds_configuration_is_valid_toml() -> None:
    table = configuration.containerd(Cache(Path("/cache")), State(Path("/state")), "localhost/recsys/pause:dev")
    assert tomllib.loads(configuration.to_toml(table)) == table


def test_every_rendered_file_is_written(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.pki.mkdir()
    for name in ("ca.crt", "admin.crt", "admin.key"):
        (state.pki / name).write_text(name)
    configuration.write_all(Cache(tmp_path / "cache"), state, "pause:dev", 36443)
    written = {path.name for path in state.config.rglob("*") if path.is_file()}
    assert {"containerd.toml", "kubelet.yaml", "proxy.yaml", "Corefile", "10-recsys-local.conflist"} <= written
    assert "https://127.0.0.1:36443" in state.kubeconfig.read_text()
    assert "10.245.0.1:6443" in state.kubeconfig_inside.read_text()
    assert state.kubeconfig.stat().st_mode & 0o077 == 0
