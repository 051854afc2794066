"""Watches the versions of running rollouts: every second one `VersionSecond` for each, two minutes of them kept."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import aiohttp

from recsys_api.listening import in_url
from recsys_operator.adapters.cache import Cache
from recsys_operator.adapters.metrics.gateway import (
    Backend,
    BackendCounts,
    GatewayIncrements,
    RoutePositions,
    backends_of_page,
    statistics_path,
)
from recsys_operator.adapters.metrics.pods import PodCounters, PodIncrements, counters_of_page
from recsys_operator.adapters.views import view_of_pod
from recsys_operator.core import naming
from recsys_operator.core.world import PodView, VersionSecond
from recsys_operator.errors import ApiError
from recsys_operator.ports import Clock
from recsys_operator.resources.kinds import LABEL_COMPONENT
from recsys_operator.resources.serving import PORT

__all__ = ["GatewayPods", "Sampler", "fetch_with"]

log = logging.getLogger(__name__)
TIMEOUT_SECONDS = 0.8
PAGE_BYTES = 16 * 2**20
"""A thousand routes at a proxy make some MiB; more than this would hold up everything else."""
KEEP_SECONDS = 120.0
READABLE_SECONDS = 10.0
"""After this long without the gateway's counters they count as not readable at all."""

Fetch = Callable[[str], Awaitable[str]]
GatewayPods = Callable[[], Awaitable[Mapping[str, str]]]
"""{identity of a proxy process: base URL of its statistics}."""


def fetch_with(session: aiohttp.ClientSession) -> Fetch:
    """Pages by HTTP; anything but a 200 of bearable length within the time limit raises."""
    limit = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)

    async def fetch(url: str) -> str:
        async with session.get(url, timeout=limit, allow_redirects=False) as response:
            if response.status != 200:
                raise aiohttp.ClientPayloadError(f"{url} answered {response.status}")
            page = bytearray()
            async for chunk in response.content.iter_any():
                page += chunk
                if len(page) > PAGE_BYTES:
                    raise aiohttp.ClientPayloadError(f"{url} has more than {PAGE_BYTES} bytes")
            return page.decode()

    return fetch


@dataclass
class _Watched:
    namespace: str
    model: str
    versions: tuple[str, ...]
    since: float
    seconds: deque[VersionSecond] = field(default_factory=deque)
    positions: RoutePositions = field(default_factory=RoutePositions)
    increments: PodIncrements = field(default_factory=PodIncrements)
    gateway_known: bool = False
    """The route's counters were on the last page: what they grew by since then is known."""
    restarts: dict[str, int] = field(default_factory=dict)
    """Pod uid -> restarts that were counted."""
    read: dict[str, float] = field(default_factory=dict)
    """Pod uid -> when its page was read last."""


class Sampler:
    """`watch` says what to sample; `tick` samples it once and tells `on_tick(key)`."""

    def __init__(
        self, cache: Cache, fetch: Fetch, gateway_pods: GatewayPods | None, clock: Clock, on_tick: Callable[[str], None]
    ) -> None:
        self._cache = cache
        self._fetch = fetch
        self._gateway_pods = gateway_pods
        self._clock = clock
        self._on_tick = on_tick
        self._watched: dict[str, _Watched] = {}
        self._gateway = GatewayIncrements()
        self._gateway_paged = False
        self._gateway_read_at = clock.now()
        self._woken = asyncio.Event()
        self.last_tick_seconds = 0.0

    def watch(self, namespace: str, model: str, versions: tuple[str, ...]) -> None:
        """Sample these versions of a model from now on; none: stop."""
        key = f"{namespace}/{model}"
        known = self._watched.get(key)
        if not versions:
            self._watched.pop(key, None)
        elif known is None:
            if not self._watched:
                # nobody read the gateway while nothing was watched: that is no sign of trouble
                self._gateway_read_at = self._clock.now()
            self._watched[key] = _Watched(namespace, model, versions, self._clock.now())
            self._woken.set()
        else:
            known.versions = versions

    def seconds(self, key: str) -> tuple[VersionSecond, ...]:
        """The kept samples of a model, oldest first."""
        watched = self._watched.get(key)
        return tuple(watched.seconds) if watched else ()

    def since(self, key: str) -> float | None:
        """Since when a model is watched; None while it is not."""
        watched = self._watched.get(key)
        return watched.since if watched else None

    def gateway_readable(self) -> bool:
        """Whether the gateway's counters can be read at all."""
        return self._gateway_pods is not None and self._clock.now() - self._gateway_read_at < READABLE_SECONDS

    async def run(self) -> None:
        """Tick every second while something is watched."""
        due = self._clock.monotonic()
        while True:
            if not self._watched:
                self._woken.clear()
                await self._woken.wait()
                due = self._clock.monotonic()
            await self.tick()
            due = max(due + 1.0, self._clock.monotonic())
            await asyncio.sleep(due - self._clock.monotonic())

    async def tick(self) -> None:
        """Sample everything that is watched once."""
        begun = self._clock.monotonic()
        at = self._clock.now()
        watched = dict(self._watched)
        pods = {key: self._pods(entry) for key, entry in watched.items()}
        targets = {pod.uid: pod.ip for found in pods.values() for pod in found if pod.ready and pod.ip}
        pages, gateway = await asyncio.gather(self._scrape(targets), self._read_gateway(watched))
        for key, entry in watched.items():
            self._record(entry, at, pods[key], pages, gateway)
            self._on_tick(key)
        self.last_tick_seconds = self._clock.monotonic() - begun

    def _pods(self, entry: _Watched) -> list[PodView]:
        return [
            self._cache.view(pod, view_of_pod)
            for version in entry.versions
            for pod in self._cache.of_version(entry.namespace, entry.model, version, "Pod")
            if pod["metadata"]["labels"].get(LABEL_COMPONENT) == "serving"
        ]

    async def _scrape(self, targets: Mapping[str, str]) -> dict[str, PodCounters | None]:
        async def one(ip: str) -> PodCounters | None:
            try:
                return counters_of_page(await self._fetch(f"http://{in_url(ip)}:{PORT}/metrics"))
            except (aiohttp.ClientError, TimeoutError, OSError, UnicodeDecodeError) as error:
                log.debug("scrape of %s failed: %s", ip, error)
                return None

        pages = await asyncio.gather(*(one(ip) for ip in targets.values()))
        return dict(zip(targets, pages, strict=True))

    async def _read_gateway(self, watched: Mapping[str, _Watched]) -> dict[Backend, BackendCounts] | None:
        self._gateway_paged = False
        if self._gateway_pods is None:
            return None
        path = statistics_path((entry.namespace, naming.route_name(entry.model)) for entry in watched.values())
        try:
            proxies = await self._gateway_pods()
            texts = await asyncio.gather(*(self._fetch(base + path) for base in proxies.values()))
            pages = {uid: backends_of_page(text) for uid, text in zip(proxies, texts, strict=True)}
        except (ApiError, aiohttp.ClientError, TimeoutError, OSError, ValueError, LookupError) as error:
            log.debug("statistics of the gateway cannot be read: %s", error)
            # what was counted during the gap cannot be told from what the route sent elsewhere before
            self._gateway = GatewayIncrements()
            return None
        if pages:
            self._gateway_paged = True
            self._gateway_read_at = self._clock.now()
        return self._gateway.advance(pages)

    def _record(
        self, entry: _Watched, at: float, pods: list[PodView], pages: Mapping[str, PodCounters | None],
        gateway: dict[Backend, BackendCounts] | None,
    ) -> None:  # fmt: skip
        route_name = naming.route_name(entry.model)
        entry.positions.observe(self._cache.get("HTTPRoute", entry.namespace, route_name), at)
        mine = None
        if gateway is not None and entry.gateway_known:
            mine = {key[2:]: count for key, count in gateway.items() if key[:2] == (entry.namespace, route_name)}
        entry.gateway_known = self._gateway_paged
        while entry.seconds and entry.seconds[-1].at >= at:
            # the clock was set back: they would be counted once more when it has caught up
            entry.seconds.pop()
        for version in entry.versions:
            of_version = [pod for pod in pods if pod.version == version]
            counts = entry.positions.count(version, mine) if mine is not None else None
            entry.seconds.append(self._second(entry, at, version, of_version, pages, counts))
        while entry.seconds and entry.seconds[0].at < at - KEEP_SECONDS:
            entry.seconds.popleft()
        there = {pod.uid: pod for pod in pods}
        entry.increments.keep(there)
        entry.restarts = {uid: count for uid, count in entry.restarts.items() if uid in there}
        entry.read = {uid: min(when, at) for uid, when in entry.read.items() if uid in there}

    def _second(
        self, entry: _Watched, at: float, version: str, pods: list[PodView], pages: Mapping[str, PodCounters | None],
        gateway: BackendCounts | None,
    ) -> VersionSecond:  # fmt: skip
        ready = [pod for pod in pods if pod.ready]
        scraped = [(pod, page) for pod in ready if (page := pages.get(pod.uid)) is not None]
        entry.read |= {pod.uid: at for pod, _ in scraped}
        advanced = [(pod, *entry.increments.advance(pod.uid, page)) for pod, page in scraped]
        renewed = {pod.uid for pod, _, other in advanced if other}
        deltas = [delta for _, delta, _ in advanced]
        return VersionSecond(
            at=at, version=version, pods_expected=len(ready), pods_scraped=len(scraped),
            read_since=min((entry.read.get(pod.uid, 0.0) for pod in ready), default=0.0),
            restarts=sum(_restarts(entry.restarts, pod, pod.uid in renewed) for pod in pods),
            answers=sum(delta.answers for delta in deltas), failures=sum(delta.failures for delta in deltas),
            model_latency=tuple(map(sum, zip(*(delta.latency for delta in deltas), strict=True))),
            bad_fallbacks=sum(delta.bad_fallbacks for delta in deltas),
            unknown_users=sum(delta.unknown_users for delta in deltas),
            server_restarts=sum(delta.server_restarts for delta in deltas),
            gateway_requests=None if gateway is None else gateway.requests,
            gateway_bad=None if gateway is None else gateway.bad,
            errors=tuple(f"{pod.name}: {text}" for pod, delta, _ in advanced for text in delta.errors),
        )  # fmt: skip


def _restarts(counted: dict[str, int], pod: PodView, renewed: bool) -> int:
    """Restarts of a pod since the last second; a new process is seen before its restart count is, and counts once."""
    before = counted.get(pod.uid, pod.restarts)
    now = max(pod.restarts, before + 1 if renewed and pod.restarts <= before else before)
    counted[pod.uid] = now
    return now - before
