"""The real control plane for the tests that only it can answer: brought up by the project itself, never skipped."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KUBECONFIG = ROOT / ".local" / "cluster" / "kubeconfig"
KUBECTL = Path(sys.executable).parent / "kubectl"

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def cluster() -> Path:
    """The kubeconfig of the local cluster, which runs and has our CRDs; `make test` ends it."""
    subprocess.run([sys.executable, "-m", "recsys_local", "up"], check=True, cwd=ROOT)
    return KUBECONFIG


@pytest.fixture(scope="session")
def bare_kubectl(cluster: Path) -> Kubectl:
    """`kubectl(*args, stdin=None)` as administrator; never raises, the result says what happened."""
    environment = {**os.environ, "KUBECONFIG": str(cluster)}

    def run(*args: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(KUBECTL), *args],
            input=stdin,
            capture_output=True,
            text=True,
            env=environment,
            timeout=180,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def kubectl(bare_kubectl: Kubectl) -> Kubectl:
    """The same, with the CRDs applied."""
    applied = bare_kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    assert applied.returncode == 0, applied.stderr
    waited = bare_kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(ROOT / "crds"))
    assert waited.returncode == 0, waited.stderr
    return bare_kubectl


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace of its own that enforces Pod Security `restricted`."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    assert kubectl("create", "namespace", name).returncode == 0
    labels = ("pod-security.kubernetes.io/enforce=restricted", "recsys.dev/test=true")
    assert kubectl("label", "namespace", name, *labels).returncode == 0
    yield name
    kubectl("delete", "namespace", name, "--wait=false")
