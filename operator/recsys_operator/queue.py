"""The work queue: keyed, deduplicating, delayed, rate-limited, with an urgent lane.

`KeyedQueue` is pure and told the time; `WorkQueue` waits on it. A key is never given out twice at once: added while
it is processed, it comes again when it is done.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable

__all__ = ["KeyedQueue", "WorkQueue"]


class KeyedQueue:
    """Which key is next. Times are seconds of any monotonic clock."""

    def __init__(self) -> None:
        self._urgent: deque[str] = deque()
        self._normal: deque[str] = deque()
        self._waiting: dict[str, tuple[float, bool]] = {}
        """Key -> (since when it waits, whether urgently)."""
        self._active: dict[str, float] = {}
        self._again: dict[str, tuple[float, bool]] = {}
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._failures: dict[tuple[str, str], int] = {}

    def add(self, key: str, now: float, *, urgent: bool = False) -> None:
        """Make a key due. An urgent add moves a waiting key to the urgent lane."""
        if key in self._active:
            since, before = self._again.get(key, (now, False))
            self._again[key] = (since, urgent or before)
            return
        since, before = self._waiting.get(key, (now, False))
        if key in self._waiting and (before or not urgent):
            return
        self._waiting[key] = (since, urgent)
        (self._urgent if urgent else self._normal).append(key)

    def add_at(self, key: str, when: float) -> None:
        """Make a key due at `when`; of several times the earliest counts."""
        if when < self._due.get(key, float("inf")):
            self._due[key] = when
            heapq.heappush(self._heap, (when, key))

    def add_failed(
        self,
        key: str,
        now: float,
        first_seconds: float,
        limit_seconds: float,
        asked_seconds: float = 0.0,
        part: str = "",
    ) -> float:
        """Make a key due after its back-off, which doubles with each failure; the delay.

        Args:
            asked_seconds: what the other side asked to wait, taken up to the limit.
            part: what of it failed alone: its failures are counted and forgiven by themselves. Empty: the whole.
        """
        failures = self._failures.get((key, part), 0)
        self._failures[key, part] = failures + 1
        delay = min(limit_seconds, max(asked_seconds, first_seconds * 2.0 ** min(failures, 30)))
        self.add_at(key, now + delay)
        return delay

    def forgive(self, key: str, part: str = "") -> None:
        """Forget the failures of a key, or of a part of it."""
        self._failures.pop((key, part), None)

    def take(self, now: float) -> str | None:
        """The next key to work on, or None."""
        self._release(now)
        for lane, urgent in ((self._urgent, True), (self._normal, False)):
            while lane:
                key = lane.popleft()
                # a key that was moved to the urgent lane leaves its old place behind
                if self._waiting.get(key, (0.0, not urgent))[1] == urgent:
                    del self._waiting[key]
                    self._active[key] = now
                    return key
        return None

    def done(self, key: str, now: float) -> None:
        """A key was worked on."""
        self._active.pop(key, None)
        if (again := self._again.pop(key, None)) is not None:
            self.add(key, now, urgent=again[1])

    def next_due(self) -> float | None:
        """When the earliest delayed key becomes due."""
        return self._heap[0][0] if self._heap else None

    def depth(self) -> int:
        """Keys that are due and wait for a worker."""
        return len(self._waiting)

    def oldest_seconds(self, now: float) -> float:
        """How long the longest waiting due key has waited."""
        return max((now - since for since, _ in self._waiting.values()), default=0.0)

    def active_seconds(self, now: float) -> float:
        """How long the longest running reconcile has run."""
        return max((now - since for since in self._active.values()), default=0.0)

    def _release(self, now: float) -> None:
        while self._heap and self._heap[0][0] <= now:
            when, key = heapq.heappop(self._heap)
            if self._due.get(key) == when:
                del self._due[key]
                self.add(key, now)


class WorkQueue:
    """`KeyedQueue` for asyncio workers. `clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._keys = KeyedQueue()
        self._wakers: deque[asyncio.Future[None]] = deque()

    def add(self, key: str, *, urgent: bool = False) -> None:
        """Make a key due now."""
        self._keys.add(key, self._clock(), urgent=urgent)
        self._wake()

    def add_after(self, key: str, seconds: float) -> None:
        """Make a key due in `seconds`."""
        self._keys.add_at(key, self._clock() + max(0.0, seconds))
        self._wake()

    def add_failed(
        self, key: str, first_seconds: float, limit_seconds: float, asked_seconds: float = 0.0, part: str = ""
    ) -> float:
        """Make a key due after the back-off of it, or of a part of it, or what was asked for; the delay in seconds."""
        delay = self._keys.add_failed(key, self._clock(), first_seconds, limit_seconds, asked_seconds, part)
        self._wake()
        return delay

    def forgive(self, key: str, part: str = "") -> None:
        """Forget the failures of a key, or of a part of it."""
        self._keys.forgive(key, part)

    async def get(self) -> str:
        """Wait for the next key; `done` must follow."""
        while (key := self._keys.take(self._clock())) is None:
            await self._wait()
        return key

    def done(self, key: str) -> None:
        """A key from `get` was worked on."""
        self._keys.done(key, self._clock())
        self._wake()

    def depth(self) -> int:
        """Keys that wait for a worker."""
        return self._keys.depth()

    def oldest_seconds(self) -> float:
        """Age of the longest waiting key."""
        return self._keys.oldest_seconds(self._clock())

    def active_seconds(self) -> float:
        """Age of the longest running reconcile."""
        return self._keys.active_seconds(self._clock())

    async def _wait(self) -> None:
        waker = asyncio.get_running_loop().create_future()
        self._wakers.append(waker)
        due = self._keys.next_due()
        delay = None if due is None else max(0.0, due - self._clock())
        try:
            async with asyncio.timeout(delay):
                await waker
        except TimeoutError:
            pass
        finally:
            if waker in self._wakers:
                self._wakers.remove(waker)

    def _wake(self) -> None:
        while self._wakers:
            waker = self._wakers.popleft()
            if not waker.done():
                waker.set_result(None)
                return
