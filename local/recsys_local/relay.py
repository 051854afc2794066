"""Relays ports of 127.0.0.1 into the cluster's network: `python -m recsys_local.relay NETNS PORT:ADDRESS:PORT...`.

A socket belongs to the namespace in which it was made, for good. So the process opens its listening sockets first, then
enters the namespace: connections come in outside and go out inside, without any bridge between the two.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import sys

_CLONE_NEWNET = 0x40000000
_CHUNK = 1 << 16


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1."""
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    listener.setblocking(False)
    return listener


def enter_network(path: str) -> None:
    """Move this process into a network namespace (os.setns came with Python 3.12)."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(path, "rb") as handle:
        if libc.setns(handle.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {path}")


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction; passes on the end of the stream, so that half-closed connections work."""
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def relay_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str, port: int) -> None:
    """Connect inside and copy both ways until both ends are done."""
    try:
        inner_reader, inner_writer = await asyncio.open_connection(address, port)
    except OSError:
        writer.transport.abort()
        return
    for stream in (writer, inner_writer):
        with contextlib.suppress(OSError):
            stream.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
    for stream in (writer, inner_writer):
        stream.close()


async def serve(targets: list[tuple[socket.socket, str, int]]) -> None:
    """Relay until cancelled."""

    def handler(address: str, port: int) -> object:
        return lambda reader, writer: relay_connection(reader, writer, address, port)

    servers = [await asyncio.start_server(handler(address, port), sock=sock) for sock, address, port in targets]  # type: ignore[arg-type]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main(arguments: list[str]) -> None:
    """Open the sockets outside, enter the namespace, relay."""
    netns, *forwards = arguments
    targets = []
    for forward in forwards:
        port, address, inner_port = forward.split(":")
        targets.append((listen(int(port)), address, int(inner_port)))
    enter_network(netns)
    print(f"relaying {' '.join(forwards)} as process {os.getpid()}", flush=True)
    asyncio.run(serve(targets))


if __name__ == "__main__":
    main(sys.argv[1:])
