"""Models, and their rollouts that fail: canary -> breach -> rolled back -> Retry -> canary, many at once."""

import asyncio
import itertools
from collections import Counter
from typing import Any

from benchmarks.control_plane.api import Object
from benchmarks.control_plane.standins import ROLLING
from benchmarks.control_plane.world import World, until

CREATED_AT_ONCE = 16
RETRY_SECONDS = 1.0
"""A person needs a moment; by then the rolled back version's pods are gone, so every canary warms anew."""


def build_model(name: str) -> Object:
    """Small in everything but the defaults; an SLO of 99 % at the gateway."""
    return {
        "apiVersion": "recsys.dev/v1alpha1", "kind": "RecommenderModel", "metadata": {"name": name},
        "spec": {
            "data": {"source": {"uri": "s3://lake/interactions/"}, "columns": {"timestamp": "ts"}},
            "artifacts": {"uri": "s3://models/"},
            "rollout": {
                "gateway": {"name": "public", "namespace": "infra", "pathPrefix": f"/{name}"},
                "slos": [{"name": "available", "sli": {"type": "Availability"}, "objectivePercent": "99"}],
                "stableHealthSeconds": 2,
            },
        },
    }  # fmt: skip


class Registry:
    """Phases of all versions, by a watch."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.phases: dict[str, str] = {}
        self._model: dict[str, str] = {}
        self.rolled_back: asyncio.Queue[str] = asyncio.Queue()
        self.retrying = False
        """Whether who is rolled back gets another try."""

    async def run(self) -> None:
        """For ever."""
        async for _, event, version in self._world.api.follow(self._world.path("modelversions")):
            name, phase = version["metadata"]["name"], (version.get("status") or {}).get("phase", "Pending")
            self._model[name] = version["spec"]["modelName"]
            before, self.phases[name] = self.phases.get(name), phase
            if phase == "RolledBack" != before and event != "LISTED":
                self.rolled_back.put_nowait(name)

    async def stable(self, count: int) -> bool:
        """Whether so many models have a stable version."""
        return Counter(self.phases.values())["Stable"] >= count

    async def calm(self) -> bool:
        """Whether no version is on its way."""
        return not any(self.phases[name] in ("Canary", "Warming", "Superseded") for name in self.phases)

    def retry_all(self) -> None:
        """Another try for all that are rolled back now."""
        for name in [name for name, phase in self.phases.items() if phase == "RolledBack"]:
            self.rolled_back.put_nowait(name)

    async def retry(self) -> None:
        """Create a Retry for each version that is rolled back while `retrying`, for ever."""
        numbers = itertools.count()
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._retry(await self.rolled_back.get(), next(numbers)))

    async def _retry(self, version: str, number: int) -> None:
        await asyncio.sleep(RETRY_SECONDS)
        if not self.retrying:
            return
        spec = {"modelName": self._model[version], "verb": "Retry", "version": version, "requestedBy": "bench"}
        metadata = {"name": f"retry-{number}"}
        body: dict[str, Any] = {"apiVersion": "recsys.dev/v1alpha1", "kind": "ModelAction", "metadata": metadata}
        await self._world.api.create(self._world.path("modelactions"), body | {"spec": spec})


async def create_models(world: World, names: list[str]) -> None:
    """All of them, some at once."""
    slots = asyncio.Semaphore(CREATED_AT_ONCE)

    async def one(name: str) -> None:
        async with slots:
            await world.api.create(world.path("recommendermodels"), build_model(name))

    await asyncio.gather(*map(one, names))


async def settle(world: World, registry: Registry, names: list[str], total: int, seconds: float) -> float:
    """Create models and wait until all `total` have a stable version; the seconds."""
    creating = asyncio.create_task(create_models(world, names))
    took = await until(lambda: registry.stable(total), seconds, f"not all of {total} models are stable")
    await creating
    return took


async def start_rollouts(world: World, count: int) -> None:
    """A second version for every rolling model: it will be bad."""
    patch = {"spec": {"training": {"seed": 1}}}
    for n in range(count):
        await world.api.patch(world.path("recommendermodels", f"{ROLLING}{n}"), patch)


async def stir(world: World, names: list[str], per_second: float) -> None:
    """Touch models one after the other, so that all of them are reconciled again and again; for ever."""
    for n in itertools.count():
        patch = {"metadata": {"annotations": {"bench/stir": str(n)}}}
        await world.api.patch(world.path("recommendermodels", names[n % len(names)]), patch)
        await asyncio.sleep(1.0 / per_second)
