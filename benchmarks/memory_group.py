"""A group of processes whose memory is limited, page cache included: version 1 of control groups, as root."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup/memory")


@contextmanager
def memory_group(gib: float) -> Iterator[Path | None]:
    """An empty group with a limit; None where none can be made."""
    group = GROUPS / f"recsys-bench-{os.getpid()}"
    if os.geteuid() or not (GROUPS / "memory.limit_in_bytes").exists():
        yield None
        return
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(int(gib * 2**30)))
        yield group
    finally:
        group.rmdir()


def join(group: Path) -> None:
    """Put this process into it."""
    (group / "cgroup.procs").write_text(str(os.getpid()))


def peak_mib(group: Path) -> float:
    """The most that its processes had together so far."""
    return int((group / "memory.max_usage_in_bytes").read_text()) / 2**20
