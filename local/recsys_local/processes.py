"""Long-lived processes by process id: started apart from the terminal, ended by id and never by name."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Recorded:
    """A process as a pid file remembers it; the start time tells it from a later process with the same id."""

    name: str
    pid: int
    started: str

    @property
    def alive(self) -> bool:
        return start_time(self.pid) == self.started


def start_time(pid: int) -> str | None:
    """Start time in clock ticks since boot, from /proc; None if there is no such process or only its remains."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    except (OSError, IndexError):
        return None
    return None if fields[0] in ("Z", "X") else fields[19]


def start(name: str, command: list[str], *, pids: Path, log: Path, env: Mapping[str, str]) -> Recorded:
    """Start a process in a session of its own, so that Ctrl-C at the terminal does not reach it, and record it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    pids.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True, cwd="/"
        )
    record = Recorded(name, process.pid, start_time(process.pid) or "")
    (pids / name).write_text(f"{record.pid} {record.started}\n")
    return record


def recorded(pids: Path) -> dict[str, Recorded]:
    """All processes with a pid file, alive or not."""
    found: dict[str, Recorded] = {}
    for path in sorted(pids.glob("*")) if pids.is_dir() else []:
        words = path.read_text().split()
        if len(words) == 2 and words[0].isdigit():
            found[path.name] = Recorded(path.name, int(words[0]), words[1])
    return found


def end(victims: Iterable[Recorded], seconds: float) -> None:
    """SIGTERM to all, then SIGKILL to what is left when the time is up."""
    waiting = [victim for victim in victims if victim.alive]
    for signal_number, limit in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
        for victim in waiting:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim.pid, signal_number)
        deadline = time.monotonic() + limit
        while waiting and time.monotonic() < deadline:
            _reap()
            waiting = [victim for victim in waiting if victim.alive]
            time.sleep(0.05)


def _reap() -> None:
    """Collect ended children of our own, which would stay as zombies otherwise."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def with_argument(argument: str) -> list[Recorded]:
    """Processes one of whose arguments is exactly this; used for containerd's shims, which nobody records."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        pid = int(folder.name)
        started = start_time(pid)
        if argument in arguments and started and pid != os.getpid():
            found.append(Recorded(arguments[0], pid, started))
    return found
