"""The gateway: accepts routes, splits traffic that nobody sends, counts it, and lets every candidate turn bad.

A candidate is well for a second or two (drawn, seeded), then 90 % of its requests fail until it has no weight any more.
"""

import asyncio
import random
import time
from datetime import UTC, datetime

from benchmarks.control_plane.api import ROUTES, Api, Object
from benchmarks.control_plane.pages import proxy_lines, wanted_of
from benchmarks.control_plane.process import say
from benchmarks.control_plane.traffic import Traffic

CONTROLLER = "bench.recsys.dev/gateway"
WELL_SECONDS = (1.0, 2.0)
OWN_PAGE = "by=peer"
"""In a target: the peer asks, and its pages are not the operator's evidence."""


class Gateway:
    """Routes by name, with their counters."""

    def __init__(self, api: Api, namespace: str, seed: int = 1) -> None:
        self._api = api
        self._namespace = namespace
        self._path = f"{ROUTES}/namespaces/{namespace}/httproutes"
        self._random = random.Random(seed)
        self.traffic: dict[str, Traffic] = {}
        self._turns: dict[str, asyncio.TimerHandle] = {}

    async def run(self) -> None:
        """Follow the routes, for ever."""
        async with asyncio.TaskGroup() as group:
            async for _, event, route in self._api.follow(self._path):
                if event != "DELETED":
                    self._take(route)
                    if not _is_accepted(route):
                        group.create_task(self._accept(route))

    def page(self, _: str, target: str) -> str:
        """Statistics, as a proxy answers them."""
        now, wanted = time.time(), wanted_of(target)
        lines: list[str] = []
        for name, traffic in self.traffic.items():
            traffic.advance(now)
            lines += proxy_lines(f"{self._namespace}/{name}", traffic.clusters(), wanted)
        if OWN_PAGE not in target:
            say(page=now)
        return "\n".join(lines) + "\n"

    def answers(self, model: str, version: str) -> int:
        """What a version's pod has answered by now."""
        if (traffic := self.traffic.get(model)) is None:
            return 0
        traffic.advance(time.time())
        return int(traffic.answers.get(version, 0.0))

    def _take(self, route: Object) -> None:
        name, now = route["metadata"]["name"], time.time()
        traffic = self.traffic.setdefault(name, Traffic(now))
        if not traffic.route(route, now):
            return
        if (turn := self._turns.pop(name, None)) is not None:
            turn.cancel()
        if traffic.candidate:
            delay = self._random.uniform(*WELL_SECONDS)
            self._turns[name] = asyncio.get_running_loop().call_later(delay, self._turn_bad, name)

    def _turn_bad(self, name: str) -> None:
        now = time.time()
        self.traffic[name].turn(now)
        say(bad=name, at=now)

    async def _accept(self, route: Object) -> None:
        metadata = route["metadata"]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        conditions = [
            {"type": kind, "status": "True", "reason": kind, "message": "", "lastTransitionTime": now,
             "observedGeneration": metadata["generation"]}
            for kind in ("Accepted", "ResolvedRefs")
        ]  # fmt: skip
        parents = [
            {"parentRef": parent, "controllerName": CONTROLLER, "conditions": conditions}
            for parent in route["spec"]["parentRefs"]
        ]
        await self._api.patch(f"{self._path}/{metadata['name']}/status", {"status": {"parents": parents}})


def _is_accepted(route: Object) -> bool:
    generation = route["metadata"]["generation"]
    parents = (route.get("status") or {}).get("parents") or ()
    return bool(parents) and all(
        condition["observedGeneration"] >= generation for parent in parents for condition in parent["conditions"]
    )
