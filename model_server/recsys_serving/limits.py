"""What the container may use: memory and CPU, from the environment or the cgroup (v2, then v1)."""

import os
from collections.abc import Mapping
from pathlib import Path

from recsys_serving.errors import SettingsError

CGROUP = Path("/sys/fs/cgroup")
_UNLIMITED_BYTES = 1 << 60


def observe_memory_limit(env: Mapping[str, str], cgroup: Path = CGROUP) -> int | None:
    """Bytes that the Triton container may use, or None where nothing limits it.

    `RECSYS_MEMORY_LIMIT_BYTES` (downward API, limits.memory of the container `triton`) wins over the cgroup, because
    an init container has a cgroup of its own.
    """
    declared = env.get("RECSYS_MEMORY_LIMIT_BYTES", "")
    if declared:
        return _declared_bytes(declared)
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        text = _read(cgroup / name)
        if text.isdigit() and int(text) < _UNLIMITED_BYTES:
            return int(text)
    return None


def observe_cpus(env: Mapping[str, str], cgroup: Path = CGROUP) -> float:
    """CPUs that the container may use: its quota, else its request (`RECSYS_CPU_REQUEST`), else all that it sees."""
    quota = _quota_v2(_read(cgroup / "cpu.max")) or _quota_v1(cgroup)
    if quota:
        return quota
    request = env.get("RECSYS_CPU_REQUEST", "")
    if request:
        return _declared_cpus(request)
    return float(len(os.sched_getaffinity(0)))


def threads_for(cpus: float, instances: int) -> int:
    """Threads of each model instance: the quota shared out, at least one."""
    return max(1, int(cpus / max(1, instances)))


def _declared_bytes(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise SettingsError(f"RECSYS_MEMORY_LIMIT_BYTES is {text!r}; set it to a whole number of bytes")
    return int(text)


def _declared_cpus(text: str) -> float:
    try:
        cpus = float(text)
    except ValueError:
        cpus = 0.0
    if not 0 < cpus < 4096:
        raise SettingsError(f"RECSYS_CPU_REQUEST is {text!r}; set it to a number of CPUs such as 2")
    return cpus


def _quota_v2(text: str) -> float | None:
    quota, _, period = text.partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _quota_v1(cgroup: Path) -> float | None:
    quota, period = _read(cgroup / "cpu/cpu.cfs_quota_us"), _read(cgroup / "cpu/cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
