"""What several parts of a spec say about pods and their Secrets."""

from typing import Annotated, Literal

from pydantic import Field

from recsys_api.base import Contract
from recsys_api.field_types import LabelKey, LabelValue, LongText, ObjectName, Quantities, TaintKey


class SecretReference(Contract):
    """A Secret in the namespace of the model."""

    name: ObjectName
    """Name of the Secret."""


class Toleration(Contract):
    """A taint that the pods tolerate."""

    key: TaintKey | None = None
    """Taint key; empty means every taint."""
    operator: Literal["Exists", "Equal"] | None = None
    """Default Equal."""
    value: LabelValue | None = None
    """Taint value; empty under Exists."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect to tolerate; absent means every effect."""
    toleration_seconds: int | None = Field(None, ge=-(2**31), le=2**31 - 1)
    """How long a pod stays after a NoExecute taint, below 0 as 0; absent means for ever."""


class PodTemplate(Contract):
    """What is merged into the pods of a Job or of a version."""

    metadata: dict[str, Annotated[dict[LabelKey, LongText], Field(max_length=64)]] = Field(
        default_factory=dict, max_length=2
    )
    """`labels` and `annotations` of the pods. The model's own labels are never copied: this is the way to set some."""
    node_selector: dict[LabelKey, LabelValue] = Field(default_factory=dict, max_length=32)
    """Labels that a node must have."""
    tolerations: tuple[Toleration, ...] = Field((), max_length=32)
    """Taints that the pods tolerate."""
    priority_class_name: ObjectName | None = None
    """Name of a PriorityClass."""
    image_pull_secrets: tuple[SecretReference, ...] = Field((), max_length=16)
    """Secrets for pulling the images."""
    service_account_name: ObjectName | None = None
    """ServiceAccount of the pods; they need no Kubernetes permissions, but your storage may know them by it."""


class Resources(Contract):
    """Kubernetes resource requests and limits."""

    requests: Quantities = Field(default_factory=dict)
    """What is reserved on a node, as in {cpu: 2, memory: 4Gi}."""
    limits: Quantities = Field(default_factory=dict)
    """What is never exceeded, as in {memory: 4Gi}."""
