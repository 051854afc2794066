"""PodReader: ready pods read from the API server, for what must not rest on the cache."""

from recsys_operator.adapters.cluster import ApiCluster
from recsys_operator.adapters.views import view_of_pod
from recsys_operator.core.world import PodView
from recsys_operator.resources.kinds import KINDS, LABEL_COMPONENT, LABEL_VERSION, OWNED_SELECTOR

__all__ = ["LivePods"]


class LivePods:
    """Lists by label."""

    def __init__(self, cluster: ApiCluster) -> None:
        self._cluster = cluster

    async def ready_pods(self, namespace: str, version: str) -> tuple[PodView, ...]:
        """Ready, not terminating pods of a version."""
        selector = f"{OWNED_SELECTOR},{LABEL_COMPONENT}=serving,{LABEL_VERSION}={version}"
        listing = await self._cluster.list(KINDS["Pod"], namespace, selector=selector)
        return tuple(pod for pod in map(view_of_pod, listing.items) if pod.ready)
