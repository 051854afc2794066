"""`spec.evaluation`: the offline judgement."""

from typing import Literal

from pydantic import Field

from recsys_api.base import Contract
from recsys_api.field_types import Decimal, Name


class MetricReference(Contract):
    """A metric at a cut-off."""

    name: Literal["NDCG", "Recall", "Precision", "HR", "MRR", "MAP"]
    """The metric."""
    k: Literal[5, 10, 20, 50, 100] = 10
    """How many of the first items count."""


class Gate(Contract):
    """A condition that a version must meet offline before it gets traffic. Exactly one of the limits."""

    name: Name
    """For status and events."""
    metric: MetricReference
    at_least: Decimal | None = None
    """Lowest value that passes, 0 to 1, in quotes. With fewer than 30 test users it is undecided."""
    max_regression_percent: Decimal | None = None
    """Largest loss against the serving version, judged by the paired bootstrap interval, in quotes."""
    population: Literal["Warm", "All"] = "Warm"
    """Warm: test users that the model has trained on. All: everybody, others through the popularity fallback."""


class Baselines(Contract):
    """Settings of the plain models that every report compares with."""

    popularity_half_life_seconds: int = Field(604800, ge=1, le=10**10)
    """Age at which an interaction counts half, in the popularity of late."""
    neighbours: int = Field(100, ge=1, le=100000)
    """ItemKNN: most similar items that each item keeps."""
    shrinkage: float = Field(100, ge=0, le=10**9)
    """ItemKNN: pulls similarities that rest on few users towards 0."""
    ease_regularization: float = Field(500, gt=0, le=10**9)
    """EASE: L2 penalty (lambda)."""


class Evaluation(Contract):
    """The offline judgement."""

    gates: tuple[Gate, ...] = Field((), max_length=16)
    """All must pass; without any, every trained version is rolled out."""
    on_undecided: Literal["Pass", "Hold", "Reject"] = "Hold"
    """What happens when the test users are too few to tell. Hold waits for a Promote action, for
    rollout.holdLimitSeconds, then rejects."""
    max_users: int | None = Field(None, ge=100, le=10**9)
    """Most test users who are asked, drawn at random by `data.split.seed`: the same for every training on the same
    data. Each is ranked over the whole catalogue: with millions of both that takes hours, while an interval over 20,000
    users is narrow. Default: everybody."""
    baselines: Baselines | None = None
    """Settings of the baselines in the report."""
