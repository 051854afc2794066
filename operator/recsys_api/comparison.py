"""What `recsys-trainer compare --json` writes."""

from pydantic import Field

from recsys_api.base import Observed
from recsys_api.report import PairedDifference


class ComparedFit(Observed):
    """An output folder of fit, or an artifact."""

    folder: str
    digest: str
    """Of its artifact."""
    architecture: str
    refit: str = "Never"
    """`training.refit`: which parts its weights were learned from."""


class FitDifference(PairedDifference):
    """`b` less `a`."""

    a: float
    b: float


class ComparisonReport(Observed):
    """Two fits on the test users that both were trained on."""

    format: str = "recsys.dev/comparison/v1"
    a: ComparedFit
    b: ComparedFit
    snapshot_digest: str
    """Of the data that both are asked about."""
    after_timestamp: int | None = None
    """Both are asked about test interactions later than this only, since they were not split from this data alike."""
    users: int
    metrics: dict[str, FitDifference] = Field(default_factory=dict)
    bootstrap_seed: int
    bootstrap_resamples: int
