"""Triton over gRPC, with raw tensors: the general client costs a millisecond of CPU that this path does not have."""

import struct
from collections.abc import Sequence
from typing import Any

import grpc  # type: ignore[import-untyped]
from tritonclient.grpc import service_pb2, service_pb2_grpc

from recsys_serving.names import DIGEST_PARAMETER, INPUTS, MODEL_NAME, OUTPUTS
from recsys_serving.ranking import BrokenError, BusyError, DeadlineError, Ranking, RankingError

MIN_EXTRA = 16
_DATATYPES = ("INT32", "FP32")
_CHANNEL_OPTIONS = (
    # A restarted tritonserver must be found within a second.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_http_proxy", 0),
)


def padded_length(count: int) -> int:
    """Length that `extra_seen` is padded to: a power of two, so that Triton finds requests of equal shape to batch."""
    return max(MIN_EXTRA, 1 << (count - 1).bit_length()) if count else MIN_EXTRA


def build_request(row: int, extra_seen: Sequence[int], k: int) -> Any:
    """One user's request."""
    width = padded_length(len(extra_seen))
    request = service_pb2.ModelInferRequest(model_name=MODEL_NAME)
    for name, shape in zip(INPUTS, ((1, 1), (1, width), (1, 1)), strict=True):
        request.inputs.add(name=name, datatype="INT32", shape=shape)
    padding = [-1] * (width - len(extra_seen))
    request.raw_input_contents.extend(
        (struct.pack("<i", row), struct.pack(f"<{width}i", *extra_seen, *padding), struct.pack("<i", k))
    )
    return request


def parse_response(response: Any) -> Ranking:
    """The ranking; places without an item (row -1) are left out.

    Raises:
        BrokenError: the response has other outputs than ours.
    """
    pairs_of_output = zip(response.outputs, response.raw_output_contents, strict=False)
    raw = {(output.name, output.datatype): content for output, content in pairs_of_output}
    rows_raw, scores_raw = (raw.get(output, b"") for output in zip(OUTPUTS, _DATATYPES, strict=True))
    count, rest = divmod(len(rows_raw), 4)
    if not count or rest or len(scores_raw) != len(rows_raw):
        raise BrokenError(f"outputs {sorted(raw)} of {len(rows_raw)} and {len(scores_raw)} bytes")
    pairs = zip(struct.unpack(f"<{count}i", rows_raw), struct.unpack(f"<{count}f", scores_raw), strict=True)
    found = [(row, score) for row, score in pairs if row >= 0]
    return Ranking(tuple(row for row, _ in found), tuple(score for _, score in found))


def to_ranking_error(code: Any, details: str) -> RankingError:
    """What a gRPC status means for the answer."""
    if code == grpc.StatusCode.DEADLINE_EXCEEDED or "timeout expired" in details.lower():
        return DeadlineError(details)
    if code == grpc.StatusCode.RESOURCE_EXHAUSTED or "queue" in details.lower():
        return BusyError(details)
    return BrokenError(f"{code}: {details}")


class TritonRanker:
    """The Ranker of production. Make it inside the running event loop."""

    def __init__(self, port: int) -> None:
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=_CHANNEL_OPTIONS)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    async def rank(self, row: int, extra_seen: Sequence[int], k: int, timeout_seconds: float) -> Ranking:
        """The best k unseen items of a known user."""
        request = build_request(row, extra_seen, k)
        return parse_response(await self._call(self._stub.ModelInfer, request, timeout_seconds))

    async def artifact_digest(self, timeout_seconds: float) -> str:
        """The digest in the configuration of the loaded model."""
        ready = service_pb2.ModelReadyRequest(name=MODEL_NAME)
        if not (await self._call(self._stub.ModelReady, ready, timeout_seconds)).ready:
            raise BrokenError("model is not READY")
        request = service_pb2.ModelConfigRequest(name=MODEL_NAME)
        answer = await self._call(self._stub.ModelConfig, request, timeout_seconds)
        return str(answer.config.parameters[DIGEST_PARAMETER].string_value)

    @staticmethod
    async def _call(method: Any, request: Any, timeout_seconds: float) -> Any:
        try:
            return await method(request, timeout=timeout_seconds)
        except grpc.aio.AioRpcError as error:
            raise to_ranking_error(error.code(), error.details() or "") from error

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()
