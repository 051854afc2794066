"""A real API server (etcd and kube-apiserver from the cache that `recsys local build` fills) on loopback ports."""

import os
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
START_SECONDS = 90.0


@dataclass(frozen=True)
class ApiServer:
    """Where a started API server listens."""

    kubeconfig: Path
    url: str
    folder: Path


def _binary(name: str) -> str:
    root = Path(os.environ.get("RECSYS_CACHE") or Path.home() / ".cache" / "recsys-operator")
    found = sorted(root.glob(f"bin/*/{name}"), key=lambda path: path.stat().st_mtime)
    if not found:
        pytest.fail(f"{name} is not in {root}/bin; build it once with `python -m recsys_local build`", pytrace=False)
    return str(found[-1])


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def _make_certificates(folder: Path) -> None:
    _openssl(folder, "genrsa", "-out", "sa.key", "2048")
    _openssl(folder, "rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub")
    new = ("req", "-newkey", "rsa:2048", "-nodes")
    _openssl(folder, *new, "-x509", "-days", "2", "-subj", "/CN=test-ca", "-keyout", "ca.key", "-out", "ca.crt")
    for name, who in (("apiserver", "/CN=kube-apiserver"), ("admin", "/O=system:masters/CN=admin")):
        (folder / f"{name}.ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        _openssl(folder, *new, "-subj", who, "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signing = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext")
        _openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signing, "-out", f"{name}.crt")


def _write_kubeconfig(folder: Path, url: str) -> Path:
    path = folder / "kubeconfig"
    cluster = {"server": url, "certificate-authority": str(folder / "ca.crt")}
    user = {"client-certificate": str(folder / "admin.crt"), "client-key": str(folder / "admin.key")}
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "test", "cluster": cluster}],
                "users": [{"name": "admin", "user": user}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
                "current-context": "test",
            }
        )
    )
    return path


def _start(folder: Path, name: str, *arguments: str) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen([_binary(name), *arguments], stdout=log, stderr=subprocess.STDOUT, cwd=folder)


def _etcd_arguments(folder: Path, client: int, peer: int) -> tuple[str, ...]:
    return (
        f"--data-dir={folder / 'etcd'}", "--unsafe-no-fsync", "--log-level=warn",
        f"--listen-client-urls=http://127.0.0.1:{client}", f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
    )  # fmt: skip


def _apiserver_arguments(folder: Path, etcd: int, port: int) -> tuple[str, ...]:
    return (
        f"--etcd-servers=http://127.0.0.1:{etcd}", f"--secure-port={port}", "--bind-address=127.0.0.1",
        "--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=RBAC", "--allow-privileged",
        f"--tls-cert-file={folder / 'apiserver.crt'}", f"--tls-private-key-file={folder / 'apiserver.key'}",
        f"--client-ca-file={folder / 'ca.crt'}", "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder / 'sa.pub'}", f"--service-account-signing-key-file={folder / 'sa.key'}",
        "--disable-admission-plugins=ServiceAccount",
    )  # fmt: skip


def _wait_ready(server: ApiServer, process: subprocess.Popen[bytes]) -> None:
    context = ssl.create_default_context(cafile=str(server.folder / "ca.crt"))
    context.load_cert_chain(server.folder / "admin.crt", server.folder / "admin.key")
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.url}/readyz", context=context, timeout=2):
                return
        except OSError:
            # a started process tells nobody when it is ready: asking is all there is
            time.sleep(0.1)
    log = (server.folder / "kube-apiserver.log").read_text()[-2000:]
    pytest.fail(f"kube-apiserver is not ready after {START_SECONDS:.0f} s:\n{log}", pytrace=False)


@pytest.fixture(scope="session")
def apiserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A started API server without controllers; ended by process id."""
    folder = tmp_path_factory.mktemp("apiserver")
    client, peer, port = _free_ports(3)
    _make_certificates(folder)
    server = ApiServer(_write_kubeconfig(folder, f"https://127.0.0.1:{port}"), f"https://127.0.0.1:{port}", folder)
    processes = [_start(folder, "etcd", *_etcd_arguments(folder, client, peer))]
    try:
        processes.append(_start(folder, "kube-apiserver", *_apiserver_arguments(folder, client, port)))
        _wait_ready(server, processes[-1])
        yield server
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait(10)
