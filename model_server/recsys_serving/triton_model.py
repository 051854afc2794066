"""The Triton python-backend model `recommender`: unpack tensors, rank, pack tensors."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.utils.dlpack
from numpy.typing import NDArray

from recsys_serving.batches import Rank, Ranked, rank_together
from recsys_serving.errors import ArtifactError
from recsys_serving.limits import observe_cpus, threads_for
from recsys_serving.loading import load_scorer
from recsys_serving.names import DIGEST_PARAMETER, INPUTS, OUTPUTS


@dataclass(frozen=True)
class ModelArguments:
    """What tritonserver tells a model instance."""

    digest: str
    instances: int
    artifact: Path


def parse_arguments(args: dict[str, str], models_dir: str) -> ModelArguments:
    """Read the digest that fetch wrote into config.pbtxt, and the number of instances that share the CPU quota."""
    config = json.loads(args["model_config"])
    digest = config.get("parameters", {}).get(DIGEST_PARAMETER, {}).get("string_value", "")
    if not digest:
        raise ArtifactError(
            f"config.pbtxt has no parameter {DIGEST_PARAMETER}; lay the repository with the fetch container"
        )
    instances = sum(int(group.get("count", 1)) for group in config.get("instance_group", [])) or 1
    return ModelArguments(digest=digest, instances=instances, artifact=Path(models_dir) / "artifact")


class TritonPythonModel:
    """Thin: everything that can be tested without Triton lives in loading.py, batches.py and scoring.py."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load and verify the artifact; raising here keeps the model from being READY."""
        arguments = parse_arguments(args, os.environ.get("RECSYS_MODELS_DIR") or "/models")
        threads = threads_for(observe_cpus(os.environ), arguments.instances)
        torch.set_num_threads(threads)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._scorer = load_scorer(arguments.artifact, arguments.digest, device)
        print(f"recommender: {arguments.digest} on {device}, {threads} threads, golden answers match", file=sys.stderr)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Rank all requests of the batch together."""
        import triton_python_backend_utils as pb

        # DLPack both ways: the stub was built against numpy 1 and reads a wrong item size from numpy 2 arrays.
        def tensor(request: Any, name: str) -> NDArray[np.int32]:
            return torch.utils.dlpack.from_dlpack(pb.get_input_tensor_by_name(request, name)).cpu().numpy()

        ranks = [Rank(*(tensor(request, name) for name in INPUTS)) for request in requests]
        return [self._response(pb, ranked) for ranked in rank_together(self._scorer, ranks)]

    @staticmethod
    def _response(pb: Any, ranked: Ranked) -> Any:
        if ranked.error:
            return pb.InferenceResponse(error=pb.TritonError(ranked.error))
        arrays = (ranked.item_rows, ranked.scores)
        outputs = [pb.Tensor.from_dlpack(name, torch.from_numpy(a)) for name, a in zip(OUTPUTS, arrays, strict=True)]
        return pb.InferenceResponse(output_tensors=outputs)
