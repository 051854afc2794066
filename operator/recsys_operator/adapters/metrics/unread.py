"""Requests that pods counted and nobody read any more: an estimate, because their counters are gone."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["UnreadPods"]

MEMORY_SECONDS = 10.0
"""A pod's rate is the mean of about so many seconds before its last reading."""


@dataclass
class _Pod:
    serves: bool = False
    """It was ready at the last tick."""
    known: bool = False
    """It was read: what it counts from then on is an increment."""
    unread: float = 0.0
    """Seconds in which it served since its last reading."""
    requests: float = 0.0
    seconds: float = 0.0
    """In which it had those requests; both fade."""

    @property
    def rate(self) -> float | None:
        return self.requests / self.seconds if self.seconds > 0 else None

    def read(self, requests: int) -> None:
        """One more reading; of a process that was never read before it is where counting begins."""
        if self.known and self.unread > 0:
            kept = math.exp(-self.unread / MEMORY_SECONDS)
            self.requests = self.requests * kept + requests
            self.seconds = self.seconds * kept + self.unread
        self.known, self.unread = True, 0.0


class UnreadPods:
    """The pods of one version, each with its rate and since when it is unread: a few numbers for each pod that is there.

    A pod that goes, or whose process does, has lost its rate x the seconds in which it was ready since its last reading, the
    second in which it went counted whole; what its next process had counted by its first reading is lost too, and known. A pod
    that was never read has the mean rate of the others. It is more than was lost where the pod had stopped answering.
    """

    def __init__(self) -> None:
        self._pods: dict[str, _Pod] = {}
        self._at: float | None = None

    def advance(self, at: float, ready: Mapping[str, bool], read: Mapping[str, int], begun: Mapping[str, int]) -> float:
        """About how many requests were lost since the last call.

        Args:
            at: seconds of a clock that nobody sets.
            ready: the pods that are there, by uid.
            read: what those counted that were read, since they were read before.
            begun: what new processes of pods counted that were read in another process before; not in `read`.
        """
        passed = at - self._at if self._at is not None else 0.0
        self._at = at
        for pod in self._pods.values():
            pod.unread += passed if pod.serves else 0.0
        rates = [pod.rate for pod in self._pods.values() if pod.rate is not None]
        mean = sum(rates) / len(rates) if rates else 0.0
        gone = [self._pods.pop(uid) for uid in self._pods.keys() - ready.keys()]
        for uid, serves in ready.items():
            self._pods.setdefault(uid, _Pod()).serves = serves
        gone += [self._pods[uid] for uid in self._pods if uid in begun or (uid in read and not self._pods[uid].known)]
        lost = sum(pod.unread * (mean if pod.rate is None else pod.rate) for pod in gone) + sum(begun.values())
        for uid, requests in read.items():
            self._pods[uid].read(requests)
        for uid in begun:
            self._pods[uid].unread = 0.0
        return lost
