"""Ready means warmed once with the right answers; afterwards only draining changes it."""

import asyncio
import dataclasses
import itertools
import signal

import pytest
import uvicorn

from recsys_serving.api import DrainingServer, background, warm_until_ready
from recsys_serving.app import build_app
from recsys_serving.errors import ArtifactError
from recsys_serving.health import Health, LoopWatch
from recsys_serving.ranking import BrokenError, RankingError
from recsys_serving.warmup import warm


async def warm_pod(pod) -> None:
    await warm_until_ready(pod.api, pod.library, pod.ranker, pod.api.recommender)


async def test_ready_after_the_golden_users_and_not_before(pod) -> None:
    assert (await pod.get("/readyz")).status == 503
    await warm_pod(pod)
    assert (await pod.get("/readyz")).status == 200
    assert len(pod.ranker.calls) == 8


async def test_warming_is_not_counted_as_traffic(pod) -> None:
    await warm_pod(pod)
    assert await pod.metric('recsys_requests_total{code="200",fallback_reason="None",source="Model"}') == 0


async def test_it_stays_ready_while_the_ranker_is_away(pod) -> None:
    await warm_pod(pod)
    pod.ranker.error = BrokenError("down")
    await pod.recommend(user="u1")
    assert (await pod.get("/readyz")).status == 200
    assert (await pod.get("/healthz")).status == 200


async def test_a_ranker_with_another_artifact_is_refused_for_good(pod) -> None:
    pod.ranker.digest = "sha256:" + "0" * 64
    await warm_pod(pod)
    reply = await pod.get("/readyz")
    assert reply.status == 503
    assert b"Triton serves sha256:000" in reply.body


async def test_a_ranker_with_other_answers_is_refused(fetched, new_pod) -> None:
    pod = new_pod(fetched)
    pod.ranker.made.weights["out.weight"] *= -1
    with pytest.raises(ArtifactError, match="golden user 'u0'"):
        await warm(pod.library, pod.ranker, pod.api.recommender, top_k=50)


async def test_top_k_below_the_golden_50_warms_with_the_first_ones(shared_artifact, new_pod) -> None:
    pod = new_pod(shared_artifact, RECSYS_TOP_K="5")
    assert await warm(pod.library, pod.ranker, pod.api.recommender, top_k=5) == 9


async def test_a_ranker_that_is_away_can_be_tried_again(pod) -> None:
    pod.ranker.error = BrokenError("starting")
    with pytest.raises(RankingError):
        await warm(pod.library, pod.ranker, pod.api.recommender, top_k=50)


async def test_who_waits_for_triton_says_so_in_readyz_and_every_15_seconds_in_the_log(
    shared_artifact, new_pod, capsys: pytest.CaptureFixture[str]
) -> None:
    pod = new_pod(shared_artifact)
    pod.ranker.error = BrokenError("UNAVAILABLE")
    assert (await pod.get("/readyz")).status == 503
    seconds = itertools.count()

    def timer() -> float:
        now = next(seconds)
        pod.ranker.error = pod.ranker.error if now < 40 else None
        return float(now)

    api = dataclasses.replace(pod.api, timer=timer)
    await warm_until_ready(api, pod.library, pod.ranker, pod.api.recommender, retry_seconds=0)
    said = [line for line in capsys.readouterr().err.splitlines() if "waiting for Triton" in line]
    assert [line.split(":")[1] for line in said] == [" waiting for Triton since 15 s", " waiting for Triton since 30 s"]
    assert all("UNAVAILABLE" in line and "supervisor" in line for line in said)
    assert (await pod.get("/readyz")).status == 200


async def test_a_defect_while_warming_is_in_readyz_and_in_the_log(pod, capsys: pytest.CaptureFixture[str]) -> None:
    def explode() -> None:
        raise RuntimeError("defect")

    pod.ranker.on_call = explode
    with pytest.raises(RuntimeError):
        await warm_pod(pod)
    reply = await pod.get("/readyz")
    assert (reply.status, reply.body) == (503, b"failed: RuntimeError: defect; this is a defect\n")
    assert "failed: RuntimeError: defect" in capsys.readouterr().err


async def test_draining_answers_on_and_closes_connections(pod) -> None:
    await warm_pod(pod)
    pod.api.health.draining = True
    assert (await pod.get("/readyz")).status == 503
    assert (await pod.get("/healthz")).status == 200
    reply = await pod.recommend(user="u1", k=1)
    assert (reply.status, reply.headers["connection"]) == (200, "close")


async def test_the_first_signal_drains_and_the_second_ends(pod) -> None:
    server = DrainingServer(uvicorn.Config(build_app(pod.api)), pod.api.health, drain_seconds=60)
    server._loop = asyncio.get_running_loop()
    server.handle_exit(signal.SIGTERM, None)
    assert pod.api.health.draining
    assert not server.should_exit
    server.handle_exit(signal.SIGTERM, None)
    assert server.should_exit


async def test_a_drain_ends_by_itself(pod) -> None:
    server = DrainingServer(uvicorn.Config(build_app(pod.api)), pod.api.health, drain_seconds=0)
    server._loop = asyncio.get_running_loop()
    server.handle_exit(signal.SIGTERM, None)
    later = asyncio.Event()
    server._loop.call_later(0, later.set)
    await later.wait()
    assert server.should_exit


@pytest.mark.parametrize(("late", "status"), [(0.0, 200), (9.0, 200), (11.0, 503)])
def test_a_stuck_event_loop_is_neither_alive_nor_ready(late: float, status: int) -> None:
    times = iter([0.0, 0.5 + late])
    health = Health(LoopWatch(lambda: next(times)), warmed=True)
    health.watch.tick()
    assert health.liveness()[0] == status
    assert health.readiness()[0] == status


async def test_background_work_ends_with_the_server() -> None:
    cancelled = asyncio.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with background(forever()):
        await asyncio.sleep(0)
    assert cancelled.is_set()
