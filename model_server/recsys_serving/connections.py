"""Connections that bring no request: uvicorn ends those that are idle between requests, but none before the first one, and
none whose request's head trickles or never ends."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 1 << 16


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection when a request's head (line and headers) has not come in time, or goes on beyond 64 KiB."""

    head_seconds = 10.0
    _waiting: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request as long as for a next one."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any longer."""
        self._stop_waiting()
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

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
