"""Watches the versions of running rollouts: every second one `VersionSecond` for each, two minutes of them kept."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import aiohttp

from recsys_api.listening import in_url
from recsys_operator.adapters.cache import Cache
from recsys_operator.adapters.metrics.gateway import BackendCounts, Position, RoutePositions
from recsys_operator.adapters.metrics.gateway_reader import Fetch, GatewayPods, GatewayReader, GatewayReading
from recsys_operator.adapters.metrics.pods import PodCounters, PodIncrements, counters_of_page
from recsys_operator.adapters.metrics.standing import pods_standing, proxies_standing
from recsys_operator.adapters.metrics.unread import UnreadPods
from recsys_operator.adapters.views import view_of_pod
from recsys_operator.core import naming
from recsys_operator.core.counters import GatewayStanding, Reading
from recsys_operator.core.samples import VersionSecond
from recsys_operator.core.world import PodView
from recsys_operator.ports import Clock
from recsys_operator.resources.kinds import LABEL_COMPONENT, Manifest
from recsys_operator.resources.route_status import gateways_of
from recsys_operator.resources.serving import PORT

__all__ = ["Sampler", "fetch_with"]

log = logging.getLogger(__name__)
TIMEOUT_SECONDS = 0.8
PAGE_BYTES = 16 * 2**20
"""A thousand routes at a proxy make some MiB; more than this would hold up everything else."""
KEEP_SECONDS = 120.0


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
    proxies: frozenset[str] = frozenset()
    """Those of its Gateway at the last reading: what the same ones counted since then is known."""
    restarts: dict[str, int] = field(default_factory=dict)
    """Pod uid -> restarts that were counted."""
    read: dict[str, float] = field(default_factory=dict)
    """Pod uid -> when its page was read last."""
    unread: dict[str, UnreadPods] = field(default_factory=dict)
    """By version."""
    begun: Reading | None = None
    standing: Reading | None = None


class Sampler:
    """`watch` says what to sample; `tick` samples it once and tells `on_tick(key)`."""

    def __init__(
        self, cache: Cache, fetch: Fetch, gateway_pods: GatewayPods | None, clock: Clock, on_tick: Callable[[str], None]
    ) -> None:
        self._cache = cache
        self._fetch = fetch
        self._gateway = GatewayReader(fetch, gateway_pods) if gateway_pods is not None else None
        self._clock = clock
        self._on_tick = on_tick
        self._watched: dict[str, _Watched] = {}
        self._woken = asyncio.Event()
        self.last_tick_seconds = 0.0

    def watch(self, namespace: str, model: str, versions: tuple[str, ...]) -> None:
        """Sample these versions of a model from now on; none: stop."""
        key = f"{namespace}/{model}"
        known = self._watched.get(key)
        if not versions:
            self._watched.pop(key, None)
        elif known is None:
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

    def begun(self, key: str) -> Reading | None:
        """Where the counters stood when the first of a model's pods or its gateway was read since it is watched."""
        watched = self._watched.get(key)
        return watched.begun if watched else None

    def standing(self, key: str) -> Reading | None:
        """Where the counters stood at the end of the last second."""
        watched = self._watched.get(key)
        return watched.standing if watched else None

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
        # what is said of a second has the time of day, what is measured between two has a clock that nobody sets
        begun, at = self._clock.monotonic(), self._clock.now()
        watched = dict(self._watched)
        pods = {key: self._pods(entry) for key, entry in watched.items()}
        targets = {pod.uid: pod for found in pods.values() for pod in found if pod.ready and pod.ip}
        pages, gateway = await asyncio.gather(self._scrape(targets), self._read_gateway(watched))
        for key, entry in watched.items():
            self._record(entry, at, begun, pods[key], pages, gateway)
            self._on_tick(key)
        self.last_tick_seconds = self._clock.monotonic() - begun

    def _pods(self, entry: _Watched) -> list[PodView]:
        return [
            self._cache.view(pod, view_of_pod)
            for version in entry.versions
            for pod in self._cache.of_version(entry.namespace, entry.model, version, "Pod")
            if pod["metadata"]["labels"].get(LABEL_COMPONENT) == "serving"
        ]

    async def _scrape(self, targets: Mapping[str, PodView]) -> dict[str, PodCounters | None]:
        async def one(pod: PodView) -> PodCounters | None:
            try:
                return counters_of_page(await self._fetch(f"http://{in_url(pod.ip)}:{PORT}/metrics"), pod.version)
            except (aiohttp.ClientError, TimeoutError, OSError, UnicodeDecodeError) as error:
                log.debug("scrape of %s failed: %s", pod.ip, error)
                return None

        pages = await asyncio.gather(*(one(pod) for pod in targets.values()))
        return dict(zip(targets, pages, strict=True))

    async def _read_gateway(self, watched: Mapping[str, _Watched]) -> GatewayReading | None:
        if self._gateway is None:
            return None
        return await self._gateway.read((entry.namespace, naming.route_name(entry.model)) for entry in watched.values())

    def _gateway_counts(
        self, entry: _Watched, route: Manifest | None, reading: GatewayReading | None
    ) -> Mapping[Position, BackendCounts] | None:
        """What the proxies of the route's Gateway counted; None where they are others than before, or one is not known."""
        before, entry.proxies = entry.proxies, frozenset()
        if reading is None or route is None:
            return None
        entry.proxies = reading.serving(self._gateways(route))
        if not entry.proxies or entry.proxies != before:
            return None
        return reading.counts(entry.proxies, (entry.namespace, route["metadata"]["name"]))

    def _proxies_standing(
        self, entry: _Watched, route: Manifest | None, reading: GatewayReading | None
    ) -> GatewayStanding | None:
        if reading is None or route is None:
            return None
        pages = {uid: reading.pages[uid] for uid in entry.proxies}
        metadata = route["metadata"]
        key, generation = (entry.namespace, metadata["name"]), metadata.get("generation", 0)
        return proxies_standing(entry.versions, pages, key, generation, entry.positions)

    def _gateways(self, route: Manifest) -> Iterator[tuple[str, str, str]]:
        for namespace, name in gateways_of(route):
            gateway = self._cache.get("Gateway", namespace, name)
            yield namespace, name, gateway["spec"].get("gatewayClassName", "") if gateway is not None else ""

    def _record(
        self, entry: _Watched, at: float, measured_at: float, pods: list[PodView],
        pages: Mapping[str, PodCounters | None], gateway: GatewayReading | None,
    ) -> None:  # fmt: skip
        route = self._cache.get("HTTPRoute", entry.namespace, naming.route_name(entry.model))
        entry.positions.observe(route, measured_at)
        mine = self._gateway_counts(entry, route, gateway)
        while entry.seconds and entry.seconds[-1].at >= at:
            # the clock was set back: they would be counted once more when it has caught up
            entry.seconds.pop()
        for version in entry.versions:
            of_version = [pod for pod in pods if pod.version == version]
            counts = entry.positions.count(version, mine) if mine is not None else None
            entry.seconds.append(self._second(entry, at, measured_at, version, of_version, pages, counts))
        entry.standing = Reading(
            at, pods_standing(entry.versions, pods, entry.increments), self._proxies_standing(entry, route, gateway),
            by_gateway=self._gateway is not None,
        )  # fmt: skip
        if entry.begun is None and entry.standing.says_something:
            entry.begun = entry.standing
        while entry.seconds and entry.seconds[0].at < at - KEEP_SECONDS:
            entry.seconds.popleft()
        there = {pod.uid: pod for pod in pods}
        entry.increments.keep(there)
        entry.restarts = {uid: count for uid, count in entry.restarts.items() if uid in there}
        entry.unread = {version: entry.unread[version] for version in entry.versions}
        entry.read = {uid: min(when, at) for uid, when in entry.read.items() if uid in there}

    def _second(
        self, entry: _Watched, at: float, measured_at: float, version: str, pods: list[PodView],
        pages: Mapping[str, PodCounters | None], gateway: BackendCounts | None,
    ) -> VersionSecond:  # fmt: skip
        ready = [pod for pod in pods if pod.ready]
        scraped = [(pod, page) for pod in ready if (page := pages.get(pod.uid)) is not None]
        entry.read |= {pod.uid: at for pod, _ in scraped}
        advanced = [(pod, *entry.increments.advance(pod.uid, page)) for pod, page in scraped]
        renewed = {pod.uid for pod, _, other in advanced if other}
        lost = entry.unread.setdefault(version, UnreadPods()).advance(
            measured_at, {pod.uid: pod.ready for pod in pods},
            {pod.uid: delta.requests for pod, delta, other in advanced if not other and not delta.errors},
            {pod.uid: page.requests for pod, page in scraped if pod.uid in renewed},
        )  # fmt: skip
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
            lost=lost, gateway_requests=None if gateway is None else gateway.requests,
            gateway_bad=None if gateway is None else gateway.bad,
            errors=tuple(f"{pod.name}: {text}" for pod, delta, _ in advanced for text in delta.errors),
        )  # fmt: skip


def _restarts(counted: dict[str, int], pod: PodView, renewed: bool) -> int:
    """Restarts of a pod since the last second; a new process is seen before its restart count is, and counts once."""
    before = counted.get(pod.uid, pod.restarts)
    now = max(pod.restarts, before + 1 if renewed and pod.restarts <= before else before)
    counted[pod.uid] = now
    return now - before
