"""Callers who leave before their answer: their places are free at once, and a scorer does not look better by it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from recsys_serving.app import build_app
from recsys_serving.ranking import BrokenError, DeadlineError, Ranking, RankingError
from recsys_serving.testing.asgi import call

MODEL = 'recsys_requests_total{code="200",fallback_reason="None",source="Model"}'
LATE = 'recsys_requests_total{code="200",fallback_reason="Deadline",source="Popularity"}'
TIMED = 'recsys_request_seconds_count{source="Model"}'
COUNTED, DROPPED = (f'recsys_callers_left_total{{counted="{counted}"}}' for counted in ("true", "false"))


@dataclass
class Crowd:
    """Callers of a pod whose scorer answers when it is told to."""

    pod: object
    asked: int = 0
    cancelled: int = 0
    error: RankingError | None = None
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self.answer = self.pod.ranker.rank
        self.pod.ranker.rank = self.rank

    async def rank(self, row: int, extra_seen: Sequence[int], k: int, timeout_seconds: float) -> Ranking:
        await self._note(asked=1)
        try:
            await self.answering.wait()
        except asyncio.CancelledError:
            await self._note(cancelled=1)
            raise
        if self.error:
            raise self.error
        return await self.answer(row, extra_seen, k, timeout_seconds)

    async def _note(self, asked: int = 0, cancelled: int = 0) -> None:
        async with self.changed:
            self.asked += asked
            self.cancelled += cancelled
            self.changed.notify_all()

    async def wait(self, **counts: int) -> None:
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: all(getattr(self, name) == n for name, n in counts.items()))

    async def come(self, count: int, leaving: asyncio.Event | None = None) -> list[asyncio.Task]:
        """So many callers, each at the scorer."""
        before = self.asked
        app = build_app(self.pod.api)
        body = {"user": "u1", "k": 1}
        tasks = [asyncio.ensure_future(call(app, "POST", "/v1/recommend", body, leaving=leaving)) for _ in range(count)]
        await self.wait(asked=before + count)
        return tasks

    async def come_and_leave(self, count: int) -> list[asyncio.Task]:
        leaving = asyncio.Event()
        tasks = await self.come(count, leaving)
        leaving.set()
        return tasks


@pytest.fixture
def crowd(shared_artifact, new_pod) -> Crowd:
    """Of a pod with 32 places, and two for those who left."""
    return Crowd(new_pod(shared_artifact, RECSYS_MAX_IN_FLIGHT="32"))


async def test_a_storm_of_callers_who_leave_takes_no_place_from_those_who_stay(crowd: Crowd) -> None:
    storms = [await crowd.come_and_leave(32)]
    await crowd.wait(cancelled=30)
    for waves in range(1, 4):
        storms.append(await crowd.come_and_leave(32))
        await crowd.wait(cancelled=30 + 32 * waves)
    staying = await crowd.come(32)
    assert (await crowd.pod.recommend(user="u1", k=1)).json()["fallbackReason"] == "Overload"
    crowd.answering.set()
    assert {reply.json()["source"] for reply in await asyncio.gather(*staying)} == {"Model"}
    await asyncio.gather(*(task for storm in storms for task in storm))
    assert await crowd.pod.metric(MODEL) == 32 + 2
    assert await crowd.pod.metric(TIMED) == 32 + 2
    assert await crowd.pod.metric(DROPPED) == 30 + 3 * 32
    assert await crowd.pod.metric(COUNTED) == 2


async def test_no_place_is_lost_or_doubled_by_those_who_left(crowd: Crowd) -> None:
    for _ in range(3):
        crowd.answering.clear()
        left = await crowd.come_and_leave(32)
        crowd.answering.set()
        await asyncio.gather(*left)
    crowd.answering.clear()
    staying = await crowd.come(32)
    assert (await crowd.pod.recommend(user="u1", k=1)).json()["fallbackReason"] == "Overload"
    crowd.answering.set()
    await asyncio.gather(*staying)


@pytest.mark.parametrize(
    ("error", "series"),
    [(DeadlineError("late"), LATE), (BrokenError("down"), LATE.replace("Deadline", "TritonError"))],
    ids=["late", "down"],
)
async def test_a_scorer_that_everybody_leaves_is_still_measured(crowd: Crowd, error: RankingError, series: str) -> None:
    crowd.error = error
    left = await crowd.come_and_leave(32)
    await crowd.wait(cancelled=30)
    crowd.answering.set()
    await asyncio.gather(*left)
    assert await crowd.pod.metric(series) == 2
    assert await crowd.pod.metric(MODEL) == 0


async def test_a_caller_who_leaves_is_no_error_of_the_version(crowd: Crowd) -> None:
    left = await crowd.come_and_leave(32)
    await crowd.wait(cancelled=30)
    page = (await crowd.pod.get("/metrics")).body.decode()
    assert 'source="None"' not in page
    assert sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith("recsys_requests_total")) == 0
    crowd.answering.set()
    await asyncio.gather(*left)


async def test_one_place_serves_the_next_caller_after_the_first_one_left(shared_artifact, new_pod) -> None:
    crowd = Crowd(new_pod(shared_artifact, RECSYS_MAX_IN_FLIGHT="1"))
    left = await crowd.come_and_leave(1) + await crowd.come_and_leave(1)
    await crowd.wait(cancelled=1)
    staying = await crowd.come(1)
    crowd.answering.set()
    assert (await staying[0]).json()["source"] == "Model"
    await asyncio.gather(*left)


async def test_the_end_of_the_server_is_not_taken_for_a_caller_who_left(crowd: Crowd) -> None:
    (task,) = await crowd.come(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await crowd.pod.metric(DROPPED) == 0


@pytest.mark.parametrize("together", [True, False], ids=["in one write", "one after the other"])
async def test_a_closed_connection_is_left_by_the_request_that_others_wait_behind(
    shared_artifact, new_pod, listen, together: bool
) -> None:
    crowd = Crowd(new_pod(shared_artifact, RECSYS_MAX_IN_FLIGHT="1"))
    body = b'{"user": "u1", "k": 1}'
    raw = f"POST /v1/recommend HTTP/1.1\r\nhost: pod\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    (witness,) = await crowd.come_and_leave(1)
    async with listen(crowd.pod) as wire:
        _, writer = await wire.connect()
        writer.write(raw * 3 if together else raw)
        await crowd.wait(asked=2)
        if not together:
            writer.write(raw * 2)
            await writer.drain()
        writer.close()
        await crowd.wait(cancelled=1)
        (staying,) = await crowd.come(1)
        crowd.answering.set()
        assert (await staying).json()["source"] == "Model"
    await witness
    assert crowd.asked == 3, "who waited behind it was never asked for"


async def test_a_closed_connection_is_a_caller_who_left(crowd: Crowd, listen) -> None:
    body = b'{"user": "u1", "k": 1}'
    head = f"POST /v1/recommend HTTP/1.1\r\nhost: pod\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    async with listen(crowd.pod) as wire:
        writers = []
        for _ in range(4):
            _, writer = await wire.connect()
            writer.write(head + body)
            writers.append(writer)
        await crowd.wait(asked=4)
        for writer in writers:
            writer.close()
        await crowd.wait(cancelled=2)
        crowd.answering.set()
    assert await crowd.pod.metric(DROPPED) == 2
    assert await crowd.pod.metric(COUNTED) == 2
