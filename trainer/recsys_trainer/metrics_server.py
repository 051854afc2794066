"""The HTTP server behind a training's /metrics."""

import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

from recsys_api.listening import bound


class MetricsServer(ThreadingMixIn, WSGIServer):
    """Answers what a registry collects, in threads of its own, until it is closed.

    The library's `start_http_server` listens by one family of addresses only.

    Raises:
        OSError: the port cannot be had.
    """

    daemon_threads = True

    def __init__(self, address: str, port: int, registry: CollectorRegistry) -> None:
        self.server_name, self.server_port = address, port
        super().__init__((address, port), _Silent)
        self.set_app(make_wsgi_app(registry))
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()

    def server_bind(self) -> None:
        """Take the port, by IPv4 and IPv6 where the address does not say which."""
        self.socket.close()
        self.socket = bound(self.server_name, self.server_port)
        self.setup_environ()

    def close(self) -> None:
        """Stop, and give the port back."""
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Silent(WSGIRequestHandler):
    """Scrapes are no news."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""
