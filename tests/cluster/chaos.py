"""Faults of running pods, made from the machine that the node runs on: real signals, a real memory limit, a real cordon."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Object = dict[str, Any]

HOG = """
import os, sys
group, size = sys.argv[1], int(sys.argv[2])
open("/proc/self/oom_score_adj", "w").write("-1000")
open(f"{group}/cgroup.procs", "w").write(str(os.getpid()))
blocks = [bytearray(b"x") * (1 << 20) for _ in range(size >> 20)]
"""


def processes_of(pod: Object, word: str) -> list[int]:
    """Process ids (of this machine) in a pod whose command line holds a word."""
    mark = pod["metadata"]["uid"].encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if mark in (entry / "cgroup").read_bytes() and word.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def signal_pod(pod: Object, word: str, number: signal.Signals) -> int:
    """Send a signal to all processes of a pod that match; how many there were."""
    found = processes_of(pod, word)
    for process in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
    return len(found)


def exhaust_memory(pod: Object, word: str) -> bool:
    """Allocate inside the container's memory group until the kernel kills what runs there: the container ends.

    The process that allocates asks the kernel to be spared, so that the container's own processes are chosen; it
    ends when it has what it wanted, which the limit lets it have only once they are gone.

    Returns:
        False where nothing was done, because no such process runs: the container has not come back from its last end.
    """
    try:
        group, limit = _memory_group(processes_of(pod, word)[0])
    except (IndexError, FileNotFoundError):
        return False
    subprocess.run([sys.executable, "-c", HOG, str(group), str(limit * 9 // 10)], check=True, timeout=60)
    if not (group / "memory.oom.group").exists():
        # version 2 of control groups ends the whole container, which the kubelet asks for; version 1 one process of it
        for process in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
    return True


@contextlib.contextmanager
def stopped(pods: list[Object], word: str) -> Iterator[None]:
    """SIGSTOP until the end of the block: connections are accepted and nobody answers."""
    assert sum(signal_pod(pod, word, signal.SIGSTOP) for pod in pods), f"no process of {word} in the pods"
    try:
        yield
    finally:
        for pod in pods:
            signal_pod(pod, word, signal.SIGCONT)


def _memory_group(process: int) -> tuple[Path, int]:
    """The folder of a process's memory group and its limit in bytes, for version 1 and 2 of control groups."""
    for line in Path(f"/proc/{process}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            group = Path("/sys/fs/cgroup/memory") / path.lstrip("/")
            return group, int((group / "memory.limit_in_bytes").read_text())
        if not controllers and Path("/sys/fs/cgroup/cgroup.controllers").exists():
            group = Path("/sys/fs/cgroup") / path.lstrip("/")
            return group, int((group / "memory.max").read_text())
    raise LookupError(f"process {process} has no memory group")
