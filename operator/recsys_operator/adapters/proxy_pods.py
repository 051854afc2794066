"""Which proxy processes serve the Gateways: their statistics are read by the sampler."""

from collections.abc import Mapping

from recsys_operator.adapters.cluster import ApiCluster
from recsys_operator.adapters.views import view_of_pod
from recsys_operator.ports import Clock
from recsys_operator.resources.kinds import KINDS

__all__ = ["ProxyPods"]

REFRESH_SECONDS = 5.0


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

    async def __call__(self) -> Mapping[str, str]:
        """The running proxies.

        Raises:
            LookupError: there is none.
        """
        now = self._clock.monotonic()
        if now - self._listed_at >= REFRESH_SECONDS or not self._known:
            listing = await self._cluster.list(KINDS["Pod"], self._namespace, selector=self._selector)
            pods = [view_of_pod(item) for item in listing.items]
            self._known = {f"{pod.uid}/{pod.restarts}": self._url(pod.ip) for pod in pods if pod.ready and pod.ip}
            self._listed_at = now
        if not self._known:
            raise LookupError(f"no ready pod {self._selector} in namespace {self._namespace}")
        return self._known

    def _url(self, ip: str) -> str:
        return f"http://[{ip}]:{self._port}" if ":" in ip else f"http://{ip}:{self._port}"
