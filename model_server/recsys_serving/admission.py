"""Who may be at the scorer: so many requests that somebody waits for, and a few whose callers have left.

A caller who leaves gives its place back at once, and its request is cancelled: otherwise callers who try again fill the
places with work that nobody waits for. A few such requests run on to their end and are counted as any other: callers
leave when a scorer is slow, and if none of those requests were measured it would look fast.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from recsys_serving.ranking import BusyError

_WITNESSES = 16
"""One of so many places is for a request whose caller has left."""


class CallerLeftError(Exception):
    """The caller left before the answer, and its request was cancelled."""


class Caller:
    """Whoever sent a request, seen through ASGI's `receive` after the body has come."""

    def __init__(self, receive: Callable[[], Awaitable[MutableMapping[str, Any]]]) -> None:
        self._receive = receive
        self.left = False

    async def leaves(self) -> None:
        """Return when the connection is closed."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left = True


@dataclass
class _Place:
    """One request's place."""

    request: "asyncio.Task[Any]"
    attended: bool = True
    cancelled: bool = False


class Admission:
    """The places at the scorer."""

    def __init__(self, places: int) -> None:
        self._places, self._witnesses = places, max(1, places // _WITNESSES)
        self._attended = self._unattended = 0

    @contextmanager
    def place(self, caller: Caller | None = None) -> Iterator[None]:
        """A place for the time of the block.

        Raises:
            BusyError: all are taken.
            CallerLeftError: the caller left, and the block was cancelled.
        """
        if self._attended >= self._places:
            raise BusyError(f"{self._attended} requests in flight")
        request = asyncio.current_task()
        assert request is not None, "a coroutine asks"
        place = _Place(request)
        self._attended += 1
        watch = asyncio.ensure_future(self._watch(place, caller)) if caller else None
        try:
            yield
        except asyncio.CancelledError:
            if place.cancelled and request.uncancel() == 0:
                raise CallerLeftError from None
            raise
        finally:
            if watch:
                watch.cancel()
            self._attended -= place.attended
            self._unattended -= not place.attended

    async def _watch(self, place: _Place, caller: Caller) -> None:
        await caller.leaves()
        if self._unattended < self._witnesses:
            place.attended = False
            self._attended -= 1
            self._unattended += 1
        else:
            place.cancelled = True
            place.request.cancel()
