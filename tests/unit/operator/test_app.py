"""The operator as a whole, over a cluster in memory behind HTTP."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.contract.operator import objects
from tests.contract.operator.fake_cluster import FakeCluster
from tests.unit.operator.api_server import FakeApiServer

from recsys_operator.adapters.connection import Connection
from recsys_operator.app import Operator
from recsys_operator.clock import SystemClock
from recsys_operator.core.decision import Decision
from recsys_operator.core.world import World
from recsys_operator.errors import OperatorError
from recsys_operator.resources.kinds import Manifest
from recsys_operator.settings import Settings

SECONDS = 20.0
"""More than anything here takes."""


class Leases(FakeCluster):
    """A cluster that says when the Lease was looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.looked_at = asyncio.Event()

    async def read(self, kind: str, namespace: str, name: str, *, metadata_only: bool = False) -> Manifest | None:
        """A copy."""
        found = await super().read(kind, namespace, name, metadata_only=metadata_only)
        if kind == "Lease":
            self.looked_at.set()
        return found


class Bench:
    """An operator with its API server; what it decides about is remembered."""

    def __init__(self) -> None:
        self.cluster = Leases()
        self.server = FakeApiServer(self.cluster)
        self.worlds: asyncio.Queue[World] = asyncio.Queue()
        self.stop = asyncio.Event()
        self.running: asyncio.Task[None] | None = None

    def decide(self, world: World, now: float, memory: object) -> Decision:
        """Stands for core: nothing is done."""
        self.worlds.put_nowait(world)
        return Decision()

    async def start(self) -> None:
        """Run the operator."""
        settings = Settings(
            trainer_image="trainer:1", serving_image="serving:1", pod_name="pod-0", gateway_port=0, metrics_port=0,
            metrics_address="127.0.0.1",
        )  # fmt: skip
        operator = Operator(settings, Connection(await self.server.start(), True), self.decide, SystemClock())
        self.running = asyncio.create_task(operator.run(self.stop))

    async def ended(self) -> None:
        """Wait for its end."""
        assert self.running is not None
        await asyncio.wait_for(asyncio.shield(self.running), SECONDS)

    async def next_world(self) -> World:
        """What is decided about next."""
        return await asyncio.wait_for(self.worlds.get(), SECONDS)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """With a model."""
    made = Bench()
    made.cluster.put_raw(objects.model("shop"))
    yield made
    made.stop.set()
    if made.running is not None:
        await asyncio.wait({made.running}, timeout=SECONDS)
    await made.server.end()


async def test_what_a_stream_tells_is_decided_upon_and_a_stop_ends_it_well(bench: Bench) -> None:
    await bench.start()
    assert (await bench.next_world()).name == "movies"
    await bench.server.send("RecommenderModel", "ADDED", bench.cluster.put_raw(objects.model("shop", "books")))
    assert (await bench.next_world()).name == "books"
    bench.stop.set()
    await bench.ended()


@pytest.mark.parametrize("code", [500, 504])
async def test_a_stream_that_ends_in_an_error_ends_the_operator_with_the_reason(bench: Bench, code: int) -> None:
    """kopf watches that kind no more then: a process that went on would be blind."""
    await bench.start()
    await bench.next_world()
    error = {"kind": "Status", "code": code, "message": "etcd event received with PrevKv=nil"}
    await bench.server.send("Deployment", "ERROR", error)
    with pytest.raises(OperatorError, match="etcd event received"):
        await bench.ended()
    lease = bench.cluster.objects["Lease", "recsys-system", "recsys-operator"]
    assert lease["spec"]["holderIdentity"] == "", "a successor need not wait"


async def test_a_stream_that_is_too_old_is_listed_anew(bench: Bench) -> None:
    await bench.start()
    await bench.next_world()
    bench.cluster.put_raw(objects.model("shop", "books"))
    await bench.server.send("RecommenderModel", "ERROR", {"kind": "Status", "code": 410, "message": "too old"})
    assert (await bench.next_world()).name == "books"


async def test_a_pod_that_waited_for_the_lease_reads_everything_again_before_its_first_act(bench: Bench) -> None:
    lease = {"kind": "Lease", "metadata": {"name": "recsys-operator", "namespace": "recsys-system"}}
    bench.cluster.put_raw(lease | {"spec": {"holderIdentity": "pod-1", "leaseDurationSeconds": 60}})
    await bench.start()
    await asyncio.wait_for(bench.cluster.looked_at.wait(), SECONDS)
    await asyncio.wait_for(bench.server.watched["RecommenderModel"].wait(), SECONDS)
    del bench.cluster.objects["RecommenderModel", "shop", "movies"]
    bench.cluster.put_raw(objects.model("shop", "books"))
    bench.cluster.put_raw(lease | {"spec": {"holderIdentity": ""}})
    first, second = await bench.next_world(), await bench.next_world()
    assert (first.name, first.model) == ("movies", None), "no event has told that it is gone"
    assert second.name == "books"
