"""HTTP of the operator itself: /metrics, /healthz (the loop and its workers move), /readyz (the first lists are in)."""

from collections.abc import Callable

from aiohttp import web

from recsys_api.listening import bound
from recsys_operator.errors import SettingsError
from recsys_operator.metrics import Telemetry

__all__ = ["STUCK_SECONDS", "start_server"]

STUCK_SECONDS = 60.0
"""A reconcile that runs longer than this is stuck: the probe then asks for a restart. A stuck loop answers nothing."""


async def start_server(
    telemetry: Telemetry, *, address: str, port: int, active_seconds: Callable[[], float], ready: Callable[[], bool]
) -> tuple[web.AppRunner, int]:
    """Serve; the runner (to clean up) and the port."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=telemetry.page(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def healthz(_: web.Request) -> web.Response:
        seconds = active_seconds()
        if seconds > STUCK_SECONDS:
            return web.Response(status=503, text=f"a reconcile has been running for {seconds:.0f} s\n")
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        return (
            web.Response(text="ok\n") if ready() else web.Response(status=503, text="the first lists are not in yet\n")
        )

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthz), web.get("/readyz", readyz)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, bound(address, port)).start()
    except OSError as error:
        await runner.cleanup()
        raise SettingsError(f"RECSYS_METRICS_PORT={port}: {error.strerror}; choose a free port") from None
    return runner, int(runner.addresses[0][1])
