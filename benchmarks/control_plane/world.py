"""Everything that runs during a measurement, started in order and ended by process id whatever happens."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from benchmarks.control_plane.api import MODELS, ROUTES, Api, Object
from benchmarks.control_plane.standins import PROXY_ADDRESS
from recsys_local import loopback
from recsys_local.binaries import search_path
from recsys_local.paths import CHECKOUT, Cache

NAMESPACE, SYSTEM, GATEWAY_NAMESPACE = "shop", "recsys-system", "envoy-gateway-system"
READY_SECONDS = 120.0
END_SECONDS = 10.0
_GATEWAY_KINDS = ("HTTPRoute", "Gateway")
Line = dict[str, Any]


@dataclass
class Helper:
    """A helper process and the lines that it has said."""

    process: asyncio.subprocess.Process
    lines: list[Line] = field(default_factory=list)

    async def read(self, tell: Callable[[Line], None] | None) -> None:
        """Collect lines until it ends."""
        assert self.process.stdout is not None
        async for text in self.process.stdout:
            self.lines.append(line := json.loads(text))
            if tell is not None:
                tell(line)


@dataclass
class World:
    """A running control plane without operator, and how to run things beside it."""

    server: loopback.ApiServer
    api: Api
    audit: Path
    gateway_port: int
    namespace: str = NAMESPACE

    def path(self, plural: str, name: str = "") -> str:
        """Of our kinds."""
        return f"{MODELS}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    @contextlib.asynccontextmanager
    async def helper(
        self, module: str, *arguments: object, tell: Callable[[Line], None] | None = None
    ) -> AsyncIterator[Helper]:
        """One of this package's processes; it ends when its stdin closes."""
        command = [sys.executable, "-m", f"benchmarks.control_plane.{module}", str(self.server.kubeconfig)]
        command += [self.namespace, *map(str, arguments)]
        async with _process(command, self.server.folder / f"{module}.log", stdout=True) as process:
            helper = Helper(process)
            reading = asyncio.create_task(helper.read(tell))
            try:
                yield helper
            finally:
                assert process.stdin is not None
                process.stdin.close()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.gather(reading, process.wait()), END_SECONDS)
                reading.cancel()

    @contextlib.asynccontextmanager
    async def operator(self, **environment: str) -> AsyncIterator["Operator"]:
        """The operator as the chart would start it, but for the service account."""
        (port,) = loopback.free_ports(1)
        settings = {
            "KUBECONFIG": str(self.server.kubeconfig), "RECSYS_TRAINER_IMAGE": "trainer:1",
            "RECSYS_SERVING_IMAGE": "serving:1", "RECSYS_NAMESPACE": SYSTEM, "RECSYS_POD_NAME": "operator-0",
            "RECSYS_METRICS_PORT": str(port), "RECSYS_METRICS_ADDRESS": "127.0.0.1",
            "RECSYS_GATEWAY_NAMESPACES": GATEWAY_NAMESPACE, "RECSYS_GATEWAY_PORT": str(self.gateway_port),
        }  # fmt: skip
        log = self.server.folder / f"operator-{port}.log"
        command = [sys.executable, "-m", "recsys_operator"]
        async with _process(command, log, env=settings | environment) as process, aiohttp.ClientSession() as session:
            operator = Operator(process, f"http://127.0.0.1:{port}", session)
            await until(operator.is_ready, READY_SECONDS, f"the operator is not ready; see {log}")
            try:
                yield operator
            except aiohttp.ClientError as error:
                raise RuntimeError(f"the operator is gone; the end of its log:\n{log.read_text()[-2000:]}") from error


@dataclass
class Operator:
    """The running operator."""

    process: asyncio.subprocess.Process
    url: str
    session: aiohttp.ClientSession

    async def is_ready(self) -> bool:
        """Its first lists are in."""
        if self.process.returncode is not None:
            raise RuntimeError(f"the operator ended with {self.process.returncode}")
        with contextlib.suppress(aiohttp.ClientError):
            async with self.session.get(f"{self.url}/readyz") as answer:
                return answer.status == 200
        return False

    async def metrics(self) -> str:
        """Its own /metrics."""
        async with self.session.get(f"{self.url}/metrics") as answer:
            return await answer.text()


@contextlib.asynccontextmanager
async def start_world() -> AsyncIterator[World]:
    """API server with audit log, CRDs, namespaces and a Gateway, in a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="recsys-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        audit = folder / "audit.log"
        policy = loopback.write_audit_policy(folder / "audit.json")
        flags = (f"--audit-policy-file={policy}", f"--audit-log-path={audit}", "--audit-log-mode=batch",
                 "--audit-log-batch-max-wait=1s", "--audit-log-maxsize=4000")  # fmt: skip
        (gateway_port,) = loopback.free_ports(1)
        with loopback.serve(folder, *flags) as server:
            _apply_crds(server)
            async with Api(server.kubeconfig, "driver") as api:
                await _furnish(api)
                yield World(server, api, audit, gateway_port)


async def until(holds: Callable[[], Awaitable[bool]], seconds: float, what: str) -> float:
    """Ask until it holds; seconds that it took.

    Raises:
        TimeoutError: it does not hold in time.
    """
    begun = time.monotonic()
    while not await holds():
        if time.monotonic() - begun > seconds:
            raise TimeoutError(f"{what} (after {seconds:.0f} s)")
        await asyncio.sleep(0.1)
    return time.monotonic() - begun


@contextlib.asynccontextmanager
async def _process(
    command: list[str], log: Path, *, env: dict[str, str] | None = None, stdout: bool = False
) -> AsyncIterator[asyncio.subprocess.Process]:
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *command, env=os.environ | (env or {}), stderr=file, stdin=asyncio.subprocess.PIPE, cwd=CHECKOUT,
            stdout=asyncio.subprocess.PIPE if stdout else file, limit=2**22, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), END_SECONDS)
        if process.returncode is None:
            process.kill()
            await process.wait()


def _apply_crds(server: loopback.ApiServer) -> None:
    """Ours and Gateway API's own, as Envoy Gateway brings them."""
    cache = Cache.default()
    bundle = next(cache.binaries.glob("envoy-gateway-*/gateway-helm/charts/crds/crds/gatewayapi-crds.yaml"))
    documents = [d for d in yaml.safe_load_all(bundle.read_text()) if d and d["kind"] == "CustomResourceDefinition"]
    documents = [d for d in documents if d["spec"]["names"]["kind"] in _GATEWAY_KINDS]
    # as text: a field named n is a truth value to a reader of YAML 1.1
    own = {path: path.read_text() for path in sorted((CHECKOUT / "crds").glob("*.yaml"))}
    text = "\n---\n".join([yaml.safe_dump_all(documents), *own.values()])
    names = [f"crd/{document['metadata']['name']}" for document in documents]
    names += [f"crd/{yaml.safe_load(text)['metadata']['name']}" for text in own.values()]
    for arguments in (
        ["apply", "--server-side", "-f", "-"],
        ["wait", "--for=condition=Established", "--timeout=60s", *names],
    ):
        environment = os.environ | {"PATH": search_path(cache), "KUBECONFIG": str(server.kubeconfig)}
        done = subprocess.run(["kubectl", *arguments], input=text, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)


async def _furnish(api: Api) -> None:
    for name in (NAMESPACE, SYSTEM, GATEWAY_NAMESPACE, "infra"):
        await api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    gateway: Object = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "public"},
                       "spec": {"gatewayClassName": "bench", "listeners": [listener]}}  # fmt: skip
    now = "2026-01-01T00:00:00Z"
    programmed = {"type": "Programmed", "status": "True", "reason": "Programmed", "message": "",
                  "lastTransitionTime": now}  # fmt: skip
    answer = {"name": "http", "attachedRoutes": 0, "conditions": [programmed], "supportedKinds": []}
    path = f"{ROUTES}/namespaces/infra/gateways"
    await api.create(path, gateway)
    await api.patch(f"{path}/public/status", {"status": {"listeners": [answer]}})
    labels = {"app.kubernetes.io/managed-by": "envoy-gateway", "app.kubernetes.io/component": "proxy"}
    pods = f"/api/v1/namespaces/{GATEWAY_NAMESPACE}/pods"
    spec = {"containers": [{"name": "envoy", "image": "none"}]}
    await api.create(pods, {"metadata": {"name": "envoy", "labels": labels}, "spec": spec})
    ready = {"phase": "Running", "podIP": PROXY_ADDRESS, "podIPs": [{"ip": PROXY_ADDRESS}],
             "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}]}  # fmt: skip
    await api.patch(f"{pods}/envoy/status", {"status": ready})
