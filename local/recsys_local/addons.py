"""What runs in the cluster before anything of the product does: Envoy Gateway with a Gateway, and an S3 server."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from recsys_local.access import Access
from recsys_local.binaries import COMPONENTS, component_folder
from recsys_local.errors import CommandError
from recsys_local.image_specs import IMAGES
from recsys_local.network import GATEWAY_ADDRESS, S3_ADDRESS
from recsys_local.shell import run, wait_until

MANIFESTS = Path(__file__).parent / "manifests"
GATEWAY_RELEASE = "envoy-gateway"
GATEWAY_SYSTEM = "envoy-gateway-system"
S3_NAMESPACE = "recsys-s3"
_PLACEHOLDER = re.compile(r"\$\(([A-Z0-9_]+)\)")


def render(node: Any, values: Mapping[str, str]) -> Any:
    """Replace $(NAME) in every string of a document; an unknown name is a KeyError."""
    if isinstance(node, dict):
        return {key: render(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [render(value, values) for value in node]
    if isinstance(node, str):
        return _PLACEHOLDER.sub(lambda match: values[match.group(1)], node)
    return node


def load(name: str, values: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """The documents of a manifest file, filled in."""
    documents = yaml.safe_load_all((MANIFESTS / name).read_text())
    return [render(document, values or {}) for document in documents if document]


def apply_file(cluster: Access, name: str, values: Mapping[str, str] | None = None) -> None:
    """Apply a manifest file; again without effect if nothing changed."""
    text = yaml.safe_dump_all(load(name, values), sort_keys=False)
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=text)


def install(cluster: Access, *, with_s3: bool) -> None:
    """Install both and wait until they serve."""
    if with_s3:
        _apply_s3(cluster)
    _install_gateway(cluster)
    _await_gateway(cluster)
    if with_s3:
        cluster.kubectl("-n", S3_NAMESPACE, "rollout", "status", "deployment/s3", "--timeout=60s")


def _apply_s3(cluster: Access) -> None:
    access, secret = s3_credentials(cluster) or (secrets.token_hex(10), secrets.token_hex(20))
    identity = {
        "name": "recsys",
        "credentials": [{"accessKey": access, "secretKey": secret}],
        "actions": ["Admin", "Read", "List", "Tagging", "Write"],
    }
    values = {
        "S3_ACCESS_KEY": access,
        "S3_SECRET_KEY": secret,
        "S3_CONFIG": json.dumps({"identities": [identity]}),
        "S3_ADDRESS": S3_ADDRESS,
        "S3_IMAGE": IMAGES["s3"].reference,
    }
    apply_file(cluster, "s3.yaml", values)


def s3_credentials(cluster: Access) -> tuple[str, str] | None:
    """Access key and secret key of the cluster's S3 server; None before it is installed."""
    template = "go-template={{.data.AWS_ACCESS_KEY_ID|base64decode}} {{.data.AWS_SECRET_ACCESS_KEY|base64decode}}"
    try:
        words = cluster.kubectl("-n", S3_NAMESPACE, "get", "secret", "recsys-s3-credentials", "-o", template).split()
    except CommandError:
        return None
    return words[0], words[1]


def _install_gateway(cluster: Access) -> None:
    """Envoy Gateway and all CRDs, from the chart that its own Go module carries."""
    if GATEWAY_RELEASE in run(["helm", "list", "-q", "-n", GATEWAY_SYSTEM], env=cluster.env).split():
        return
    component = next(item for item in COMPONENTS if item.name == "envoy-gateway")
    chart = cluster.state.config / "gateway-helm"
    shutil.rmtree(chart, ignore_errors=True)
    shutil.copytree(component_folder(cluster.cache, component) / "gateway-helm", chart)
    template = (chart / "values.tmpl.yaml").read_text()
    image = IMAGES["envoy-gateway"].reference
    (chart / "values.yaml").write_text(
        template.replace("${GatewayImagePullPolicy}", "IfNotPresent").replace("${GatewayImage}", image)
    )
    values = chart / "recsys-values.yaml"
    values.write_text(yaml.safe_dump(gateway_values(image, IMAGES["envoy"].reference)))
    release = ["helm", "upgrade", "--install", GATEWAY_RELEASE, str(chart), "-n", GATEWAY_SYSTEM, "--create-namespace"]
    run([*release, "--values", str(values), "--wait", "--timeout", "2m"], env=cluster.env)


def gateway_values(gateway_image: str, envoy_image: str) -> dict[str, Any]:
    """Values of the chart: our images, and requests that leave a small machine to the workloads."""
    repository, tag = gateway_image.rsplit(":", 1)
    shutdown_manager = {"image": gateway_image}
    return {
        "global": {"images": {"envoyProxy": {"image": envoy_image, "pullPolicy": "IfNotPresent"}}},
        "deployment": {
            "envoyGateway": {
                "image": {"repository": repository, "tag": tag},
                "imagePullPolicy": "IfNotPresent",
                "resources": {"requests": {"cpu": "20m", "memory": "128Mi"}},
            }
        },
        "topologyInjector": {"enabled": False},
        "config": {
            "envoyGateway": {"provider": {"type": "Kubernetes", "kubernetes": {"shutdownManager": shutdown_manager}}}
        },
    }


def _await_gateway(cluster: Access) -> None:
    values = {"ENVOY_IMAGE": IMAGES["envoy"].reference, "GATEWAY_ADDRESS": GATEWAY_ADDRESS}
    apply_file(cluster, "gateway.yaml", values)

    def programmed() -> bool:
        query = "jsonpath={.status.conditions[?(@.type=='Programmed')].status}"
        return cluster.kubectl("-n", "recsys-gateway", "get", "gateway", "public", "-o", query) == "True"

    wait_until("the gateway", programmed, 90, every=0.3)
