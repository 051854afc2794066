"""`spec.serving`: how a version is served."""

from pydantic import Field

from recsys_api.base import Contract
from recsys_api.spec.pods import PodTemplate, Resources


class Autoscaling(Contract):
    """A HorizontalPodAutoscaler for each version."""

    min_replicas: int = Field(1, ge=1, le=1000)
    """Fewest pods."""
    max_replicas: int = Field(..., ge=1, le=1000)
    """Most pods."""
    target_cpu_utilization_percent: int = Field(80, ge=1, le=100)
    """Mean CPU use, in percent of the request, that the autoscaler aims at."""


class Serving(Contract):
    """How a version is served."""

    replicas: int | None = Field(None, ge=1, le=1000)
    """Pods of a version at full weight; a candidate has its share. Default 1 where no autoscaling is set."""
    autoscaling: Autoscaling | None = None
    """Instead of replicas: one HorizontalPodAutoscaler for each version."""
    resources: Resources = Resources()
    """Of the Triton container; applies to later versions. requests.cpu = limits.cpu by default."""
    top_k: int = Field(50, ge=1, le=1000)
    """Most items that a request can ask for."""
    pod_template: PodTemplate = PodTemplate()
    """Merged into the serving pods of later versions."""
    ready_deadline_seconds: int = Field(600, ge=10, le=86400)
    """A candidate that is not ready after this long is Failed (NotReadyInTime)."""
