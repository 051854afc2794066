"""The environment of the three containers of a serving pod (docs/contracts.md section 6)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recsys_api.listening import EVERYWHERE
from recsys_api.serving_pod import LONGEST_START_SECONDS, START_SECONDS, START_SECONDS_VARIABLE
from recsys_serving.errors import SettingsError

_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
_MIN_KEY_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class ArtifactSettings:
    """What says which artifact a pod serves."""

    uri: str
    digest: str
    models_dir: Path
    top_k: int

    @property
    def artifact_dir(self) -> Path:
        """Where the verified copy lies."""
        return self.models_dir / "artifact"

    @property
    def repository_dir(self) -> Path:
        """Triton's model repository."""
        return self.models_dir / "repository"


@dataclass(frozen=True, kw_only=True)
class TritonSettings:
    """Where tritonserver listens; loopback only."""

    models_dir: Path
    grpc_port: int
    http_port: int
    drain_seconds: float
    start_seconds: float = START_SECONDS
    """A server that ranks nothing this long after its start is started again."""

    @property
    def state_file(self) -> Path:
        """Where the supervisor writes how often it restarted tritonserver."""
        return self.models_dir / ".supervisor.json"


@dataclass(frozen=True, kw_only=True)
class ApiSettings:
    """Everything that the API container reads."""

    artifact: ArtifactSettings
    triton: TritonSettings
    model: str
    version: str
    host: str
    port: int
    bucket_key: bytes
    token_key: bytes
    request_timeout_seconds: float
    max_in_flight: int

    @property
    def scoring_timeout_seconds(self) -> float:
        """How long Triton may take, so that a fallback still reaches the gateway within the request's timeout."""
        margin = min(0.05, max(0.003, self.request_timeout_seconds / 10))
        return self.request_timeout_seconds - margin


def read_artifact_settings(env: Mapping[str, str]) -> ArtifactSettings:
    """The settings of the init container.

    Raises:
        SettingsError: names the variable, its value and what to set.
    """
    digest = _text(env, "RECSYS_ARTIFACT_DIGEST")
    if not _DIGEST.match(digest):
        raise SettingsError(f"RECSYS_ARTIFACT_DIGEST is {digest!r}; set it to sha256: and 64 hex digits")
    return ArtifactSettings(
        uri=_text(env, "RECSYS_ARTIFACT_URI"),
        digest=digest,
        models_dir=_models_dir(env),
        top_k=_integer(env, "RECSYS_TOP_K", "50", low=1, high=1000),
    )


def read_triton_settings(env: Mapping[str, str]) -> TritonSettings:
    """The settings of the supervisor."""
    return TritonSettings(
        models_dir=_models_dir(env),
        grpc_port=_integer(env, "RECSYS_TRITON_GRPC_PORT", "8001", low=1, high=65535),
        http_port=_integer(env, "RECSYS_TRITON_HTTP_PORT", "8000", low=1, high=65535),
        drain_seconds=_integer(env, "RECSYS_DRAIN_SECONDS", "5", low=0, high=3600),
        start_seconds=_integer(env, START_SECONDS_VARIABLE, str(START_SECONDS), low=1, high=LONGEST_START_SECONDS),
    )


def read_api_settings(env: Mapping[str, str]) -> ApiSettings:
    """The settings of the API container."""
    timeout = _integer(env, "RECSYS_REQUEST_TIMEOUT_MILLISECONDS", "1000", low=10, high=600_000)
    return ApiSettings(
        artifact=read_artifact_settings(env),
        triton=read_triton_settings(env),
        model=_text(env, "RECSYS_MODEL"),
        version=_text(env, "RECSYS_VERSION"),
        host=env.get("RECSYS_HOST", EVERYWHERE),
        port=_integer(env, "RECSYS_PORT", "8080", low=1, high=65535),
        bucket_key=_key(env, "RECSYS_BUCKET_KEY"),
        token_key=_key(env, "RECSYS_TOKEN_KEY"),
        request_timeout_seconds=timeout / 1000,
        max_in_flight=_integer(env, "RECSYS_MAX_IN_FLIGHT", "128", low=1, high=100_000),
    )


def _models_dir(env: Mapping[str, str]) -> Path:
    return Path(env.get("RECSYS_MODELS_DIR") or "/models")


def _text(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "")
    if not value:
        raise SettingsError(f"{name} is not set; the operator sets it in the pod's environment")
    return value


def _integer(env: Mapping[str, str], name: str, default: str, *, low: int, high: int) -> int:
    value = env.get(name) or default
    if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
        raise SettingsError(f"{name} is {value!r}; set it to a whole number from {low} to {high}")
    return int(value)


def _key(env: Mapping[str, str], name: str) -> bytes:
    try:
        key = bytes.fromhex(_text(env, name))
    except ValueError as error:
        raise SettingsError(f"{name} is not hexadecimal; set it to an even number of hex digits") from error
    if len(key) < _MIN_KEY_BYTES:
        raise SettingsError(f"{name} has {len(key)} bytes; set it to at least {_MIN_KEY_BYTES} bytes of hex")
    return key
