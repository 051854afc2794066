"""Who acts: a Lease. A restarted container of the same pod keeps it and goes on at once."""

import asyncio
import logging
from datetime import UTC, datetime

from recsys_operator.adapters.cluster import ApiCluster
from recsys_operator.core import clock
from recsys_operator.errors import ApiError, Conflict, OperatorError
from recsys_operator.ports import Clock
from recsys_operator.resources.kinds import KINDS, Manifest

__all__ = ["Leadership", "LeaseLostError"]

log = logging.getLogger(__name__)
NAME = "recsys-operator"


class LeaseLostError(OperatorError):
    """Another pod may act by now: the process must end."""


class Leadership:
    """Takes the Lease, renews it, gives it back.

    Another holder counts as gone when its Lease has not changed for `seconds` on *our* clock, so clocks may differ.
    """

    def __init__(self, cluster: ApiCluster, clock: Clock, *, namespace: str, holder: str, seconds: int) -> None:
        self._cluster = cluster
        self._clock = clock
        self._namespace = namespace
        self._holder = holder
        self._seconds = seconds
        self._seen: tuple[str, float] = ("", 0.0)
        self._renewed_at = float("-inf")
        """When the request was sent that made it ours: what is answered late was written at any time since."""
        self._lease: Manifest | None = None
        self.attended_until: float | None = None
        """When whoever had it before this process was last alive, on that one's clock; None where nobody knows."""

    async def acquire(self) -> bool:
        """Wait until the Lease is ours; False where it was at once."""
        waited = False
        while not await self.try_acquire():
            waited = True
            await asyncio.sleep(1.0)
        return waited

    async def try_acquire(self) -> bool:
        """One try; True where the Lease is ours now."""
        begun = self._clock.monotonic()
        try:
            lease = await self._cluster.read("Lease", self._namespace, NAME)
            if lease is None:
                self._renew(await self._cluster.create(self._manifest(None)), begun)
                return self._is_mine()
            if not self._may_take(lease):
                self._lease = lease
                return False
            last = None if self._is_mine() else _renewed(lease)
            self._renew(await self._cluster.replace(self._manifest(lease)), begun)
            self.attended_until = self.attended_until if last is None else last
            return True
        except Conflict:
            return False
        except ApiError as error:
            log.warning("the Lease cannot be taken: %s", error)
            return False

    async def keep(self) -> None:
        """Renew until it cannot be any more.

        Raises:
            LeaseLostError: another pod took it, or it could not be renewed in time.
        """
        while True:
            await asyncio.sleep(self._seconds / 4)
            if await self._renew_in_time():
                continue
            if not self._is_mine() or self._left() <= 0.0:
                raise LeaseLostError(f"the Lease {self._namespace}/{NAME} is not ours any more; ending")

    async def release(self) -> None:
        """Give it back, so that a successor need not wait."""
        if self._lease is None or not self._is_mine():
            return
        given_back = self._manifest(self._lease)
        given_back["spec"]["holderIdentity"] = ""
        try:
            await self._cluster.replace(given_back)
        except ApiError as error:
            log.warning("the Lease was not given back: %s", error)

    async def _renew_in_time(self) -> bool:
        """One try; an API server that does not answer is not waited for until a successor may act."""
        try:
            # a process that was paused asks once more: it may be that nobody else wanted the Lease
            async with asyncio.timeout(max(self._seconds / 8, self._left())):
                return await self.try_acquire()
        except TimeoutError:
            return False

    def _left(self) -> float:
        """Seconds in which nobody else may act yet, with a margin."""
        return self._renewed_at + self._seconds * 0.75 - self._clock.monotonic()

    def _may_take(self, lease: Manifest) -> bool:
        holder = lease["spec"].get("holderIdentity") or ""
        if holder in ("", self._holder):
            return True
        now, version = self._clock.monotonic(), lease["metadata"]["resourceVersion"]
        if version != self._seen[0]:
            self._seen = (version, now)
        duration = max(self._seconds, int(lease["spec"].get("leaseDurationSeconds", self._seconds)))
        return now - self._seen[1] > duration

    def _is_mine(self) -> bool:
        return self._lease is not None and self._lease["spec"].get("holderIdentity") == self._holder

    def _renew(self, lease: Manifest, asked_at: float) -> None:
        self._lease = lease
        if self._is_mine():
            self._renewed_at = asked_at

    def _manifest(self, lease: Manifest | None) -> Manifest:
        now = datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": self._holder, "leaseDurationSeconds": self._seconds, "renewTime": now}
        if lease is not None:
            return lease | {"spec": lease["spec"] | spec}
        metadata = {"name": NAME, "namespace": self._namespace}
        return {
            "apiVersion": KINDS["Lease"].api_version, "kind": "Lease", "metadata": metadata,
            "spec": spec | {"acquireTime": now},
        }  # fmt: skip


def _renewed(lease: Manifest) -> float | None:
    """When it was renewed last, as its holder's clock says."""
    return clock.to_seconds(str(lease["spec"].get("renewTime") or "")) or None
