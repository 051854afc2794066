"""`python -m recsys_serving.testing.fake_triton`: a tritonserver of the same protocol that starts in half a second.

It takes tritonserver's options, ranks naively with numpy, and dies or hangs under signals as any process does. Tests
that hold for it and for the real server are the contract between supervisor, API and Triton.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import numpy as np
from google.protobuf import text_format  # type: ignore[import-untyped]
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from recsys_api.artifact import ArtifactManifest
from recsys_serving.artifact import map_tensors
from recsys_serving.batches import Rank, rank_together
from recsys_serving.names import INPUTS, MODEL_NAME, OUTPUTS
from recsys_serving.seen import SeenLists
from recsys_serving.testing.artifacts import naive_folded, naive_scores

_HTTP_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"


class NaiveScorer:
    """batches.Ranker by sorting the whole catalogue."""

    def __init__(self, artifact: Path) -> None:
        tensors = map_tensors(artifact / "weights.safetensors")
        self._weights: Mapping[str, NDArray[np.float32]] = {k: np.asarray(v, np.float32) for k, v in tensors.items()}
        manifest = ArtifactManifest.model_validate_json((artifact / "manifest.json").read_bytes())
        self._seen = SeenLists.open(artifact / "seen.safetensors", manifest.model.items)
        self.users = len(self._seen)
        self._fold_in = manifest.model.fold_in

    @property
    def folds_in(self) -> bool:
        """As the artifact says."""
        return self._fold_in is not None

    def top_k(
        self, rows_B: NDArray[np.int32], extra_seen_BP: NDArray[np.int32], k: int
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Best k unseen items of each user."""
        lines = [self._line(int(row), extra, k) for row, extra in zip(rows_B, extra_seen_BP, strict=True)]
        return np.stack([rows for rows, _ in lines]), np.stack([scores for _, scores in lines])

    def _line(self, row: int, extra: NDArray[np.int32], k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        known, had = extra[extra >= 0], self._seen.of(row) if row >= 0 else np.zeros(0, np.int32)
        if row >= 0 or self._fold_in is None:
            scores = naive_scores(self._weights, row)
        else:
            scores = naive_folded(self._weights, self._fold_in, known.tolist())
        scores[np.concatenate([had, known])] = -np.inf
        best = np.argsort(-scores, kind="stable")[:k]
        rows = np.where(np.isneginf(scores[best]), -1, best)
        return rows.astype(np.int32), scores[best].astype(np.float32)


class Service(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """The three calls that the API makes."""

    def __init__(self, scorer: NaiveScorer, config: Any) -> None:
        self._scorer, self._config = scorer, config

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Ready from the start."""
        return service_pb2.ModelReadyResponse(ready=True)

    async def ModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The configuration that fetch laid."""
        return service_pb2.ModelConfigResponse(config=self._config)

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Rank one request."""
        tensors = {
            entry.name: np.frombuffer(raw, np.int32).reshape(tuple(entry.shape))
            for entry, raw in zip(request.inputs, request.raw_input_contents, strict=True)
        }
        ranked = rank_together(self._scorer, [Rank(*(tensors[name] for name in INPUTS))])[0]
        if ranked.error:
            await context.abort(grpc.StatusCode.INTERNAL, ranked.error)
        response = service_pb2.ModelInferResponse(model_name=MODEL_NAME)
        for name, kind, array in zip(OUTPUTS, ("INT32", "FP32"), (ranked.item_rows, ranked.scores), strict=True):
            response.outputs.add(name=name, datatype=kind, shape=array.shape)
            response.raw_output_contents.append(array.tobytes())
        return response


async def answer_probe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Any HTTP request is answered with 200."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(_HTTP_OK)
    await writer.drain()
    writer.close()


async def serve(repository: Path, grpc_port: int, http_port: int) -> None:
    """Serve until killed."""
    text = (repository / MODEL_NAME / "config.pbtxt").read_text()
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    server = grpc.aio.server()
    scorer = NaiveScorer(repository.parent / "artifact")
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Service(scorer, config), server)
    server.add_insecure_port(f"127.0.0.1:{grpc_port}")
    await server.start()
    probes = await asyncio.start_server(answer_probe, "127.0.0.1", http_port)
    async with probes:
        await probes.serve_forever()


def lay_home(folder: Path) -> Path:
    """A folder that RECSYS_TRITON_HOME can name."""
    binary = folder / "bin/tritonserver"
    binary.parent.mkdir(parents=True)
    binary.write_text(f'#!/bin/sh\nexec {sys.executable} -m {__spec__.name if __spec__ else __name__} "$@"\n')
    binary.chmod(0o755)
    return folder


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model-repository", type=Path, required=True)
    parser.add_argument("--grpc-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    options, _ = parser.parse_known_args()
    asyncio.run(serve(options.model_repository, options.grpc_port, options.http_port))
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
