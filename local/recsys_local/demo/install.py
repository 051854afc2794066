"""Cluster, chart and data for the demo and for the tests on the cluster, over what `recsys_local` offers."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from recsys_local.cluster import Cluster
from recsys_local.paths import CHECKOUT, Cache, State
from recsys_local.ports import port_of
from recsys_local.s3 import create_bucket, environment, upload

OPERATOR_NAMESPACE = "recsys-system"
RELEASE = "recsys-operator"
S3_INSIDE = "http://s3.recsys-s3.svc.cluster.local:8333"
CREDENTIALS = "s3-credentials"


class Runs(Protocol):
    """kubectl."""

    def __call__(self, *args: str, stdin: str | None = None) -> str:
        """Its standard output."""


@dataclass(frozen=True)
class Endpoints:
    """How the cluster is reached from outside."""

    kubeconfig: Path
    gateway: str


def endpoints() -> Endpoints:
    """Of the local cluster."""
    return Endpoints(State.default().kubeconfig, f"http://127.0.0.1:{port_of('gateway')}")


def cache_folder() -> Path:
    """What survives between runs."""
    return Cache.default().root


def cluster_up() -> None:
    """`python -m recsys_local up`, the progress of long parts on our terminal."""
    done = subprocess.run([sys.executable, "-m", "recsys_local", "up", "--quiet"], check=False)
    if done.returncode:
        raise RuntimeError("the cluster did not start; the lines above say why")


def install_chart(
    kubectl: Runs, *, namespace: str = OPERATOR_NAMESPACE, values: dict[str, object] | None = None, tags: str = ""
) -> str:
    """`helm upgrade --install` of our chart with our images; the operator is ready when this returns.

    Args:
        tags: appended to the references of the images that the operator starts pods with, as a newer release's would
            differ; no such image is there.
    """
    cluster = Cluster(Cache.default(), State.default())
    loaded = _load_images()
    images = {name: {"reference": ref + ("" if name == "operator" else tags)} for name, ref in loaded.items()}
    settings = {"images": images, **(values or {})}
    chart = str(CHECKOUT / "charts" / "recsys-operator")
    # CRDs that were applied by hand before (kubectl apply -f crds/) become the chart's
    command = ["helm", "upgrade", "--install", RELEASE, chart, "-n", namespace, "--create-namespace"]
    command += ["--take-ownership", "--force-conflicts"]
    done = subprocess.run(
        [*command, "--values", "-", "--wait", "--timeout", "3m"],
        env=cluster.env, input=json.dumps(settings), text=True, capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"helm: {done.stderr.strip().splitlines()[-1]}")
    return f"revision {kubectl('-n', namespace, 'get', 'deployment', '-o', 'jsonpath={.items[0].metadata.generation}')}"


def uninstall_chart(namespace: str) -> None:
    """`helm uninstall`; the CRDs stay."""
    cluster = Cluster(Cache.default(), State.default())
    command = ["helm", "uninstall", RELEASE, "-n", namespace, "--wait", "--timeout", "1m"]
    subprocess.run(command, env=cluster.env, check=True, capture_output=True)


def _load_images() -> dict[str, str]:
    """Build and load our three images; {name: the reference that was loaded}, whatever is edited meanwhile."""
    command = [sys.executable, "-m", "recsys_local", "load", "operator", "trainer", "serving"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"images: {(done.stdout + done.stderr).strip().splitlines()[-1]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def make_namespace(kubectl: Runs, namespace: str) -> None:
    """A namespace that enforces Pod Security `restricted`, with the credentials of the S3 server."""
    cluster = Cluster(Cache.default(), State.default())
    keys = environment(cluster)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    data = {**keys, "AWS_ENDPOINT_URL": S3_INSIDE}
    documents = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": CREDENTIALS, "namespace": namespace},
            "stringData": data,
        },
    ]
    for document in documents:
        kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(document))


def put_file(source: Path, uri: str) -> None:
    """Upload one file, creating its bucket."""
    upload(Cluster(Cache.default(), State.default()), source, uri)


def make_bucket(name: str) -> None:
    """Create a bucket unless it exists."""
    create_bucket(Cluster(Cache.default(), State.default()), name)


def operator_processes() -> list[int]:
    """Process ids (of this machine) of the operator in its pod."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            in_pod = b"kubepods" in (entry / "cgroup").read_bytes()
        except OSError:
            continue
        if in_pod and b"recsys_operator" in words:
            found.append(int(entry.name))
    return found


def kill_operator(kubectl: Runs) -> str:
    """SIGKILL, then wait until another process of it is ready."""
    before = operator_processes()
    assert before, "the operator's process was not found"
    for process in before:
        os.kill(process, signal.SIGKILL)
    begun = time.monotonic()
    while not (after := [process for process in operator_processes() if process not in before]):
        if time.monotonic() - begun > 60:
            raise TimeoutError("the operator did not come back within 60 s")
        time.sleep(0.1)
    back = time.monotonic() - begun
    kubectl("-n", OPERATOR_NAMESPACE, "rollout", "status", "deployment", "--timeout=60s")
    return f"process {before[0]} ended, {after[0]} runs {back:.1f} s later"
