"""A serving pod as processes of one machine: fetch, supervisor and API on free loopback ports, ended by process id."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys_serving.triton_process import Probe, clean_shared_memory, probe_model, shared_memory_prefix

DEADLINE_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(entry.getsockname()[1]) for entry in sockets]
    for entry in sockets:
        entry.close()
    return ports


def wait_for(condition: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Watch for a state; raise TimeoutError naming it when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.02)


class LocalPod:
    """The three containers of a pod. Use `running_pod`."""

    def __init__(self, env: Mapping[str, str], logs: Path) -> None:
        self.port, grpc_port, self._http_port = free_ports(3)
        ports = {
            "RECSYS_PORT": self.port,
            "RECSYS_TRITON_GRPC_PORT": grpc_port,
            "RECSYS_TRITON_HTTP_PORT": self._http_port,
        }
        self._env = {
            **os.environ,
            "RECSYS_HOST": "127.0.0.1",
            **env,
            **{name: str(port) for name, port in ports.items()},
        }
        self._logs = logs
        subprocess.run([sys.executable, "-m", "recsys_serving.fetch"], env=self._env, check=True, capture_output=True)
        self.supervisor = self._start("supervisor")
        self.api = self._start("api")

    def _start(self, module: str) -> subprocess.Popen[bytes]:
        with (self._logs / f"{module}.log").open("wb") as log:
            command = [sys.executable, "-m", f"recsys_serving.{module}"]
            return subprocess.Popen(command, env=self._env, stdout=log, stderr=log)

    def request(self, method: str, path: str, body: object = None) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def recommend(self, **body: object) -> Answer:
        """POST /v1/recommend."""
        return self.request("POST", "/v1/recommend", body)

    def is_ready(self) -> bool:
        """Whether /readyz answers 200."""
        try:
            return self.request("GET", "/readyz").status == http.client.OK
        except OSError:
            return False

    def wait_ready(self) -> None:
        """Wait for readiness; a TimeoutError carries the log."""
        try:
            wait_for(self.is_ready, "readiness")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.log()}") from error

    def metric(self, name: str) -> float:
        """The sum of a metric's samples."""
        lines = self.request("GET", "/metrics").body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name}{{"))

    def triton_pid(self) -> int:
        """Process id of tritonserver, the supervisor's only child; 0 while there is none."""
        pid = self.supervisor.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if children else 0

    def is_probed(self) -> bool:
        """Whether tritonserver answers the supervisor's probe; it answers the API a moment before."""
        return probe_model(self._http_port, timeout_seconds=5.0) is Probe.SERVING

    def log(self) -> str:
        """What the processes wrote."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self._logs.glob("*.log")))

    def end(self) -> None:
        """End every process of the pod at once."""
        with contextlib.suppress(OSError):
            triton = self.triton_pid()
            if triton:
                os.killpg(triton, signal.SIGKILL)
        for process in (self.supervisor, self.api):
            process.kill()
            process.wait()
        clean_shared_memory(shared_memory_prefix(self.supervisor.pid))


@contextlib.contextmanager
def running_pod(env: Mapping[str, str], logs: Path) -> Iterator[LocalPod]:
    """A pod that is ready; its processes end with the block."""
    pod = LocalPod(env, logs)
    try:
        pod.wait_ready()
        yield pod
    finally:
        pod.end()
