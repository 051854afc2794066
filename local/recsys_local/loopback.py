"""etcd and kube-apiserver alone, on free loopback ports: for tests and benchmarks that need an API and no nodes.

Nothing of the machine is touched but a folder and three ports, so it needs no root and any number can run beside each
other and beside the whole cluster.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from recsys_local import configuration, pki
from recsys_local.binaries import search_path
from recsys_local.errors import LocalError
from recsys_local.network import SERVICE_RANGE
from recsys_local.paths import Cache, State

START_SECONDS = 90.0
END_SECONDS = 10.0


@dataclass(frozen=True)
class ApiServer:
    """A started API server without controllers."""

    url: str
    folder: Path
    etcd_pid: int
    apiserver_pid: int

    @property
    def kubeconfig(self) -> Path:
        """Administrator's."""
        return State(self.folder).kubeconfig

    @property
    def tls(self) -> ssl.SSLContext:
        """The administrator's certificate, for clients that read no kubeconfig."""
        return _tls(State(self.folder).pki)


@contextlib.contextmanager
def serve(folder: Path, *extra: str) -> Iterator[ApiServer]:
    """Start both, and end both by process id whatever happens.

    Args:
        folder: for data, certificates and logs; the caller removes it.
        extra: more flags of kube-apiserver.

    Raises:
        LocalError: a program is not built, or the API server does not become ready.
    """
    client, peer, port = free_ports(3)
    state, url = State(folder), f"https://127.0.0.1:{port}"
    pki.create(state.pki)
    state.kubeconfig.write_text(yaml.safe_dump(configuration.kubeconfig(state, "admin", url)))
    with contextlib.ExitStack() as stack:
        etcd = stack.enter_context(_running(folder, "etcd", *_etcd_flags(folder, client, peer)))
        flags = (*_apiserver_flags(state, client, port), *extra)
        process = stack.enter_context(_running(folder, "kube-apiserver", *flags))
        _await_ready(url, state, process)
        yield ApiServer(url, folder, etcd.pid, process.pid)


def free_ports(count: int) -> list[int]:
    """Ports on 127.0.0.1 that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def write_audit_policy(path: Path) -> Path:
    """A policy that records who did what to which object, once for each request, and no bodies."""
    rules = [{"level": "Metadata", "omitStages": ["RequestReceived", "ResponseStarted"]}]
    path.write_text(json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules}))
    return path


@contextlib.contextmanager
def _running(folder: Path, name: str, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PATH": search_path(Cache.default())}
    with (folder / f"{name}.log").open("wb") as log:
        try:
            # a session of its own: Ctrl-C at the terminal must not take the API away from who still cleans up
            process = subprocess.Popen(
                [name, *flags],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise LocalError(f"{name} is not built; build it once with `python -m recsys_local build`") from None
    try:
        yield process
    finally:
        process.kill()
        process.wait(END_SECONDS)


def _etcd_flags(folder: Path, client: int, peer: int) -> tuple[str, ...]:
    return (
        f"--data-dir={folder / 'etcd'}", "--unsafe-no-fsync", "--log-level=warn",
        f"--listen-client-urls=http://127.0.0.1:{client}", f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
    )  # fmt: skip


def _apiserver_flags(state: State, etcd: int, port: int) -> tuple[str, ...]:
    keys = state.pki
    return (
        f"--etcd-servers=http://127.0.0.1:{etcd}", f"--secure-port={port}", "--bind-address=127.0.0.1",
        f"--service-cluster-ip-range={SERVICE_RANGE}", "--authorization-mode=RBAC", "--allow-privileged",
        f"--tls-cert-file={keys / 'apiserver.crt'}", f"--tls-private-key-file={keys / 'apiserver.key'}",
        f"--client-ca-file={keys / 'ca.crt'}", "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={keys / 'sa.pub'}", f"--service-account-signing-key-file={keys / 'sa.key'}",
        # nobody makes the service accounts that it would ask for
        "--disable-admission-plugins=ServiceAccount",
    )  # fmt: skip


def _await_ready(url: str, state: State, process: subprocess.Popen[bytes]) -> None:
    context = _tls(state.pki)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/readyz", context=context, timeout=2):
                return
        except OSError:
            # a started process tells nobody when it is ready: asking is all there is
            time.sleep(0.1)
    log = (state.root / "kube-apiserver.log").read_text(errors="replace")[-2000:]
    raise LocalError(f"kube-apiserver is not ready after {START_SECONDS:.0f} s:\n{log}")


def _tls(folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.load_cert_chain(folder / "admin.crt", folder / "admin.key")
    return context
