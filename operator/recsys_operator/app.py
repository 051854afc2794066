"""The operator as one object: how its parts are wired, started and ended."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack

import aiohttp

from recsys_operator.acts import ActExecutor
from recsys_operator.adapters.cache import Cache, model_of
from recsys_operator.adapters.cluster import ApiCluster
from recsys_operator.adapters.connection import Connection
from recsys_operator.adapters.lease import Leadership
from recsys_operator.adapters.live_pods import LivePods
from recsys_operator.adapters.metrics.sampler import Sampler, fetch_with
from recsys_operator.adapters.observer import Observer
from recsys_operator.adapters.proxy_pods import ProxyPods
from recsys_operator.adapters.relist import Relister
from recsys_operator.adapters.switch import Switch
from recsys_operator.adapters.traffic.gateway_api import GatewayApiRouter
from recsys_operator.errors import OperatorError, Unavailable
from recsys_operator.handlers import EventSource
from recsys_operator.metrics import Telemetry
from recsys_operator.ports import Clock
from recsys_operator.queue import WorkQueue
from recsys_operator.reconciler import Decide, Reconciler, key_of
from recsys_operator.resources.jobs import Images
from recsys_operator.resources.kinds import Manifest
from recsys_operator.resources.route_status import gateways_of
from recsys_operator.server import start_server
from recsys_operator.settings import Settings

__all__ = ["Operator", "RootTaskEndedError"]

log = logging.getLogger(__name__)
URGENT_KINDS = frozenset({"ModelAction"})
START_RETRY_SECONDS = 0.5


class RootTaskEndedError(OperatorError):
    """A task that must run for ever ended: the process ends, and starts again."""


class Operator:
    """Wires everything; `run` returns when `stop` is set, or raises."""

    def __init__(
        self, settings: Settings, connection: Connection, decide: Decide, clock: Clock, *,
        on_started: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._clock = clock
        self._on_started = on_started
        self._led = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._ready = False
        self._stack = AsyncExitStack()
        self.telemetry = Telemetry()
        self.port = 0
        self._queue = WorkQueue(clock.monotonic)
        self._cache = Cache()
        self._cluster = ApiCluster(connection, self.telemetry.observe_write)
        self._decide = decide
        namespaces = settings.watch_namespaces
        self._switch = Switch(self._cluster, settings.namespace, self._add_all)
        self._relister = Relister(
            self._cluster, self._cache, namespaces, self._changed, period_seconds=settings.relist_seconds
        )
        self._events = EventSource(self._cache, connection, namespaces, self._changed)
        self._leadership = Leadership(
            self._cluster, clock, namespace=settings.namespace, holder=settings.pod_name, seconds=settings.lease_seconds
        )
        self._gauges()

    async def run(self, stop: asyncio.Event) -> None:
        """Start, act while leading, end.

        Raises:
            OperatorError: it cannot go on; the message says why.
        """
        async with self._stack:
            await self._start()
            waiting = asyncio.create_task(stop.wait(), name="stop")
            self._spawn("lead", self._lead())
            try:
                await self._supervise(waiting)
            finally:
                await self._end(waiting)

    async def _start(self) -> None:
        settings = self._settings
        runner, self.port = await start_server(
            self.telemetry, address=settings.metrics_address, port=settings.metrics_port,
            active_seconds=self._queue.active_seconds, ready=lambda: self._ready,
        )  # fmt: skip
        self._stack.push_async_callback(runner.cleanup)
        await self._stack.enter_async_context(self._cluster)
        self._reconciler = self._build_reconciler(await self._stack.enter_async_context(_scraping_session()))
        self._tasks.append(await self._events.start())
        self._on_started()

    async def _lead(self) -> None:
        """Read everything, wait for the Lease, then act; never returns."""
        await self._fill()
        waited = await self._leadership.acquire()
        log.info("%s leads", self._settings.pod_name)
        self._spawn("lease", self._leadership.keep())
        self._led.set()
        if waited:
            # what the streams did not tell meanwhile must not be acted upon
            await _patiently(self._relister.compare)
            await _patiently(self._switch.read)
        self._spawn("sampler", self._sampler.run())
        self._spawn("relist", self._relister.run())
        self._spawn("switch", self._switch.run())
        for n in range(self._settings.workers):
            self._spawn(f"worker-{n}", self._reconciler.work())
        self._led.set()
        await asyncio.Event().wait()

    async def _fill(self) -> None:
        begun = self._clock.monotonic()
        await _patiently(self._switch.read)
        await _patiently(self._relister.fill)
        self._ready = True
        seconds = self._clock.monotonic() - begun
        log.info("first lists are in after %.2f s: %d models", seconds, len(self._cache.models()))

    async def _supervise(self, waiting: "asyncio.Task[bool]") -> None:
        """Until `waiting` is done; any root task that ends is fatal."""
        while True:
            led = asyncio.create_task(self._led.wait())
            done, _ = await asyncio.wait({waiting, led, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
            led.cancel()
            self._led.clear()
            if waiting in done:
                return
            for task in self._tasks:
                if task.done():
                    _raise_end(task)

    async def _end(self, waiting: "asyncio.Task[bool]") -> None:
        waiting.cancel()
        kopf, *others = self._tasks
        await _cancel(others, 2.0)
        await self._leadership.release()
        await _cancel([kopf], 3.0)

    def _spawn(self, name: str, coroutine: Coroutine[None, None, None]) -> None:
        self._tasks.append(asyncio.create_task(coroutine, name=name))

    def _build_reconciler(self, scraping: aiohttp.ClientSession) -> Reconciler:
        settings, cluster, cache, clock = self._settings, self._cluster, self._cache, self._clock
        proxies = None
        if settings.gateway_port:
            proxies = ProxyPods(
                cluster, clock, namespaces=settings.gateway_namespaces, selector=settings.gateway_selector,
                port=settings.gateway_port,
            )  # fmt: skip
        self._sampler = Sampler(
            cache, fetch_with(scraping), proxies, clock, lambda key: self._queue.add(key, urgent=True)
        )
        router = GatewayApiRouter(cluster, cache)
        observer = Observer(
            cache=cache, cluster=cluster, router=router, sampler=self._sampler, clock=clock,
            serving_image=settings.serving_image, triton_start_seconds=settings.triton_start_seconds,
            image_pull_policy=settings.image_pull_policy,
            paused=lambda: self._switch.paused, attended_until=lambda: self._leadership.attended_until,
        )  # fmt: skip
        executor = ActExecutor(
            cluster=cluster, cache=cache, router=router, pods=LivePods(cluster),
            images=Images(settings.trainer_image, settings.image_pull_policy),
            instance=settings.pod_name, now=clock.now, on_keys=observer.know_keys,
        )  # fmt: skip
        self.telemetry.gauge(
            "recsys_operator_sample_seconds",
            "Duration of the last round of scraping.",
            lambda: self._sampler.last_tick_seconds,
        )
        return Reconciler(
            observer=observer, decide=self._decide, executor=executor, sampler=self._sampler, queue=self._queue,
            clock=clock, telemetry=self.telemetry,
        )  # fmt: skip

    def _gauges(self) -> None:
        gauge, queue = self.telemetry.gauge, self._queue
        gauge("recsys_operator_queue_depth", "Models that wait for a worker.", queue.depth)
        gauge("recsys_operator_queue_oldest_seconds", "Longest wait among them.", queue.oldest_seconds)
        gauge("recsys_operator_reconcile_oldest_seconds", "Longest running reconcile.", queue.active_seconds)

    def _changed(self, manifest: Manifest) -> None:
        namespace = manifest["metadata"].get("namespace", "")
        if manifest["kind"] == "Gateway":
            self._add_behind(namespace, manifest["metadata"]["name"])
        elif model := model_of(manifest):
            self._queue.add(key_of(namespace, model), urgent=manifest["kind"] in URGENT_KINDS)

    def _add_behind(self, gateway_namespace: str, gateway: str) -> None:
        for route in self._cache.of_kind("HTTPRoute"):
            if (gateway_namespace, gateway) in gateways_of(route):
                self._queue.add(key_of(route["metadata"]["namespace"], model_of(route)))

    def _add_all(self) -> None:
        for namespace, model in self._cache.models():
            self._queue.add(key_of(namespace, model))


def _scraping_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30))


async def _patiently(read: Callable[[], Awaitable[object]]) -> None:
    """Repeat a read until the API server can answer it: one that starts, or makes a new kind ready, says 429 or 503."""
    while True:
        try:
            await read()
            return
        except Unavailable as error:
            log.warning("the API server is not ready yet: %s", error)
            await asyncio.sleep(START_RETRY_SECONDS)


def _raise_end(task: "asyncio.Task[None]") -> None:
    error = None if task.cancelled() else task.exception()
    if isinstance(error, OperatorError):
        raise error
    raise RootTaskEndedError(f"root task {task.get_name()} ended: {error!r}") from error


async def _cancel(tasks: "list[asyncio.Task[None]]", seconds: float) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()
