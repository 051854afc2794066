"""`python -m recsys_serving.api`: one process that answers, warms up once, and drains on SIGTERM."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from types import FrameType

import uvicorn

from recsys_api.listening import bound
from recsys_serving.app import Api, build_app
from recsys_serving.connections import BoundedProtocol
from recsys_serving.errors import ArtifactError, SettingsError, run_main
from recsys_serving.events import EventLedger
from recsys_serving.health import Health, LoopWatch
from recsys_serving.library import Library, load_library
from recsys_serving.metrics import ServingMetrics
from recsys_serving.ranking import Ranker, RankingError
from recsys_serving.recommending import Recommender
from recsys_serving.settings import ApiSettings, read_api_settings
from recsys_serving.tokens import TokenSigner
from recsys_serving.triton_client import TritonRanker
from recsys_serving.warmup import warm

_RETRY_SECONDS = 0.5
_SAY_SECONDS = 15.0
_CLOSE_SECONDS = 10


class DrainingServer(uvicorn.Server):
    """A server that goes on answering for `drain_seconds` after SIGTERM: routes to this pod vanish only slowly.

    Requests that have begun by then are finished; a connection that is opened in the very moment of the end is refused.
    """

    def __init__(self, config: uvicorn.Config, health: Health, drain_seconds: float) -> None:
        super().__init__(config)
        self._health, self._drain_seconds = health, drain_seconds
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Replace uvicorn's handlers, which would close the listener at once."""
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """First signal: unready, answer on, close later. Second signal: close now."""
        if self._health.draining or self._loop is None:
            self.should_exit = True
            return
        self._health.draining = True
        self._loop.call_later(self._drain_seconds, setattr, self, "should_exit", True)


def build_api(settings: ApiSettings, library: Library, ranker: Ranker) -> tuple[Api, Recommender]:
    """Wire the parts together."""
    recommender = Recommender(
        library, ranker, timeout_seconds=settings.scoring_timeout_seconds, max_in_flight=settings.max_in_flight
    )
    signer = TokenSigner(settings.token_key)
    api = Api(
        version=settings.version,
        top_k=settings.artifact.top_k,
        bucket_key=settings.bucket_key,
        recommender=recommender,
        signer=signer,
        ledger=EventLedger(signer, version=settings.version, now=time.time),
        metrics=ServingMetrics(
            version=settings.version,
            digest=library.digest,
            supervisor_file=settings.triton.state_file,
            now=time.time,
        ),
        health=Health(LoopWatch(time.monotonic)),
    )
    return api, recommender


async def warm_until_ready(
    api: Api, library: Library, ranker: Ranker, recommender: Recommender, *, retry_seconds: float = _RETRY_SECONDS
) -> None:
    """Try to warm up until it works; what it waits for is in /readyz and at times in the log.

    A wrong answer is final and stays visible in /readyz.
    """
    began = said = api.timer()
    while not api.health.warmed:
        try:
            count = await warm(library, ranker, recommender, top_k=api.top_k)
        except RankingError as error:
            now = api.timer()
            api.health.problem = f"waiting for Triton since {now - began:.0f} s: {error}"
            if now - said >= _SAY_SECONDS:
                said = now
                _say(f"{api.health.problem}; its supervisor's log says more, and starts it again where it must")
            await asyncio.sleep(retry_seconds)
        except ArtifactError as error:
            api.health.problem = f"refused: {error}"
            _say(api.health.problem)
            return
        except Exception as error:
            api.health.problem = f"failed: {type(error).__name__}: {error}; this is a defect"
            _say(api.health.problem)
            raise
        else:
            api.health.warmed = True
            _say(f"ready: {count} golden users answered by {library.digest}")


@contextlib.asynccontextmanager
async def background(*coroutines: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run coroutines beside the server and cancel them at its end."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def build_server(api: Api, settings: ApiSettings) -> DrainingServer:
    """The HTTP server of a pod."""
    config = uvicorn.Config(
        build_app(api),
        http=BoundedProtocol,
        ws="none",
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=_CLOSE_SECONDS,
        timeout_keep_alive=75,
    )
    return DrainingServer(config, api.health, settings.triton.drain_seconds)


async def serve(settings: ApiSettings, library: Library, listening: socket.socket) -> None:
    """Serve until SIGTERM has been handled."""
    ranker = TritonRanker(settings.triton.grpc_port)
    api, recommender = build_api(settings, library, ranker)
    warming = warm_until_ready(api, library, ranker, recommender)
    async with background(warming, api.health.watch.run()):
        await build_server(api, settings).serve(sockets=[listening])
    await ranker.close()


def bind(settings: ApiSettings) -> socket.socket:
    """The pod's port.

    Raises:
        SettingsError: it cannot be had.
    """
    try:
        return bound(settings.host, settings.port)
    except OSError as error:
        place = f"RECSYS_HOST={settings.host!r} RECSYS_PORT={settings.port}"
        raise SettingsError(f"{place}: {error.strerror}; choose an address of this machine and a free port") from error


def _say(text: str) -> None:
    print(f"recsys-api: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Entry point."""
    settings = read_api_settings(os.environ)
    library = load_library(settings.artifact.artifact_dir, settings.artifact.digest)
    listening = bind(settings)
    # What was loaded stays for ever: no collection needs to look at it again.
    gc.collect()
    gc.freeze()
    asyncio.run(serve(settings, library, listening))
    return 0


if __name__ == "__main__":
    sys.exit(run_main("recsys-api", main))
