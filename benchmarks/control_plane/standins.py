"""A process that plays everything around the operator: workload controllers, kubelet, pods and gateway.

Lines: {page: clock} for each page of statistics that the operator read, {bad: route, at: clock} for each breach.
"""

import asyncio
import itertools
import sys
import time
from pathlib import Path

from benchmarks.control_plane.api import Api
from benchmarks.control_plane.gateway import Gateway
from benchmarks.control_plane.pages import listen, pod_page
from benchmarks.control_plane.process import main
from benchmarks.control_plane.workloads import Workloads

POD_PORT = 8080
"""Where the operator scrapes pods: fixed by the product, so every pod has an address of its own."""
SHARED_ADDRESS, PROXY_ADDRESS = "127.0.1.1", "127.0.1.250"
ROLLING = "roll-"
"""Models with this prefix have rollouts; the pods of all others are never scraped and share one address."""


class Pods:
    """Addresses of pods, and what answers there."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._numbers = itertools.count(1)
        self._known: dict[str, tuple[str, str, float]] = {}

    async def start(self) -> None:
        """The shared address answers."""
        await listen(SHARED_ADDRESS, POD_PORT, self.page)

    async def address(self, model: str, version: str) -> str:
        """Of a new pod. Addresses come back with the version, as another process."""
        if not model.startswith(ROLLING):
            return SHARED_ADDRESS
        known = next((where for where, pod in self._known.items() if pod[:2] == (model, version)), "")
        if not known:
            number = next(self._numbers)
            known = f"127.1.{number // 250}.{number % 250 + 1}"
            await listen(known, POD_PORT, self.page)
        self._known[known] = (model, version, time.time())
        return known

    def page(self, address: str, _: str) -> str:
        """/metrics."""
        model, version, started = self._known.get(address, ("", "", 1.0))
        return pod_page(version, self._gateway.answers(model, version), started)


async def play(kubeconfig: Path, namespace: str, gateway_port: int) -> None:
    """For ever."""
    async with Api(kubeconfig, "standins") as api, asyncio.TaskGroup() as group:
        gateway = Gateway(api, namespace)
        pods = Pods(gateway)
        await pods.start()
        await listen(PROXY_ADDRESS, gateway_port, gateway.page)
        group.create_task(gateway.run())
        group.create_task(Workloads(api, namespace, pods.address).run())


if __name__ == "__main__":
    main(play(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
