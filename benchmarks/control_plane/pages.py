"""Pages of the stand-ins: a pod's /metrics, a proxy's statistics, and the smallest HTTP server that can send them."""

import asyncio
import re
import urllib.parse
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.control_plane.traffic import Position

BOUNDS = (1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 250, 300, 400, 500, 750, 1000, 2000, 5000)
"""Milliseconds (docs/contracts.md section 7)."""
LATENCY_MILLISECONDS = 10
Render = Callable[[str, str], str]
"""(own address, target) -> page."""


def pod_page(version: str, answers: int, started: float) -> str:
    """What a serving pod says: all answers are the model's and fast."""
    labels = f'version="{version}",source="Model"'
    lines = [f'recsys_requests_total{{{labels},fallback_reason="None",code="200"}} {answers}']
    for bound in BOUNDS:
        count = answers if bound >= LATENCY_MILLISECONDS else 0
        lines.append(f'recsys_request_seconds_bucket{{{labels},le="{bound / 1000}"}} {count}')
    lines.append(f'recsys_request_seconds_bucket{{{labels},le="+Inf"}} {answers}')
    lines.append(f'recsys_process_start_seconds{{version="{version}"}} {started}')
    return "\n".join(lines) + "\n"


def wanted_of(target: str) -> re.Pattern[str]:
    """The `filter` of a request for statistics, by which a proxy leaves out what nobody asked for."""
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(target).query)
    return re.compile(query.get("filter", [""])[0])


def proxy_lines(route: str, clusters: Iterable[tuple[Position, int, int]], wanted: re.Pattern[str]) -> list[str]:
    """Statistics of one route (`namespace/name`) in Envoy's words."""
    lines = []
    for (rule, backend), good, bad in clusters:
        name = f"httproute/{route}/rule/{rule}/backend/{backend}"
        for digit, count in (("2", good), ("5", bad)):
            if count and wanted.search(f"cluster.{name}.upstream_rq_{digit}xx"):
                labels = f'envoy_response_code_class="{digit}",envoy_cluster_name="{name}"'
                lines.append(f"envoy_cluster_upstream_rq_xx{{{labels}}} {count}")
    return lines


class Server(asyncio.Protocol):
    """GET, keep-alive, one page at a time."""

    def __init__(self, render: Render) -> None:
        self._render = render
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        """A client."""
        self._transport = transport
        self._address = str(transport.get_extra_info("sockname")[0])

    def data_received(self, data: bytes) -> None:
        """Answer every complete request."""
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            body = self._render(self._address, head.split(b" ", 2)[1].decode()).encode()
            start = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
            self._transport.write(start.encode() + body)


async def listen(address: str, port: int, render: Render) -> asyncio.Server:
    """Serve on one loopback address.

    Raises:
        SystemExit: somebody else listens there.
    """
    try:
        return await asyncio.get_running_loop().create_server(lambda: Server(render), address, port)
    except OSError as error:
        raise SystemExit(f"{address}:{port}: {error.strerror}; the benchmark needs this port on loopback") from None
