"""Which proxy processes serve the Gateways: their statistics are read by the sampler."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recsys_api.listening import in_url
from recsys_operator.adapters.cluster import ApiCluster
from recsys_operator.adapters.views import view_of_pod
from recsys_operator.core.world import PodView
from recsys_operator.errors import ApiError
from recsys_operator.ports import Clock
from recsys_operator.resources.kinds import KINDS, Manifest

__all__ = ["Proxy", "ProxyPods"]

log = logging.getLogger(__name__)
REFRESH_SECONDS = 5.0
WAIT_SECONDS = 0.3
"""So long a round of sampling waits for the list; a later answer is taken by a later round."""


_OWNER = "gateway.envoyproxy.io/owning-gateway-name", "gateway.envoyproxy.io/owning-gateway-namespace"
_CLASS = "gateway.envoyproxy.io/owning-gatewayclass"
"""Instead of the others on proxies that serve all Gateways of a class (mergeGateways)."""


@dataclass(frozen=True)
class Proxy:
    """One process of a proxy."""

    url: str
    """Base of its statistics."""
    gateway: tuple[str, str] | None = None
    """(namespace, name) of the Gateway that it serves alone; None where its labels name none."""
    gateway_class: str = ""
    """The GatewayClass that it serves; empty where its labels name none."""
    ready: bool = True
    """False: it starts or ends. Nobody new is sent there, and who is connected still is served."""

    def serves(self, gateway: tuple[str, str], gateway_class: str) -> bool:
        """Whether it may have requests of a Gateway: one whose labels say nothing may have anybody's."""
        if self.gateway is not None:
            return self.gateway == gateway
        return not (self.gateway_class and gateway_class) or self.gateway_class == gateway_class


class ProxyPods:
    """{uid and restarts: proxy}, listed again every few seconds."""

    def __init__(
        self, cluster: ApiCluster, clock: Clock, *, namespaces: Sequence[str], selector: str, port: int
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._namespaces = namespaces
        self._selector = selector
        self._port = port
        self._known: dict[str, Proxy] = {}
        self._listed_at = float("-inf")
        self._listing: asyncio.Task[dict[str, Proxy]] | None = None

    async def __call__(self) -> Mapping[str, Proxy]:
        """The proxies that are there, as they were listed last: a slow API server delays no page.

        Raises:
            LookupError: there is none, or none is known yet.
            ApiError: they could not be listed, and none is known.
        """
        await self._refresh()
        if not self._known:
            place = "namespace" if len(self._namespaces) == 1 else "namespaces"
            raise LookupError(f"no pod {self._selector} in {place} {', '.join(self._namespaces)}")
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

    async def _list(self) -> dict[str, Proxy]:
        """Of all namespaces, or of none: a Gateway's requests count only where all its proxies are read."""
        items: list[Manifest] = []
        for namespace in self._namespaces:
            listing = await self._cluster.list(KINDS["Pod"], namespace, selector=self._selector)
            items.extend(listing.items)
        pods = [(view_of_pod(item), item["metadata"].get("labels") or {}) for item in items]
        return {f"{pod.uid}/{pod.restarts}": self._proxy(pod, labels) for pod, labels in pods if pod.ip}

    def _proxy(self, pod: PodView, labels: Mapping[str, str]) -> Proxy:
        name, namespace = (labels.get(label, "") for label in _OWNER)
        return Proxy(
            f"http://{in_url(pod.ip)}:{self._port}", (namespace, name) if name and namespace else None, labels.get(_CLASS, ""),
            ready=pod.ready,
        )  # fmt: skip
