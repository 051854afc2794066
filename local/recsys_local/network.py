"""The cluster's private network namespace: pods, services and the node's address exist only inside."""

from __future__ import annotations

from recsys_local.paths import State
from recsys_local.shell import run, succeeds

NODE_ADDRESS = "10.245.0.1"
"""Outside the service range: kube-proxy drops packets to service addresses that no service has."""
POD_RANGE = "10.244.0.0/16"
NODE_POD_RANGE = "10.244.0.0/22"
SERVICE_RANGE = "10.96.0.0/16"
API_ADDRESS = "10.96.0.1"
GATEWAY_ADDRESS = "10.96.0.20"
"""Fixed, in the part of the range that is kept for fixed addresses, so that the relay needs no look-up."""
S3_ADDRESS = "10.96.0.30"


def inside(state: State, command: list[str]) -> list[str]:
    """The same command inside the namespace. Not `ip netns exec`: that hides /sys/fs/cgroup from kubelet."""
    return ["nsenter", f"--net={state.netns}", "--", *command]


def create(state: State) -> None:
    """Make the namespace and its addresses. `ip netns add` would leave /run/netns mounted on itself for ever."""
    state.netns.parent.mkdir(parents=True, exist_ok=True)
    state.netns.touch()
    run(["unshare", f"--net={state.netns}", "true"])
    for command in (
        ["ip", "link", "set", "lo", "up"],
        ["ip", "address", "add", f"{NODE_ADDRESS}/32", "dev", "lo"],
        ["ip", "route", "add", SERVICE_RANGE, "dev", "lo"],
        ["sysctl", "-wq", "net.ipv4.ip_forward=1"],
    ):
        run(inside(state, command))


def remove(state: State) -> None:
    """Remove the namespace, and with it its bridge, addresses and packet filter."""
    while succeeds(["umount", str(state.netns)]):
        pass
    state.netns.unlink(missing_ok=True)
