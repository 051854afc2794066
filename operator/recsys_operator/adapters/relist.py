"""Our own lists beside the watch streams: what a stream did not tell is dropped or read again."""

import asyncio
import logging
from collections.abc import Callable

from recsys_operator.adapters.cache import Cache, version_number
from recsys_operator.adapters.cluster import ApiCluster
from recsys_operator.errors import ApiError, NotFound, OperatorError
from recsys_operator.resources.kinds import WATCHED, Kind, Manifest

__all__ = ["KindAppearedError", "Relister"]

log = logging.getLogger(__name__)
PERIOD_SECONDS = 300.0
MISSING_SECONDS = 30.0


class KindAppearedError(OperatorError):
    """A kind was installed that no stream watches: the process must start again."""


class Relister:
    """Fills the cache before the first act, and compares it with the API server every five minutes."""

    def __init__(
        self, cluster: ApiCluster, cache: Cache, namespaces: tuple[str, ...], on_change: Callable[[Manifest], None],
        *, period_seconds: float = PERIOD_SECONDS,
    ) -> None:  # fmt: skip
        self._cluster = cluster
        self._cache = cache
        self._namespaces = namespaces or ("",)
        self._on_change = on_change
        self._period = period_seconds
        self._missing: set[str] = set()
        """Kinds that were not installed when the cache was filled."""

    async def fill(self) -> None:
        """List all objects once: whoever acts before this would act on half a picture."""
        await asyncio.gather(*(self._fill(kind, namespace) for kind in WATCHED for namespace in self._namespaces))

    async def run(self) -> None:
        """Compare every period (five minutes); look more often for a kind that is missing.

        Raises:
            KindAppearedError: a missing kind was installed.
        """
        while True:
            await asyncio.sleep(min(MISSING_SECONDS, self._period) if self._missing else self._period)
            try:
                await self.compare()
            except ApiError as error:
                log.warning("re-list failed, the next one is in %d s: %s", self._period, error)

    async def compare(self) -> None:
        """One round over all kinds, metadata only.

        Raises:
            ApiError: the first of those that kinds failed with; the others were compared.
        """
        errors: list[ApiError] = []
        for kind in WATCHED:
            for namespace in self._namespaces:
                try:
                    await self._compare(kind, namespace)
                except ApiError as error:
                    errors.append(error)
        if errors:
            raise errors[0]

    async def _fill(self, kind: Kind, namespace: str) -> None:
        try:
            listing = await self._cluster.list(kind, namespace)
        except NotFound:
            log.warning("kind %s (%s) is not installed", kind.name, kind.api_version)
            self._missing.add(kind.name)
            return
        for item in listing.items:
            if self._cache.put(item):
                self._on_change(item)

    async def _compare(self, kind: Kind, namespace: str) -> None:
        try:
            listing = await self._cluster.list(kind, namespace, metadata_only=True)
        except NotFound:
            return
        if kind.name in self._missing:
            raise KindAppearedError(f"kind {kind.name} ({kind.api_version}) was installed; starting again to watch it")
        listed_at = int(listing.resource_version)
        uids = {item["metadata"]["uid"] for item in listing.items}
        for manifest in self._cache.drop_absent(kind.name, uids, listed_at, namespace):
            log.info("%s %s is gone; no event had told so", kind.name, manifest["metadata"]["name"])
            self._on_change(manifest)
        for item in self._cache.stale(listing.items):
            await self._refresh(kind, item)

    async def _refresh(self, kind: Kind, item: Manifest) -> None:
        metadata = item["metadata"]
        live = await self._cluster.read(kind.name, metadata.get("namespace", ""), metadata["name"])
        if live is not None and version_number(live) and self._cache.put(live):
            self._on_change(live)
