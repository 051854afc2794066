"""Connections that bring no request: uvicorn ends those that are idle between requests, but none before the first one, and
none whose request's head trickles or never ends. And those that bring several at once: of a caller who leaves it tells the
last request alone, which waits for its turn, and not the one that is being answered."""

import asyncio
from collections import deque

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES = 1 << 16
MAX_WAITING = 16
"""Requests behind the one that is being answered, up to which a connection is read on: only who reads sees it close."""


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection when a request's head (line and headers) has not come in time, or goes on beyond 64 KiB.

    Its requests hear when it is closed, in whatever order they came.
    """

    head_seconds = 10.0
    _waiting: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _begun: deque[RequestResponseCycle]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request as long as for a next one."""
        super().connection_made(transport)
        self._begun = deque()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any longer, and nobody waits."""
        self._stop_waiting()
        for cycle in self._begun:
            cycle.disconnected = not cycle.response_complete
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; and end what is still a head."""
        super().data_received(data)
        self._head_bytes += len(data)
        if self._waiting is not None and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"Send at most {MAX_HEAD_BYTES} bytes of headers.")

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._stop_waiting()
        self._head_bytes = 0
        self._waiting = self.loop.call_later(self.head_seconds, self.timeout_keep_alive_handler)

    def on_headers_complete(self) -> None:
        """A head has come."""
        self._stop_waiting()
        super().on_headers_complete()
        while self._begun and self._begun[0].response_complete:
            self._begun.popleft()
        self._begun.append(self.cycle)
        if len(self.pipeline) <= MAX_WAITING:
            self.flow.resume_reading()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
