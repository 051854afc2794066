"""Which proxy processes serve the Gateways: their statistics are read by the sampler."""

import asyncio
import logging
from collections.abc import Mapping

from recsys_api.listening import in_url
from recsys_operator.adapters.cluster import ApiCluster
from recsys_operator.adapters.views import view_of_pod
from recsys_operator.errors import ApiError
from recsys_operator.ports import Clock
from recsys_operator.resources.kinds import KINDS

__all__ = ["ProxyPods"]

log = logging.getLogger(__name__)
REFRESH_SECONDS = 5.0
WAIT_SECONDS = 0.3
"""So long a round of sampling waits for the list; a later answer is taken by a later round."""


class ProxyPods:
    """{uid and restarts: base URL}, listed again every few seconds."""

    def __init__(self, cluster: ApiCluster, clock: Clock, *, namespace: str, selector: str, port: int) -> None:
        self._cluster = cluster
        self._clock = clock
        self._namespace = namespace
        self._selector = selector
        self._port = port
        self._known: dict[str, str] = {}
        self._listed_at = float("-inf")
        self._listing: asyncio.Task[dict[str, str]] | None = None

    async def __call__(self) -> Mapping[str, str]:
        """The running proxies, as they were listed last: a slow API server delays no page.

        Raises:
            LookupError: there is none, or none is known yet.
            ApiError: they could not be listed, and none is known.
        """
        await self._refresh()
        if not self._known:
            raise LookupError(f"no ready pod {self._selector} in namespace {self._namespace}")
        return self._known

    async def _refresh(self) -> None:
        now = self._clock.monotonic()
        if self._listing is None:
            if self._known and now - self._listed_at < REFRESH_SECONDS:
                return
            self._listing = asyncio.create_task(self._list())
        done, _ = await asyncio.wait({self._listing}, timeout=WAIT_SECONDS)
        if not done:
            return
        ended, self._listing, self._listed_at = self._listing, None, now
        try:
            self._known = ended.result()
        except ApiError as error:
            if not self._known:
                raise
            log.debug("proxies cannot be listed, those that are known are read on: %s", error)

    async def _list(self) -> dict[str, str]:
        listing = await self._cluster.list(KINDS["Pod"], self._namespace, selector=self._selector)
        pods = [view_of_pod(item) for item in listing.items]
        ready = [pod for pod in pods if pod.ready and pod.ip]
        return {f"{pod.uid}/{pod.restarts}": f"http://{in_url(pod.ip)}:{self._port}" for pod in ready}
