"""The operator-wide switch: ConfigMap `recsys-operator` with `rollouts: Paused`, watched in our own namespace."""

import asyncio
import logging
from collections.abc import Callable

from recsys_operator.adapters.cluster import ApiCluster
from recsys_operator.errors import ApiError
from recsys_operator.resources.kinds import Manifest

__all__ = ["Switch"]

log = logging.getLogger(__name__)
NAME = "recsys-operator"
RETRY_SECONDS = 2.0


class Switch:
    """`paused` follows the ConfigMap; an absent one means running."""

    def __init__(self, cluster: ApiCluster, namespace: str, on_change: Callable[[], None]) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._on_change = on_change
        self.paused = False

    async def read(self) -> str:
        """Read it once; the resourceVersion to watch from."""
        manifest = await self._cluster.read("ConfigMap", self._namespace, NAME)
        self._take(manifest)
        return str(manifest["metadata"]["resourceVersion"]) if manifest is not None else ""

    async def run(self) -> None:
        """Follow it for ever; an unreadable ConfigMap keeps the last answer."""
        while True:
            try:
                version = await self.read()
                async for kind, manifest in self._cluster.watch("ConfigMap", self._namespace, NAME, version):
                    self._take(None if kind == "DELETED" else manifest)
            except ApiError as error:
                log.warning("ConfigMap %s/%s cannot be watched: %s", self._namespace, NAME, error)
            # also where the stream just ended: whatever ends every one at once must not be asked without a pause
            await asyncio.sleep(RETRY_SECONDS)

    def _take(self, manifest: Manifest | None) -> None:
        paused = manifest is not None and (manifest.get("data") or {}).get("rollouts") == "Paused"
        if paused != self.paused:
            log.info("rollouts are %s", "paused" if paused else "running")
            self.paused = paused
            self._on_change()
