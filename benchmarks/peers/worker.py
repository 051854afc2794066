"""One side of a race: a process that gets a request as a JSON line and answers with one. Standard library only: peers import it."""

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Answer = dict[str, Any]
ROOT = Path(__file__).parents[2]


def arguments() -> argparse.Namespace:
    """What a worker is started with: `[data] threads`, a folder (None where it needs none) and a number."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("threads", type=int)
    return parser.parse_args()


def serve(answer: Callable[[Answer], Answer]) -> None:
    """Answer until the other side closes; whatever else is printed goes to standard error."""
    out, sys.stdout = sys.stdout, sys.stderr
    with contextlib.suppress(BrokenPipeError):  # nobody waits any more
        for line in sys.stdin:
            print(json.dumps(answer(json.loads(line))), file=out, flush=True)


def timed(act: Callable[[], Any]) -> tuple[Any, Answer]:
    """(what came of it, {"seconds", "cpuSeconds"}); ended child processes count."""
    began, cpu = time.perf_counter(), _cpu_seconds()
    result = act()
    return result, {"seconds": time.perf_counter() - began, "cpuSeconds": _cpu_seconds() - cpu}


def _cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


class WorkerError(Exception):
    """A side ended before it had answered."""


class Worker:
    """The other end, by process id."""

    def __init__(self, python: Path, script: str, arguments: list[str], variables: dict[str, str]) -> None:
        self.name = script
        command = [str(python), "-W", "ignore", "-m", f"benchmarks.peers.{script}", *arguments]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=variables
        )

    def ask(self, request: Answer) -> Answer:
        """One request.

        Raises:
            WorkerError: the process ended; what it said is on standard error.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WorkerError(f"{self.name} ended with code {self._process.wait()}; its message stands above")
        answer: Answer = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # it has ended already, and somebody has said so
            self._process.stdin.close()
        self._process.wait()


def variables(threads: int) -> dict[str, str]:
    """The same threads for every library on both sides."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    path = [str(ROOT / part) for part in ("operator", "trainer", "model_server", "local", ".")]
    return {
        **os.environ,
        **dict.fromkeys(names, str(threads)),
        "OPENBLAS_NUM_THREADS": "1",  # implicit has threads of its own, and says so when OpenBLAS has more
        "PYTHONPATH": os.pathsep.join(path),
        "CUDA_VISIBLE_DEVICES": "",
    }
