"""The cluster under contract: in memory, and a real API server."""

import asyncio
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.contract.conftest import CHECKOUT, ApiServer
from tests.contract.operator.fake_cluster import FakeCluster

from recsys_operator.adapters.cluster import ApiCluster
from recsys_operator.adapters.connection import Connection, load_connection

KUBECTL = shutil.which("kubectl") or str(Path(sys.executable).parent / "kubectl")
GATEWAY_KINDS = {"httproutes": "HTTPRoute", "gateways": "Gateway"}


@dataclass
class Bench:
    """A cluster and a namespace of its own."""

    cluster: Any
    namespace: str


def _kubectl(server: ApiServer, *arguments: str, stdin: str | None = None) -> None:
    environment = {**os.environ, "KUBECONFIG": str(server.kubeconfig)}
    done = subprocess.run(
        [KUBECTL, *arguments], input=stdin, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def _permissive_crd(plural: str, kind: str) -> str:
    """Gateway API's kinds without their schemas: enough for an API server that no gateway listens to."""
    return f"""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: {plural}.gateway.networking.k8s.io
  annotations: {{api-approved.kubernetes.io: "unapproved, for tests"}}
spec:
  group: gateway.networking.k8s.io
  names: {{plural: {plural}, singular: {kind.lower()}, kind: {kind}, listKind: {kind}List}}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {{status: {{}}}}
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"""


@pytest.fixture(scope="session")
def prepared_apiserver(apiserver: ApiServer) -> ApiServer:
    """The API server with our kinds and stand-ins for Gateway API's."""
    stand_ins = "---".join(_permissive_crd(plural, kind) for plural, kind in GATEWAY_KINDS.items())
    _kubectl(apiserver, "apply", "--server-side", "-f", "-", stdin=stand_ins)
    _kubectl(apiserver, "apply", "--server-side", "-f", str(CHECKOUT / "crds"))
    names = ("recommendermodels.recsys.dev", "modelversions.recsys.dev", "modelactions.recsys.dev")
    gateway = (f"{plural}.gateway.networking.k8s.io" for plural in GATEWAY_KINDS)
    crds = [f"crd/{name}" for name in (*names, *gateway)]
    _kubectl(apiserver, "wait", "--for=condition=Established", "--timeout=30s", *crds)
    return apiserver


@pytest.fixture
def real_connection(prepared_apiserver: ApiServer) -> Connection:
    """Credentials for the real API server."""
    return load_connection(str(prepared_apiserver.kubeconfig))


@pytest.fixture
async def real_bench(real_connection: Connection, prepared_apiserver: ApiServer) -> AsyncIterator[Bench]:
    """The real API server, with a namespace of its own."""
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    await asyncio.to_thread(_kubectl, prepared_apiserver, "create", "namespace", namespace)
    async with ApiCluster(real_connection) as cluster:
        yield Bench(cluster, namespace)


@pytest.fixture
def fake_bench() -> Bench:
    """The API server in memory."""
    return Bench(FakeCluster(), "test")


@pytest.fixture(params=["fake", "real"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """Each in turn."""
    found: Bench = request.getfixturevalue(f"{request.param}_bench")
    return found
