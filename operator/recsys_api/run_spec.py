"""What a Job is told, and what it answers: the interface between operator and trainer."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from recsys_api.base import Contract, Observed
from recsys_api.recommender_model import RecommenderModelSpec


class StableReference(Contract):
    """The serving version that a candidate is compared with."""

    name: str
    version_uri: str
    digest: str


class RunSpec(Contract):
    """The file behind RECSYS_RUN_FILE: everything that a Job of one version needs to know."""

    namespace: str
    model: str
    version: str
    version_uid: str
    number: int
    version_uri: str
    """Where snapshot/, artifact/ and reports/ of this version lie."""
    spec: RecommenderModelSpec
    evaluation_key: str = "h0"
    stable: StableReference | None = None


class MetricValue(Observed):
    """One metric with its 95 % bootstrap interval over `n` users."""

    value: float
    low: float
    high: float
    n: int


GateOutcome = Literal["Pass", "Fail", "Undecided", "NotComparable"]


class GateResult(Observed):
    """What one gate decided, with the sentence for status."""

    name: str
    outcome: GateOutcome
    message: str


class PrepareResult(Observed):
    """Termination message of the preparing Job."""

    kind: Literal["prepare"] = "prepare"
    digest: str = ""
    rows: int = 0
    users: int = 0
    items: int = 0
    quarantined: int = 0
    error: str = ""


class TrainResult(Observed):
    """Termination message of the training Job."""

    kind: Literal["train"] = "train"
    digest: str = ""
    samples_per_second: float = 0.0
    seconds: float = 0.0
    device: str = ""
    epochs: int = 0
    message: str = ""
    """Something worth a line in status, for example that no CUDA device was found."""
    error: str = ""


class EvaluateResult(Observed):
    """Termination message of the evaluating Job."""

    kind: Literal["evaluate"] = "evaluate"
    gates: tuple[GateResult, ...] = ()
    metrics: dict[str, MetricValue] = Field(default_factory=dict)
    """Warm users, served path; at most ndcg@10, recall@20, hr@10 to stay below 4,096 bytes."""
    baseline: dict[str, MetricValue] = Field(default_factory=dict)
    """Popularity, the same metrics."""
    cold_users: int = 0
    error: str = ""


JobResult = Annotated[PrepareResult | TrainResult | EvaluateResult, Field(discriminator="kind")]
_RESULT: TypeAdapter[PrepareResult | TrainResult | EvaluateResult] = TypeAdapter(JobResult)


def parse_job_result(text: str) -> PrepareResult | TrainResult | EvaluateResult | None:
    """The termination message as a result, or None where it is not one (truncated, empty, foreign)."""
    try:
        return _RESULT.validate_json(text)
    except ValueError:
        return None
