"""Running commands and telling the person what takes long."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from recsys_local.errors import CommandError, LocalError


def say(line: str) -> None:
    """One line of progress; on stderr, so that stdout stays usable in pipes."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def long_part(what: str, expected: str, once: str = "") -> Iterator[None]:
    """Announce a part that takes long, then print what it took. `once` says why it will not be done again."""
    say(f"==> {what} (about {expected}{'; ' + once if once else ''})")
    start = time.monotonic()
    yield
    say(f"    {what}: done in {time.monotonic() - start:.1f} s")


def run(
    command: list[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: Path | None = None,
    text: str | None = None,
) -> str:
    """Run a command that must succeed and return its stdout. With `log`, both streams go to that file instead."""
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as sink:
            done = subprocess.run(command, env=env, cwd=cwd, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise CommandError(command, done.returncode, log.read_text(errors="replace") + f"\n(log: {log})")
        return ""
    result = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, input=text)
    if result.returncode:
        raise CommandError(command, result.returncode, result.stderr + result.stdout)
    return result.stdout


def succeeds(command: list[str], *, env: Mapping[str, str] | None = None) -> bool:
    """Whether a command ends with 0; its output is dropped. A missing program counts as no."""
    try:
        return subprocess.run(command, env=env, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False


def wait_until(what: str, ready: Callable[[], bool], seconds: float, every: float = 0.1) -> None:
    """Poll `ready`; a LocalError naming `what` when the time is up."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise LocalError(f"{what}: not within {seconds:.0f} s")
        time.sleep(every)
