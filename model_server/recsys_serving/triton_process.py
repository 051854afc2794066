"""How tritonserver is found, started and asked whether it still ranks."""

import http.client
import importlib.util
import json
import os
import shutil
import signal
import site
import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from recsys_serving.errors import SettingsError
from recsys_serving.limits import observe_cpus, threads_for
from recsys_serving.names import MODEL_NAME
from recsys_serving.settings import TritonSettings

EXIT_TIMEOUT_SECONDS = 5
_PROBE = {
    "inputs": [
        {"name": "rows", "shape": [1, 1], "datatype": "INT32", "data": [0]},
        {"name": "extra_seen", "shape": [1, 16], "datatype": "INT32", "data": [-1] * 16},
        {"name": "k", "shape": [1, 1], "datatype": "INT32", "data": [1]},
    ]
}
_BUSY = 503


def find_triton_home(env: Mapping[str, str]) -> Path:
    """`RECSYS_TRITON_HOME`, else the folder above the tritonserver on PATH, else the installed package pytriton's.

    Raises:
        SettingsError: there is no bin/tritonserver.
    """
    declared = env.get("RECSYS_TRITON_HOME", "")
    candidates = [Path(declared)] if declared else [*_home_on_path(env), *_installed_home()]
    for home in candidates:
        if (home / "bin/tritonserver").is_file():
            return home
    raise SettingsError(f"RECSYS_TRITON_HOME is {declared!r}; set it to a folder with bin/tritonserver and backends/")


def _home_on_path(env: Mapping[str, str]) -> list[Path]:
    found = shutil.which("tritonserver", path=env.get("PATH", ""))
    return [Path(found).resolve().parent.parent] if found else []


def _installed_home() -> list[Path]:
    spec = importlib.util.find_spec("pytriton")
    return [Path(spec.origin).parent / "tritonserver"] if spec and spec.origin else []


def build_command(home: Path, settings: TritonSettings, shm_prefix: str) -> list[str]:
    """tritonserver on loopback, one immutable model, no metrics of its own."""
    options = {
        "model-repository": str(settings.models_dir / "repository"),
        "model-control-mode": "none",
        "backend-directory": str(home / "backends"),
        "backend-config": f"python,shm-region-prefix-name={shm_prefix}",
        "http-address": "127.0.0.1",
        "http-port": str(settings.http_port),
        "grpc-address": "127.0.0.1",
        "grpc-port": str(settings.grpc_port),
        "allow-metrics": "false",
        "exit-timeout-secs": str(EXIT_TIMEOUT_SECONDS),
        "log-info": "false",
    }
    return [
        str(home / "bin/tritonserver"),
        "--disable-auto-complete-config",
        *(f"--{k}={v}" for k, v in options.items()),
    ]


def build_environment(env: Mapping[str, str]) -> dict[str, str]:
    """The child's environment: package folders for the isolated interpreter, and threads for the CPU quota."""
    threads = str(threads_for(observe_cpus(env), 1))
    folders = dict.fromkeys([*(path for path in sys.path if path.endswith("-packages")), *site.getsitepackages()])
    return {
        **env,
        "RECSYS_SITE_PACKAGES": os.pathsep.join(folders),
        "OMP_NUM_THREADS": env.get("OMP_NUM_THREADS", threads),
        "MKL_NUM_THREADS": env.get("MKL_NUM_THREADS", threads),
        # Threads that wait for work must sleep: spinning ones use up the CPU quota and get the pod throttled.
        "OMP_WAIT_POLICY": env.get("OMP_WAIT_POLICY", "PASSIVE"),
    }


class TritonProcess:
    """One tritonserver with its stubs, in a process group of its own."""

    def __init__(self, command: list[str], environment: Mapping[str, str], shm_prefix: str) -> None:
        self._shm_prefix = shm_prefix
        clean_shared_memory(self._shm_prefix)
        self.pid = os.posix_spawn(command[0], command, dict(environment), setpgroup=0, setsigmask=[])

    def terminate(self) -> None:
        """Ask it to finish what is in flight and exit."""
        self._kill(self.pid, signal.SIGTERM)

    def destroy(self) -> None:
        """End the server and its stubs at once, and free their shared memory."""
        self._kill(-self.pid, signal.SIGKILL)
        clean_shared_memory(self._shm_prefix)

    @staticmethod
    def _kill(pid: int, number: int) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return


def shared_memory_prefix(supervisor_pid: int) -> str:
    """How the names of one supervisor's regions in /dev/shm begin."""
    return f"recsys_{supervisor_pid}_"


def clean_shared_memory(prefix: str) -> None:
    """Unlink what a killed server left in /dev/shm, which is a small emptyDir: restarts would fill it."""
    for region in Path("/dev/shm").glob(f"{prefix}*"):
        region.unlink(missing_ok=True)


class Probe(Enum):
    """What asking for one ranked item brought."""

    SERVING = "serving"
    """It was ranked, or the queue is full: too busy is not broken."""
    ABSENT = "absent"
    """Nobody listens yet (tritonserver loads first), or an error came at once."""
    SILENT = "silent"
    """The connection stands and no answer comes: hung, whatever came before."""


def probe_model(http_port: int, timeout_seconds: float) -> Probe:
    """Ask for one ranked item over HTTP."""
    connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=timeout_seconds)
    try:
        connection.request("POST", f"/v2/models/{MODEL_NAME}/infer", json.dumps(_PROBE))
        response = connection.getresponse()
        text = response.read()
    except TimeoutError:
        return Probe.SILENT
    except (OSError, http.client.HTTPException):
        return Probe.ABSENT
    finally:
        connection.close()
    serving = response.status == http.client.OK or (response.status == _BUSY and b"queue" in text)
    return Probe.SERVING if serving else Probe.ABSENT
