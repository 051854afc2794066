"""Triton's model repository: a harmless config.pbtxt from the artifact, and model.py from this package."""

import os
import shutil
from pathlib import Path

from google.protobuf import text_format  # type: ignore[import-untyped]
from tritonclient.grpc import model_config_pb2

from recsys_api.artifact import ArtifactManifest
from recsys_serving.errors import ArtifactError
from recsys_serving.names import DIGEST_PARAMETER, INPUTS, MODEL_NAME, OUTPUTS
from recsys_serving.settings import ArtifactSettings

_HARMLESS = {
    "name",
    "backend",
    "max_batch_size",
    "input",
    "output",
    "dynamic_batching",
    "instance_group",
    "version_policy",
}
"""Other fields of a ModelConfig can name files to execute (parameters, operations, filenames) or write elsewhere."""


def build_config(text: str, digest: str) -> str:
    """The artifact's config.pbtxt without queue policy, and with the artifact's digest as a parameter.

    Raises:
        ArtifactError: not a model configuration, not our model, or a field set that data must not set.
    """
    try:
        config = text_format.Parse(text, model_config_pb2.ModelConfig())
    except text_format.ParseError as error:
        raise ArtifactError(f"config.pbtxt: {error}; export it again") from error
    _check_config(config)
    # With any bound or timeout on its queue tritonserver stops prefetching, and then its batcher misses wake-ups: of
    # sequential requests one in a hundred waited for its 500 ms poll (measured, 2.51; without a policy none of 4,000).
    # The API is the only client: it bounds what is in flight, and its deadline cancels what still waits.
    config.dynamic_batching.ClearField("default_queue_policy")
    config.parameters[DIGEST_PARAMETER].string_value = digest
    return str(text_format.MessageToString(config))


def _check_config(config: model_config_pb2.ModelConfig) -> None:
    refused = sorted({field.name for field, _ in config.ListFields()} - _HARMLESS)
    if refused:
        raise ArtifactError(f"config.pbtxt sets {refused[0]!r}, which data must not set; remove it")
    if config.name != MODEL_NAME or config.backend != "python":
        raise ArtifactError(
            f"config.pbtxt is {config.name!r} on {config.backend!r}; expected {MODEL_NAME!r} on 'python'"
        )
    inputs, outputs = {entry.name for entry in config.input}, {entry.name for entry in config.output}
    if inputs != set(INPUTS) or outputs != set(OUTPUTS):
        raise ArtifactError(f"config.pbtxt has inputs {sorted(inputs)} and outputs {sorted(outputs)}; export it again")


def ensure_repository(settings: ArtifactSettings, manifest: ArtifactManifest) -> Path:
    """Lay `<models>/repository/recommender/`; idempotent."""
    model = settings.repository_dir / MODEL_NAME
    version = model / "1"
    version.mkdir(parents=True, exist_ok=True)
    text = (settings.artifact_dir / "triton" / MODEL_NAME / "config.pbtxt").read_text("utf-8", errors="replace")
    _write(model / "config.pbtxt", build_config(text, manifest.digest))
    shutil.copyfile(Path(__file__).with_name("model.py"), version / "model.py")
    return model


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text)
    os.replace(temporary, path)
