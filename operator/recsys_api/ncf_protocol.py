"""ncf-protocol.json: the sampled protocol of the NCF paper, apart from report.json because nothing may be decided by it."""

from typing import Literal

from pydantic import Field

from recsys_api.base import Observed
from recsys_api.report import Metrics


class LeftOut(Observed):
    """Test users who were not asked."""

    reason: Literal["NoTraining", "UnknownItem", "TooFewNegatives"]
    message: str
    """The reason for a person."""
    users: int


class NcfProtocolReport(Observed):
    """Each user's first test item among 99 sampled negatives: an anchor to the literature."""

    format: str = "recsys.dev/ncf-protocol/v1"
    protocol: str = "the first test item of each user among sampled items that the user never touched"
    paper: str = "He et al. 2017, Neural Collaborative Filtering, WWW"
    caution: str = (
        "Metrics over sampled negatives rank models wrongly (Krichene and Rendle 2020, On Sampled Metrics for Item "
        "Recommendation, KDD): these figures choose nothing, and no gate can name them."
    )
    negatives: int
    """Beside the test item, drawn evenly and with replacement."""
    ties: str = "a negative is ahead only where its score is strictly higher (>)"
    seed: int
    """Of the negatives and of the intervals."""
    test_users: int
    """Those who were asked and those who were left out."""
    users: int
    """Asked."""
    left_out: tuple[LeftOut, ...] = ()
    metrics: Metrics = Field(default_factory=dict)
    """hr@10 and ndcg@10; nothing where nobody was asked."""
    baselines: dict[str, Metrics] = Field(default_factory=dict)
    """Those of report.json, on the same users and negatives."""
    baselines_left_out: dict[str, str] = Field(default_factory=dict)
