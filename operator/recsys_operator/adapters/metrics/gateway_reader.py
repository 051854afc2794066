"""Reads the statistics of all proxies at once: one that cannot be read blinds the routes of its own Gateway alone."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

import aiohttp

from recsys_operator.adapters.metrics.gateway import (
    BackendCounts,
    GatewayIncrements,
    Page,
    Position,
    Route,
    backends_of_page,
    statistics_path,
)
from recsys_operator.adapters.proxy_pods import Proxy
from recsys_operator.errors import ApiError

__all__ = ["Fetch", "GatewayPods", "GatewayReader", "GatewayReading"]

log = logging.getLogger(__name__)
Fetch = Callable[[str], Awaitable[str]]
GatewayPods = Callable[[], Awaitable[Mapping[str, Proxy]]]
"""{identity of a proxy process: the proxy}."""


@dataclass(frozen=True)
class GatewayReading:
    """What the proxies counted since the reading before."""

    proxies: Mapping[str, Proxy]
    increments: Mapping[str, Page | None]
    """By proxy; None where nothing is known of it."""
    pages: Mapping[str, Page | None]
    """What they stand at now; None where it could not be read."""

    def serving(self, gateways: Iterable[tuple[str, str, str]]) -> frozenset[str]:
        """Proxies of Gateways, each as (namespace, name, GatewayClass or empty)."""
        wanted = tuple(gateways)
        return frozenset(
            uid
            for uid, proxy in self.proxies.items()
            if any(proxy.serves((namespace, name), kind) for namespace, name, kind in wanted)
        )

    def counts(self, proxies: Iterable[str], route: Route) -> Mapping[Position, BackendCounts] | None:
        """What these proxies counted for a route; None where nothing is known of one of them."""
        total: dict[Position, BackendCounts] = {}
        for uid in proxies:
            page = self.increments[uid]
            if page is None:
                return None
            for position, counts in page.get(route, {}).items():
                total[position] = total.get(position, BackendCounts()) + counts
        return total


class GatewayReader:
    """Pages of all proxies, once for each call of `read`."""

    def __init__(self, fetch: Fetch, proxies: GatewayPods) -> None:
        self._fetch = fetch
        self._proxies = proxies
        self._increments = GatewayIncrements()
        self._left: frozenset[str] = frozenset()
        """Proxies that start or end and did not answer: nobody waits for them."""

    async def read(self, routes: Iterable[Route]) -> GatewayReading | None:
        """What was counted for these routes since the last call; None where no proxy is known."""
        path = statistics_path(routes)
        try:
            proxies = await self._proxies()
        except (ApiError, LookupError) as error:
            log.debug("proxies of the gateways are not known: %s", error)
            self._increments = GatewayIncrements()
            return None
        asked = {uid: proxy for uid, proxy in proxies.items() if proxy.ready or uid not in self._left}
        pages = dict(
            zip(asked, await asyncio.gather(*(self._page(proxy, path) for proxy in asked.values())), strict=True)
        )
        # what is counted by one that neither answers nor is sent anybody new is lost, as with one that is gone
        silent = frozenset(uid for uid, page in pages.items() if page is None and not asked[uid].ready)
        self._left = (self._left & proxies.keys() - asked.keys()) | silent
        there = {uid: proxy for uid, proxy in asked.items() if uid not in silent}
        read = {uid: pages[uid] for uid in there}
        return GatewayReading(there, self._increments.advance(read), read)

    async def _page(self, proxy: Proxy, path: str) -> Page | None:
        try:
            return backends_of_page(await self._fetch(proxy.url + path))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            log.debug("statistics of %s cannot be read: %s", proxy.url, error)
            return None
