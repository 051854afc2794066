"""report.json: a published interface. It grows; its names stay."""

from pydantic import Field

from recsys_api.base import Observed
from recsys_api.run_spec import GateResult, MetricValue

Metrics = dict[str, MetricValue]


class MetricsBlock(Observed):
    """A block of metrics with its own population."""

    metrics: Metrics = Field(default_factory=dict)


class RetrievalReport(Observed):
    """How much of the full model the served path's retriever keeps."""

    candidates: int
    overlap_at_50: float = Field(alias="overlap@50")


class EvaluationReport(Observed):
    """What an evaluation found; `metrics` is the served path on warm test users."""

    format: str = "recsys.dev/report/v1"
    metrics: Metrics
    metrics_all_users: Metrics
    full_ranking: MetricsBlock
    cold: MetricsBlock
    baselines: dict[str, Metrics]
    """Per baseline (`popularity`, `recentPopularity`, `itemKNN`, `ease`, for ratings `ratingBias`), warm users."""
    baselines_all_users: dict[str, Metrics] = Field(default_factory=dict)
    baselines_left_out: dict[str, str] = Field(default_factory=dict)
    """Baselines that this data or this machine does not allow, and why."""
    gates: tuple[GateResult, ...] = ()
    retrieval: RetrievalReport
    data: dict[str, object] = Field(default_factory=dict)
    model: dict[str, object] = Field(default_factory=dict)
    training: dict[str, object] = Field(default_factory=dict)
    bootstrap_seed: int = 0
    seconds: float = 0.0
    """Of the training (fit)."""
    samples_per_second: float = 0.0
    evaluation_seconds: float = 0.0
