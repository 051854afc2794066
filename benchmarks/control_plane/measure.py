"""One run, from the empty API server to the rows."""

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from benchmarks.control_plane.rollbacks import Rollback, find_rollbacks
from benchmarks.control_plane.rounds import Registry, settle, start_rollouts, stir
from benchmarks.control_plane.rows import Row, breach_rows, memory_rows, row, scaled_row, verdict_rows
from benchmarks.control_plane.standins import PROXY_ADDRESS, ROLLING
from benchmarks.control_plane.usage import (
    Audit,
    buckets,
    cpu_seconds,
    gauge,
    quantile_bound,
    rss_mib,
    writes,
)
from benchmarks.control_plane.world import Helper, Operator, World, start_world, until

FIRST_MODELS = 100
CALM_SECONDS = 5.0
SETTLE_SECONDS = 180.0
RELIST_SECONDS = 10
RELISTING = "relisting every 10 s"
PEER_ROUTES, PEER_INTERVALS = 8, (1.0, 10.0)
RECONCILE = "recsys_operator_reconcile_seconds"


@dataclass(frozen=True)
class Options:
    """How much of it."""

    models: int = 1000
    rolling: int = 12
    rounds: int = 300
    idle_seconds: int = 60
    phase_seconds: int = 480
    """Rounds end after this long, whether there were enough or not."""

    @property
    def first(self) -> int:
        """Models of the first part."""
        return max(self.rolling, min(FIRST_MODELS, self.models))


@dataclass
class Run:
    """What one run has found so far."""

    options: Options
    world: World
    registry: Registry
    standins: Helper
    observer: Helper
    audit: Audit
    rows: list[Row] = field(default_factory=list)
    memory: dict[int, float] = field(default_factory=dict)

    async def models(self, operator: Operator, count: int, prefix: str = "model-") -> float:
        """Fill up to `count` models, note the memory; seconds until the new ones were stable."""
        known = Counter(self.registry.phases.values())["Stable"]
        names = [f"{prefix}{n}" for n in range(known, count)] if prefix != ROLLING else _rolling(self.options)
        took = await settle(self.world, self.registry, names, count, 600.0)
        await asyncio.sleep(CALM_SECONDS)
        self.memory[count] = rss_mib(operator.process.pid)
        _tell(f"{count} models are stable, {took:.1f} s after the last of them were created; {_load()}")
        return took

    async def rounds(self, operator: Operator, peer: Helper | None, where: str, target: float) -> None:
        """Rollbacks until there are enough, or the time is up."""
        page, begun, age = await operator.metrics(), time.time(), 0.0

        async def enough() -> bool:
            nonlocal age
            age = max(age, gauge(await operator.metrics(), "recsys_operator_queue_oldest_seconds"))
            return len(self._ours(begun)) >= self.options.rounds

        with contextlib.suppress(TimeoutError):
            await until(enough, self.options.phase_seconds, where)
        decisions = peer.lines if peer is not None else []
        lines = find_rollbacks(self.observer.lines, self.standins.lines, decisions)
        loops = {
            interval: [r for r in lines if r.route.startswith(f"peer-{interval:g}-")] for interval in PEER_INTERVALS
        }
        bare = [r for rollbacks in loops.values() for r in rollbacks]
        ours = self._ours(begun)
        counts = buckets(await operator.metrics(), RECONCILE)
        counts.subtract(buckets(page, RECONCILE))
        found = verdict_rows(ours, bare, where, target) + breach_rows(ours, loops, where)
        found += [
            row(f"reconcile, p99 at most, {where}", "s", quantile_bound(counts, 0.99), n=max(counts.values())),
            row(f"oldest in the queue, sampled, {where}", "s", age),
        ]
        self.rows += [line | {"load": os.getloadavg()} for line in found]
        _tell(f"{len(ours)} rollbacks, {where}, in {time.time() - begun:.0f} s; {_load()}")

    async def idle(self, operator: Operator) -> None:
        """Nothing happens: what is written, and what it costs."""
        await until(self._calm, SETTLE_SECONDS, "somebody writes all the time")
        self.audit.skip()
        seconds, cpu = self.options.idle_seconds, cpu_seconds(operator.process.pid)
        await asyncio.sleep(seconds)
        cpu = (cpu_seconds(operator.process.pid) - cpu) * 60 / seconds
        await asyncio.sleep(2.0)
        requests = self.audit.requests()
        count, models = writes(requests), self.options.models
        where, per_minute = f"idle, {models} models", sum(requests.values()) * 60 / seconds
        self.rows += [
            *scaled_row(f"{where}: writes in an hour, Lease apart", "1/h", count * 3600 / seconds, models,
                        {"Argo Rollouts, events": 582 * 60.0}, target=0.0, seconds=seconds),
            *scaled_row(f"{where}: requests in a minute", "1/min", per_minute, models, {"Flagger": 7504.0},
                        what=_words(requests)),
            *scaled_row(f"{where}: CPU in a minute", "s", cpu, models, {"Argo Rollouts": 0.59, "Flagger": 4.7}),
        ]  # fmt: skip
        _tell(f"idle: {count} writes in {seconds} s; {_load()}")

    async def _calm(self) -> bool:
        """No write in some seconds: the last models' routes were accepted, and their status says so."""
        self.audit.skip()
        await asyncio.sleep(CALM_SECONDS)
        return writes(self.audit.requests()) == 0

    def _ours(self, since: float) -> list[Rollback]:
        found = find_rollbacks(self.observer.lines, self.standins.lines, ())
        return [r for r in found if r.route.startswith(ROLLING) and r.breach >= since]


async def measure(options: Options) -> list[Row]:
    """All rows."""
    async with _run(options) as run:
        async with run.world.operator() as operator:
            await asyncio.sleep(3.0)
            run.memory[0] = rss_mib(operator.process.pid)
            await _few_models(run, operator)
            took = await run.models(operator, options.models)
            if created := options.models - options.first:
                anchors = {"Argo Rollouts": 167.0, "Flagger": 276.0}
                run.rows += scaled_row(f"{created} more models until stable", "s", took, created, anchors)
            await run.idle(operator)
        await _many_models(run)
        return [*run.rows, *memory_rows(run.memory)]


async def _few_models(run: Run, operator: Operator) -> None:
    options = run.options
    await run.models(operator, options.rolling, ROLLING)
    await run.models(operator, options.first)
    proxy = f"http://{PROXY_ADDRESS}:{run.world.gateway_port}"
    async with run.world.helper("peer", proxy, PEER_ROUTES, *PEER_INTERVALS) as peer:
        run.registry.retrying = True
        await start_rollouts(run.world, options.rolling)
        await run.rounds(operator, peer, f"{options.first} models", 0.3)
        run.registry.retrying = False
    await until(run.registry.calm, 120.0, "rollouts do not end")


async def _many_models(run: Run) -> None:
    """A new process, which lists everything every few seconds while all models are reconciled."""
    options = run.options
    run.audit.skip()
    begun = time.monotonic()
    async with run.world.operator(RECSYS_RELIST_SECONDS=str(RELIST_SECONDS)) as operator:
        ready = time.monotonic() - begun
        await asyncio.sleep(CALM_SECONDS)
        again = writes(run.audit.requests())
        run.rows += [
            row(f"start over {options.models} models until ready", "s", ready),
            row(f"start over {options.models} models: writes", "", again, target=0.0),
        ]
        names = [f"{ROLLING}{n}" for n in range(options.rolling)]
        names += [f"model-{n}" for n in range(options.rolling, options.models)]
        stirring = asyncio.create_task(stir(run.world, names, options.models / 10))
        run.registry.retrying = True
        run.registry.retry_all()
        try:
            await run.rounds(operator, None, f"{options.models} models reconciling, {RELISTING}", 1.0)
        finally:
            stirring.cancel()
        run.registry.retrying = False


@contextlib.asynccontextmanager
async def _run(options: Options) -> AsyncIterator[Run]:
    async with (
        start_world() as world,
        world.helper("standins", world.gateway_port) as standins,
        world.helper("observer") as observer,
    ):
        registry = Registry(world)
        # a group: what fails in the background ends the run at once
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(registry.run()), group.create_task(registry.retry())]
            yield Run(options, world, registry, standins, observer, Audit(world.audit))
            for task in tasks:
                task.cancel()


def _rolling(options: Options) -> list[str]:
    return [f"{ROLLING}{n}" for n in range(options.rolling)]


def _words(requests: Counter[tuple[str, str]]) -> dict[str, int]:
    return {f"{verb} {what}": count for (verb, what), count in requests.most_common(12)}


def _load() -> str:
    return "load " + " ".join(f"{value:.2f}" for value in os.getloadavg())


def _tell(text: str) -> None:
    print(text, flush=True)
