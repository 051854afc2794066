"""What the API makes of Triton's answers, good and bad."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from tritonclient.grpc import service_pb2_grpc

from recsys_serving.triton_client import TritonRanker


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
async def serving(service: HangingService) -> AsyncIterator[TritonRanker]:
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
