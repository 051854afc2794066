"""The operator as a process against a real API server: starts, acts, writes nothing when idle, ends, comes back."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.contract.conftest import ApiServer
from tests.contract.operator import objects
from tests.contract.operator.conftest import Bench

from recsys_operator.resources.kinds import KINDS, Manifest

DEADLINE_SECONDS = 60.0


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Operator:
    """A running process."""

    process: asyncio.subprocess.Process
    port: int

    async def page(self, path: str) -> tuple[int, str]:
        """Status and body; 0 where nothing listens."""
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self.port}{path}") as response,
            ):
                return response.status, await response.text()
        except aiohttp.ClientError:
            return 0, ""

    async def figures(self) -> tuple[float, float]:
        """(passes, writes but those of the Lease)."""
        passes = writes = 0.0
        for line in (await self.page("/metrics"))[1].splitlines():
            name, _, value = line.rpartition(" ")
            if name.startswith("recsys_operator_reconcile_seconds_count"):
                passes += float(value)
            if name.startswith("recsys_operator_api_writes_total") and "Lease" not in name:
                writes += float(value)
        return passes, writes

    async def end(self, number: signal.Signals) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), DEADLINE_SECONDS)


async def until(holds: Callable[[], Awaitable[Any]]) -> Any:
    """Ask until something is true, with a deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if found := await holds():
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {DEADLINE_SECONDS:.0f} s: {holds.__name__}")


Start = Callable[[], Awaitable[Operator]]


@pytest.fixture
async def start(prepared_apiserver: ApiServer, real_bench: Bench, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts operators for the bench's namespace; what still runs in the end is killed."""
    started: list[Operator] = []
    namespace = real_bench.namespace

    async def make() -> Operator:
        port = _free_port()
        environment = {
            **os.environ, "KUBECONFIG": str(prepared_apiserver.kubeconfig), "RECSYS_TRAINER_IMAGE": "trainer:1",
            "RECSYS_SERVING_IMAGE": "serving:1", "RECSYS_NAMESPACE": namespace, "RECSYS_WATCH_NAMESPACES": namespace,
            "RECSYS_POD_NAME": "operator-0", "RECSYS_METRICS_PORT": str(port), "RECSYS_METRICS_ADDRESS": "127.0.0.1",
        }  # fmt: skip
        log = tmp_path / f"operator-{len(started)}.log"
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "recsys_operator", env=environment, stdout=file, stderr=asyncio.subprocess.STDOUT
            )
        operator = Operator(process, port)
        started.append(operator)

        async def is_ready() -> bool:
            assert process.returncode is None, log.read_text()
            return (await operator.page("/readyz"))[0] == 200

        await until(is_ready)
        return operator

    yield make
    for operator in started:
        if operator.process.returncode is None:
            operator.process.kill()
            await operator.process.wait()


async def create_model(bench: Bench) -> Callable[[], Awaitable[tuple[Manifest, ...]]]:
    """Create the usual model; how to look for its Jobs."""
    await bench.cluster._request(
        "POST", KINDS["RecommenderModel"].path(bench.namespace), objects.model(bench.namespace)
    )

    async def jobs() -> tuple[Manifest, ...]:
        items: tuple[Manifest, ...] = (await bench.cluster.list(KINDS["Job"], bench.namespace)).items
        return items

    return jobs


async def touch(bench: Bench, note: str) -> None:
    """Change a model in a way that means nothing."""
    path = KINDS["RecommenderModel"].path(bench.namespace, "movies")
    patch = {"metadata": {"annotations": {"note": note}}}
    await bench.cluster._request("PATCH", path, patch, content="application/merge-patch+json")


async def test_a_model_gets_its_first_job_and_sigterm_ends_the_process_well(start: Start, real_bench: Bench) -> None:
    operator = await start()
    (job,) = await until(await create_model(real_bench))
    assert job["metadata"]["labels"]["recsys.dev/component"] == "prepare"
    assert await operator.end(signal.SIGTERM) == 0
    lease = await real_bench.cluster.read("Lease", real_bench.namespace, "recsys-operator")
    assert lease["spec"]["holderIdentity"] == ""


async def test_passes_over_an_unchanged_model_write_nothing(start: Start, real_bench: Bench) -> None:
    operator = await start()
    await until(await create_model(real_bench))
    before = (0.0, 0.0)

    async def has_settled() -> bool:
        nonlocal before
        now = await operator.figures()
        settled = now == before and now[0] > 0
        before = now
        if settled:
            return True
        await asyncio.sleep(0.5)
        return False

    await until(has_settled)
    for n in range(5):
        passes = (await operator.figures())[0]
        await touch(real_bench, str(n))

        async def has_passed(passes: float = passes) -> bool:
            return (await operator.figures())[0] > passes

        await until(has_passed)
    assert (await operator.figures())[1] == before[1]


async def test_a_killed_operator_comes_back_under_its_name_and_goes_on(start: Start, real_bench: Bench) -> None:
    operator = await start()
    jobs = await create_model(real_bench)
    (job,) = await until(jobs)
    await operator.end(signal.SIGKILL)
    metadata = job["metadata"]
    await real_bench.cluster.delete(
        "Job", real_bench.namespace, metadata["name"], uid=metadata["uid"], resource_version=""
    )
    begun = time.monotonic()
    await start()
    (again,) = await until(jobs)
    assert again["metadata"]["uid"] != metadata["uid"]
    assert time.monotonic() - begun < 15.0
