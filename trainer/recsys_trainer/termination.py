"""The termination message: the fast path from a pod to the operator, at most 4,096 bytes."""

import json
import os
from pathlib import Path

from recsys_api.run_spec import EvaluateResult, PrepareResult, TrainResult
from recsys_trainer.errors import one_line

Result = PrepareResult | TrainResult | EvaluateResult
RESULTS: dict[str, type[PrepareResult] | type[TrainResult] | type[EvaluateResult]] = {
    "prepare": PrepareResult,
    "train": TrainResult,
    "evaluate": EvaluateResult,
}
LOG_VARIABLE = "RECSYS_TERMINATION_LOG"
DEFAULT_LOG = "/dev/termination-log"
MAX_BYTES = 4096
_TEXT_LIMITS = (1000, 400, 200, 120, 60, 20)


def write_termination(result: Result) -> None:
    """Write the message where the kubelet reads it. Outside of a pod there is no such file, and nothing to tell."""
    path = Path(os.environ.get(LOG_VARIABLE, DEFAULT_LOG))
    if LOG_VARIABLE in os.environ or path.exists():
        path.write_bytes(encode(result))


def encode(result: Result) -> bytes:
    """The message as JSON, its texts cut until it fits; figures are never cut."""
    for limit in _TEXT_LIMITS:
        encoded = json.dumps(_cut(result, limit).to_dict(), ensure_ascii=False, separators=(",", ":")).encode()
        if len(encoded) <= MAX_BYTES:
            break
    return encoded


def _cut(result: Result, limit: int) -> Result:
    update: dict[str, object] = {"error": one_line(result.error, limit)}
    if isinstance(result, TrainResult):
        update["message"] = one_line(result.message, limit)
    if isinstance(result, EvaluateResult):
        update["gates"] = tuple(
            gate.model_copy(update={"message": one_line(gate.message, limit)}) for gate in result.gates
        )
    return result.model_copy(update=update)
