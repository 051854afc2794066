"""What the operator is told by its environment (the chart writes these variables)."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from recsys_api.listening import EVERYWHERE
from recsys_api.serving_pod import LONGEST_START_SECONDS, START_SECONDS, ImagePullPolicy
from recsys_operator.errors import SettingsError

__all__ = ["Settings", "read_settings"]

PREFIX = "RECSYS_"
Image = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^\S+$")]


class Settings(BaseModel):
    """One field for each RECSYS_ variable: `trainer_image` is RECSYS_TRAINER_IMAGE."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    trainer_image: Image
    """Image of every Job."""
    serving_image: Image
    """Image that a version entering Warming records; running versions keep theirs."""
    watch_namespaces: tuple[str, ...] = ()
    """Namespaces to serve, separated by commas; empty: all."""
    namespace: str = "recsys-system"
    """Where the Lease and the ConfigMap `recsys-operator` lie."""
    pod_name: str = "recsys-operator"
    """Holder of the Lease; a restarted container keeps it and acts at once."""
    gateway_namespaces: tuple[str, ...] = ("envoy-gateway-system",)
    """Where the proxy pods run, separated by commas."""
    gateway_selector: str = "app.kubernetes.io/managed-by=envoy-gateway,app.kubernetes.io/component=proxy"
    """Labels of the proxy pods whose statistics are read."""
    gateway_port: int = Field(19001, ge=0, le=65535)
    """Port of /stats/prometheus on the proxy pods; 0 switches the gateway's counters off."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    image_pull_policy: ImagePullPolicy = "IfNotPresent"
    metrics_port: int = Field(8080, ge=0, le=65535)
    """Port of /metrics, /healthz and /readyz; 0 takes a free one."""
    metrics_address: str = EVERYWHERE
    """Empty: every address of the pod, IPv4 and IPv6."""
    triton_start_seconds: int = Field(START_SECONDS, ge=1, le=LONGEST_START_SECONDS)
    """How long a tritonserver may take until it ranks; recorded by a version that enters Warming; running versions keep theirs."""
    workers: int = Field(4, ge=1, le=64)
    """Reconciles at the same time, one for each model."""
    lease_seconds: int = Field(8, ge=2, le=60)
    """After this long without a renewal another pod may take over."""
    relist_seconds: int = Field(300, ge=1, le=3600)
    """How often what the watch streams said is compared with lists of all kinds."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings of an environment.

    Raises:
        SettingsError: naming each variable, its value and what it must be.
    """
    given: dict[str, object] = {
        key.removeprefix(PREFIX).lower(): value.strip() for key, value in environment.items() if key.startswith(PREFIX)
    }
    for listed in ("watch_namespaces", "gateway_namespaces"):
        given[listed] = tuple(name for part in str(given.get(listed, "")).split(",") if (name := part.strip()))
    try:
        return Settings.model_validate({key: value for key, value in given.items() if value not in ("", ())})
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(part["loc"][0], part) for part in error.errors())) from None


def _sentence(field: object, part: Mapping[str, object]) -> str:
    name = f"{PREFIX}{str(field).upper()}"
    if part["type"] == "missing":
        return f"{name} is not set; set it to the image that the chart names"
    return f"{name}={part['input']!r}: {part['msg']}"
