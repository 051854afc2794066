"""What the API makes of Triton's answers, good and bad."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from recsys_serving.api import build_api
from recsys_serving.triton_client import TritonRanker


class AnsweringService(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Gives one answer to everybody."""

    def __init__(self, *outputs: tuple[str, str, bytes]) -> None:
        self.outputs = outputs

    async def ModelInfer(self, request: object, context: object) -> object:  # noqa: N802
        response = service_pb2.ModelInferResponse()
        for name, datatype, raw in self.outputs:
            response.outputs.add(name=name, datatype=datatype)
            response.raw_output_contents.append(raw)
        return response


class HangingService(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Never answers, and knows who gave up."""

    def __init__(self) -> None:
        self.entered, self.cancelled = asyncio.Event(), asyncio.Event()

    async def ModelInfer(self, request: object, context: object) -> None:  # noqa: N802
        self.entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


@asynccontextmanager
async def serving(service: service_pb2_grpc.GRPCInferenceServiceServicer) -> AsyncIterator[TritonRanker]:
    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    ranker = TritonRanker(port)
    try:
        yield ranker
    finally:
        await ranker.close()
        await server.stop(None)


async def test_a_request_that_nobody_waits_for_is_cancelled_at_triton() -> None:
    service = HangingService()
    async with serving(service) as ranker:
        request = asyncio.ensure_future(ranker.rank(1, (), 5, timeout_seconds=60))
        await service.entered.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        async with asyncio.timeout(10):
            await service.cancelled.wait()


def answer(rows: list[float], scores: list[float], *, kinds: tuple[str, str] = ("<i4", "<f4")) -> AnsweringService:
    of_kind = {"<i4": "INT32", "<i8": "INT64", "<f4": "FP32", "<f8": "FP64"}
    arrays = (np.array(rows, kinds[0]), np.array(scores, kinds[1]))
    named = zip(("item_rows", "scores"), kinds, arrays, strict=True)
    return AnsweringService(*((name, of_kind[kind], array.tobytes()) for name, kind, array in named))


WRONG = {
    "a score is NaN": answer([1, 2], [2.0, np.nan]),
    "a score is infinite": answer([1, 2], [np.inf, 1.0]),
    "an item that is not there": answer([1, 10**6], [2.0, 1.0]),
    "an item twice": answer([1, 1], [2.0, 2.0]),
    "more items than asked for": answer(list(range(9)), [1.0] * 9),
    "fewer scores than items": answer([1, 2], [2.0]),
    "wider numbers": answer([1, 2], [2.0, 1.0], kinds=("<i8", "<f8")),
    "scores in the place of rows": answer([1.0, 2.0], [2.0, 1.0], kinds=("<f4", "<f4")),
    "no whole numbers": AnsweringService(("item_rows", "INT32", b"12345"), ("scores", "FP32", b"12345")),
    "nothing": AnsweringService(),
    "another output": AnsweringService(("rows", "INT32", b"1234"), ("scores", "FP32", b"1234")),
    "an output without content": AnsweringService(("item_rows", "INT32", b""), ("scores", "FP32", b"")),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_answer_of_triton_is_a_failure_of_the_model_and_popularity_for_the_caller(pod, name: str) -> None:
    async with serving(WRONG[name]) as ranker:
        pod.api, _ = build_api(pod.settings, pod.library, ranker)
        reply = await pod.recommend(user="u1", k=5)
    body = reply.json()
    assert (reply.status, body["source"], body["fallbackReason"]) == (200, "Popularity", "TritonError")
    assert len(body["items"]) == 5
    assert await pod.metric('recsys_requests_total{code="200",fallback_reason="TritonError",source="Popularity"}') == 1
    assert await pod.metric('recsys_request_seconds_count{source="Model"}') == 0


@pytest.mark.parametrize("rows", [[3, 7], [3, -1], [-1, -1]], ids=["as many", "fewer", "none left"])
async def test_an_answer_may_have_fewer_items_than_were_asked_for(pod, rows: list[int]) -> None:
    scores = [1.0 if row >= 0 else -np.inf for row in rows]
    async with serving(answer(rows, scores)) as ranker:
        pod.api, _ = build_api(pod.settings, pod.library, ranker)
        body = (await pod.recommend(user="u1", k=2)).json()
    assert body["source"] == "Model"
    assert [item["id"] for item in body["items"]] == [f"i{row}" for row in rows if row >= 0]
