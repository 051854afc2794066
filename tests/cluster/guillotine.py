"""Runs the operator behind a proxy that kills it with SIGKILL right after the API server has taken one of its writes.

`python -m tests.cluster.guillotine --token FILE --ca FILE --upstream URL --kills N --log FILE`, inside the cluster's
network. The operator never learns whether its last write was taken: the answer is kept from it. Writes of the Lease
are let through, and so is a write to the object whose last write was deadly already: a record that is renewed before each
raise would never get any further. After N kills it is left alone. The log has one JSON line for each write: {at, method,
path, killed}.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import ssl
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web

WRITES = {"POST", "PUT", "PATCH", "DELETE"}
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host", "authorization"}


class Guillotine:
    """A reverse proxy and the one process behind it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._token = options.token.read_text().strip()
        self._kills = 0
        self._deadly = ""
        self._process: asyncio.subprocess.Process | None = None
        self._session: aiohttp.ClientSession | None = None

    async def run(self) -> None:
        """Until SIGTERM; the operator starts again whenever it ends."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        tls = ssl.create_default_context(cafile=str(self._options.ca))
        connector = aiohttp.TCPConnector(ssl=tls, limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as self._session:
            runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1.0)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            keeper = asyncio.create_task(self._keep(port))
            await stop.wait()
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
            await self._end()
            await runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        return app

    async def _keep(self, port: int) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as kubeconfig:
            yaml.safe_dump(_kubeconfig(f"http://127.0.0.1:{port}"), kubeconfig)
            kubeconfig.flush()
            environment = {**os.environ, "KUBECONFIG": kubeconfig.name}
            while True:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "recsys_operator", env=environment
                )
                await self._process.wait()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        assert self._session is not None
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        url = f"{self._options.upstream}{request.raw_path}"
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.request(
            request.method, url, data=await request.read() or None, timeout=timeout,
            headers=headers | {"Authorization": f"Bearer {self._token}"},
        ) as answer:  # fmt: skip
            if request.method in WRITES and answer.status < 300 and "/leases" not in request.path:
                self._taken(request)
            response = web.StreamResponse(status=answer.status)
            response.headers.update({k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP})
            await response.prepare(request)
            with contextlib.suppress(ConnectionResetError):
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
            return response

    def _taken(self, request: web.Request) -> None:
        kill = self._kills < self._options.kills and request.path != self._deadly
        self._deadly = request.path if kill else ""
        line = {"at": time.time(), "method": request.method, "path": request.path, "killed": kill}
        with self._options.log.open("a") as log:
            log.write(json.dumps(line) + "\n")
        if kill and self._process is not None:
            self._kills += 1
            self._process.kill()
            raise ConnectionResetError("the operator is dead, nobody waits for this answer")

    async def _end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()


def _kubeconfig(server: str) -> dict[str, object]:
    return {
        "apiVersion": "v1", "kind": "Config", "current-context": "main",
        "clusters": [{"name": "main", "cluster": {"server": server}}],
        "users": [{"name": "main", "user": {"token": "set-by-the-proxy"}}],
        "contexts": [{"name": "main", "context": {"cluster": "main", "user": "main"}}],
    }  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Kill the operator after each of its writes.")
    parser.add_argument("--token", type=Path, required=True, help="file with the token of its ServiceAccount")
    parser.add_argument("--ca", type=Path, required=True)
    parser.add_argument("--upstream", required=True, help="URL of the API server")
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    asyncio.run(Guillotine(parser.parse_args()).run())


if __name__ == "__main__":
    main()
