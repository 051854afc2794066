"""A reconciler over a cluster in memory: what the world is afterwards, not which calls were made."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.contract.operator import objects
from tests.contract.operator.fake_cluster import FakeCluster
from tests.unit.operator.clocks import FakeClock
from tests.unit.operator.views import version_view

from recsys_operator.acts import ActExecutor
from recsys_operator.adapters.cache import Cache
from recsys_operator.adapters.live_pods import LivePods
from recsys_operator.adapters.metrics.sampler import Sampler
from recsys_operator.adapters.observer import Observer
from recsys_operator.adapters.traffic.gateway_api import GatewayApiRouter
from recsys_operator.core.decision import (
    Act,
    Decision,
)
from recsys_operator.core.world import World
from recsys_operator.errors import Unavailable
from recsys_operator.metrics import Telemetry
from recsys_operator.queue import WorkQueue
from recsys_operator.reconciler import Reconciler
from recsys_operator.resources.jobs import Images
from recsys_operator.resources.kinds import WATCHED, Manifest, is_ours, labels_of

KEY = "shop/movies"
NAME = "movies-0123456789"
SPEC = version_view().spec


async def no_page(url: str) -> str:
    """Nothing answers."""
    raise TimeoutError(url)


class Bench:
    """A reconciler with its world; `script` is what core would decide."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cluster = FakeCluster()
        self.cache = Cache()
        self.telemetry = Telemetry()
        self.queue = WorkQueue(self.clock.monotonic)
        self.script: Callable[[World], Decision] = lambda world: Decision()
        self.worlds: list[World] = []
        self.memories: list[object] = []
        router = GatewayApiRouter(self.cluster, self.cache)
        self.sampler = Sampler(self.cache, no_page, None, self.clock, self.queue.add)
        observer = Observer(
            cache=self.cache, cluster=self.cluster, router=router, sampler=self.sampler, clock=self.clock,
            serving_image="serving:1", triton_start_seconds=900, image_pull_policy="Never", paused=lambda: False, attended_until=lambda: None,
        )  # fmt: skip
        executor = ActExecutor(
            cluster=self.cluster, cache=self.cache, router=router, pods=LivePods(self.cluster),  # type: ignore[arg-type]
            images=Images("trainer:1"), instance="pod-0", now=self.clock.now, on_keys=observer.know_keys,
        )  # fmt: skip
        self.reconciler = Reconciler(
            observer=observer, decide=self.decide, executor=executor, sampler=self.sampler, queue=self.queue,
            clock=self.clock, telemetry=self.telemetry,
        )  # fmt: skip

    def decide(self, world: World, now: float, memory: object) -> Decision:
        """Stands for core."""
        self.worlds.append(world)
        self.memories.append(memory)
        return self.script(world)

    def see(self) -> None:
        """The watch streams bring the cache up to date."""
        for kind in WATCHED:
            found = [item for (name, _, _), item in self.cluster.objects.items() if name == kind.name]
            # nobody else's objects are watched
            there = [item for item in found if not kind.selector or is_ours(item)]
            for item in there:
                self.cache.put(item)
            for item in list(self.cache.of_kind(kind.name)):
                if item["metadata"]["uid"] not in {other["metadata"]["uid"] for other in there}:
                    self.cache.drop(item["metadata"]["uid"])

    async def act(self, *acts: Act, **more: Any) -> bool:
        """One pass that decides these acts."""
        self.script = lambda world: Decision(acts=acts, **more)
        return await self.reconciler.reconcile(KEY)

    def live(self, kind: str, name: str) -> Manifest | None:
        """The object in the cluster."""
        return self.cluster.objects.get((kind, "shop", name))

    def version_of(self, kind: str, name: str) -> str:
        """resourceVersion in the cluster."""
        found = self.live(kind, name)
        assert found is not None
        return str(found["metadata"]["resourceVersion"])


def prepared_bench() -> Bench:
    """With a model and a version that is known and has its template."""
    made = Bench()
    made.cluster.put_raw(objects.model("shop"))
    version = objects.version("shop")
    version["status"] = version_view().status.to_dict()
    made.cluster.put_raw(version)
    made.see()
    made.cluster.writes.clear()
    return made


def ready_pod(name: str, version: str = NAME) -> Manifest:
    """A serving pod that is ready."""
    metadata = {"name": name, "namespace": "shop", "labels": labels_of("movies", version, "serving")}
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}


def fail_on(kind: str) -> Callable[[str, Manifest], None]:
    """An API server that cannot write a kind."""

    def check(verb: str, manifest: Manifest) -> None:
        if manifest["kind"] == kind:
            raise Unavailable(f"{verb} {kind}", "out of order", 503)

    return check


async def settle() -> None:
    """Let the workers run until they wait."""
    for _ in range(200):
        await asyncio.sleep(0)
