"""What the serving tests share: an artifact on disk, and an API around a ranker that does as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys_serving.api import bind, build_api, build_server
from recsys_serving.app import Api, build_app
from recsys_serving.library import Library, load_library
from recsys_serving.ranking import Ranking, RankingError
from recsys_serving.settings import ApiSettings, read_api_settings
from recsys_serving.testing.artifacts import Made, make, write
from recsys_serving.testing.asgi import Reply, call

VERSION = "movies-0123456789"


@dataclass(frozen=True)
class Fetched:
    """An artifact where the API looks for it."""

    made: Made
    models: Path
    digest: str

    @property
    def artifact(self) -> Path:
        return self.models / "artifact"

    def env(self, **changes: str) -> dict[str, str]:
        """The pod's environment."""
        return {
            "RECSYS_MODELS_DIR": str(self.models),
            "RECSYS_ARTIFACT_URI": f"file://{self.artifact}",
            "RECSYS_ARTIFACT_DIGEST": self.digest,
            "RECSYS_VERSION": VERSION,
            "RECSYS_MODEL": "movies",
            "RECSYS_TOP_K": "50",
            "RECSYS_BUCKET_KEY": "ab" * 16,
            "RECSYS_TOKEN_KEY": "cd" * 16,
            **changes,
        }


@dataclass
class FakeRanker:
    """Ranks naively, or raises what it is told to."""

    made: Made
    digest: str
    error: RankingError | None = None
    calls: list[tuple[int, tuple[int, ...], int]] = field(default_factory=list)
    on_call: Callable[[], None] = lambda: None

    async def rank(self, row: int, extra_seen: Sequence[int], k: int, timeout_seconds: float) -> Ranking:
        self.calls.append((row, tuple(extra_seen), k))
        self.on_call()
        if self.error:
            raise self.error
        if row < 0:
            best, scores = self.made.naive_top_folded(extra_seen, k), self.made.naive_folded(extra_seen)
        else:
            best, scores = self.made.naive_top_k(row, k, extra_seen), self.made.naive_scores(row)
        return Ranking(tuple(best), tuple(float(np.float32(scores[item])) for item in best))

    async def artifact_digest(self, timeout_seconds: float) -> str:
        if self.error:
            raise self.error
        return self.digest


@dataclass
class Pod:
    """The API around the fake ranker."""

    settings: ApiSettings
    library: Library
    ranker: FakeRanker
    api: Api

    async def post(self, path: str, body: object, **headers: str) -> Reply:
        return await call(build_app(self.api), "POST", path, body, {k.replace("_", "-"): v for k, v in headers.items()})

    async def get(self, path: str) -> Reply:
        return await call(build_app(self.api), "GET", path)

    async def recommend(self, **body: object) -> Reply:
        return await self.post("/v1/recommend", body)

    async def metric(self, line: str) -> float:
        """The value of one sample, by its name with labels as printed but for the version."""
        text = (await self.get("/metrics")).body.decode()
        for sample in text.splitlines():
            name, _, value = sample.rpartition(" ")
            if name.replace(f',version="{VERSION}"', "").replace(f'version="{VERSION}"', "") == line:
                return float(value)
        raise AssertionError(f"{line} not in\n{text}")


@pytest.fixture(scope="session")
def shared_artifact(tmp_path_factory: pytest.TempPathFactory) -> Fetched:
    """An artifact that no test changes."""
    return put_artifact(make(), tmp_path_factory.mktemp("pod") / "models")


@pytest.fixture
def fetched(tmp_path: Path) -> Fetched:
    """An artifact of the test's own."""
    return put_artifact(make(), tmp_path / "models")


def put_artifact(made: Made, models: Path) -> Fetched:
    """Write an artifact as if it had been fetched."""
    return Fetched(made=made, models=models, digest=write(made, models / "artifact"))


def build_pod(fetched: Fetched, **env: str) -> Pod:
    """An API that is not warmed yet."""
    settings = read_api_settings(fetched.env(**env))
    library = load_library(fetched.artifact, fetched.digest)
    ranker = FakeRanker(fetched.made, fetched.digest)
    api, _ = build_api(settings, library, ranker)
    return Pod(settings, library, ranker, api)


@pytest.fixture
def pod(shared_artifact: Fetched) -> Pod:
    """An API around an artifact that nobody changes."""
    return build_pod(shared_artifact)


@pytest.fixture
def new_pod() -> Callable[..., Pod]:
    """Makes an API: new_pod(fetched, RECSYS_TOP_K="5")."""
    return build_pod


@pytest.fixture
def put() -> Callable[[Made, Path], Fetched]:
    """Writes an artifact: put(made, models)."""
    return put_artifact


@dataclass(frozen=True)
class Wire:
    """A pod's port."""

    port: int

    async def connect(self, host: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(host, self.port)

    async def send(self, raw: bytes) -> bytes:
        """What comes back for these bytes until the pod closes the connection."""
        reader, writer = await self.connect()
        writer.write(raw)
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer


@asynccontextmanager
async def listening(pod: Pod, *, keep_alive_seconds: float = 75) -> AsyncIterator[Wire]:
    """The pod behind the HTTP server of production."""
    with bind(replace(pod.settings, port=0)) as bound:
        bound.listen()
        server = build_server(pod.api, pod.settings)
        server.config.timeout_keep_alive = keep_alive_seconds
        task = asyncio.ensure_future(server.serve(sockets=[bound]))
        try:
            yield Wire(bound.getsockname()[1])
        finally:
            server.should_exit = True
            await task


@pytest.fixture
def listen() -> Callable[..., Any]:
    """Serves a pod: `async with listen(pod) as wire`."""
    return listening
