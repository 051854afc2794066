"""What must hold before anything starts; each problem is one line that says what to do."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from recsys_local.errors import PreflightError
from recsys_local.ports import Forward

GIB = 1 << 30
_SOCKET_PATH_LIMIT = 107


@dataclass(frozen=True)
class Machine:
    """What the checks ask of the machine; tests put their own answers here."""

    is_root: Callable[[], bool]
    platform: str
    free_bytes: Callable[[Path], int]
    feature_works: Callable[[list[str]], bool]
    port_is_free: Callable[[int], bool]
    controllers: Callable[[], frozenset[str]]


def check_root(machine: Machine) -> list[str]:
    """Linux and root; the rest makes no sense without."""
    if machine.platform != "linux":
        return [f"this needs Linux, the machine is {machine.platform}: use a virtual machine, or kind (see README.md)"]
    if not machine.is_root():
        return ["this needs root (containers, network namespace, mounts): run it with sudo, or in a virtual machine"]
    return []


def check_disk(machine: Machine, folder: Path, needed_gib: float, why: str) -> list[str]:
    """Free space where the cache lies."""
    free = machine.free_bytes(folder) / GIB
    if free >= needed_gib:
        return []
    return [
        f"{folder} has {free:.1f} GiB free, {needed_gib:.0f} GiB are needed ({why}): "
        "free some, or set RECSYS_CACHE to a larger disk"
    ]


_FEATURES: dict[str, tuple[list[str], str]] = {
    "network namespaces": (["unshare", "--net", "true"], "the kernel needs CONFIG_NET_NS"),
    "bridges": (
        _unshared := ["unshare", "--net", "ip", "link", "add", "probe", "type", "bridge"],
        "load the module bridge",
    ),
    "veth pairs": ([*_unshared[:-1], "veth", "peer", "name", "probe2"], "load the module veth"),
    "nftables": (["unshare", "--net", "nft", "add table ip probe"], "load the module nf_tables"),
    "overlayfs": (["grep", "-qw", "overlay", "/proc/filesystems"], "load the module overlay"),
}


def check_features(machine: Machine) -> list[str]:
    """Kernel features, each tried for real."""
    return [
        f"the kernel does not offer {name}: {advice}"
        for name, (probe, advice) in _FEATURES.items()
        if not machine.feature_works(probe)
    ]


def check_cgroups(machine: Machine) -> list[str]:
    """The controllers kubelet needs."""
    missing = {"cpu", "memory", "pids"} - machine.controllers()
    return (
        [f"the cgroup controllers {', '.join(sorted(missing))} are missing: mount them under /sys/fs/cgroup"]
        if missing
        else []
    )


def check_ports(machine: Machine, wanted: Iterable[Forward]) -> list[str]:
    """Ports of 127.0.0.1 that the relay will listen on."""
    return [
        f"port {forward.port} on 127.0.0.1 ({forward.name}) is taken by another process: end it, "
        f"or set RECSYS_LOCAL_{forward.name.upper()}_PORT"
        for forward in wanted
        if not machine.port_is_free(forward.port)
    ]


def check_socket_path(folder: Path) -> list[str]:
    """kubelet puts sockets below its folder, and the kernel limits their paths."""
    longest = folder / "kubelet" / "plugins_registry" / "device-plugin.sock"
    if len(str(longest)) <= _SOCKET_PATH_LIMIT:
        return []
    return [
        f"the checkout's path is too long for sockets ({len(str(longest))} of {_SOCKET_PATH_LIMIT} characters): move it"
    ]


def require(problems: list[str]) -> None:
    """Raise if there is any problem."""
    if problems:
        raise PreflightError(problems)


def this_machine() -> Machine:
    """The real answers."""
    return Machine(
        is_root=lambda: os.geteuid() == 0,
        platform=sys.platform,
        free_bytes=_free_bytes,
        feature_works=_works,
        port_is_free=_port_is_free,
        controllers=_controllers,
    )


def _free_bytes(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _works(probe: list[str]) -> bool:
    if probe[0] == "grep":
        subprocess.run(["modprobe", "overlay"], capture_output=True) if shutil.which("modprobe") else None
    try:
        return subprocess.run(probe, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def _port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _controllers() -> frozenset[str]:
    unified = Path("/sys/fs/cgroup/cgroup.controllers")
    if unified.exists():
        return frozenset(unified.read_text().split())
    folder = Path("/sys/fs/cgroup")
    return frozenset(name for path in folder.glob("*/cgroup.procs") for name in path.parent.name.split(","))
