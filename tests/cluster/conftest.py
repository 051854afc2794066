"""The real control plane for the tests that only it can answer: brought up by the project itself, never skipped."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recsys_local.demo.api import Api
from recsys_local.demo.data import fetch_ml100k, read_interactions, write_parquet
from recsys_local.demo.install import cache_folder, install_chart, make_bucket, put_file
from recsys_local.demo.stage import Kubectl as DemoKubectl

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
def api(cluster: Path) -> Api:
    """A client of the API server as administrator."""
    return Api(cluster)


@pytest.fixture(scope="session")
def installed(cluster: Path, tmp_path_factory: pytest.TempPathFactory) -> DemoKubectl:
    """kubectl that raises where it is refused, with our chart installed and ML-100K in the S3 server."""
    run = DemoKubectl(cluster)
    install_chart(run)
    rows = read_interactions(fetch_ml100k(cache_folder() / "data"))
    half = [row for row in rows if int(row[0]) % 2]
    for folder, content in (("ml-100k", rows), ("half-of-the-users", half)):
        table = tmp_path_factory.mktemp(folder) / "interactions.parquet"
        write_parquet(content, table)
        put_file(table, f"s3://lake/{folder}/interactions.parquet")
    make_bucket("models")
    return run


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
