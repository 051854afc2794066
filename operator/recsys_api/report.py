"""report.json: a published interface. It grows; its names stay."""

from typing import Literal

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


class Figure(Observed):
    """A figure over `n` lists; an interval where it is a mean over them."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int


class CalibrationBin(Observed):
    """A hundredth of all unseen pairs."""

    predicted: float
    observed: float


class CalibrationReport(Observed):
    """Whether sigmoid(slope x log-odds + bias) is the chance that an unseen pair occurs in the validation window."""

    status: Literal["Calibrated", "NotCalibrated"] = "NotCalibrated"
    reason: str = ""
    """Why there is no calibration."""
    slope: float = 0.0
    bias: float = 0.0
    log_loss: float = 0.0
    base_log_loss: float = 0.0
    """Of saying the base rate of everything."""
    log_loss_gain: float = 0.0
    """Share of the base rate's loss that the model takes away."""
    ece: float = 0.0
    """Expected calibration error over `bins`."""
    bins: tuple[CalibrationBin, ...] = ()
    """The tenth of the pairs with the highest probabilities in ten equal parts, lowest first."""
    pairs: int = 0
    events: int = 0


class UserGroups(Observed):
    """Quality by `data.columns.userGroup`, warm users."""

    metrics: dict[str, Metrics] = Field(default_factory=dict)
    minimum_users: int = 30
    """Fewer cannot carry a bootstrap: such groups are in `metrics`, and do not count for gaps."""
    too_small: tuple[str, ...] = ()
    """Groups that do not count."""
    gaps: dict[str, float] = Field(default_factory=dict)
    """Best group's value less the worst one's; none where fewer than two groups count."""
    gaps_by_chance: dict[str, float] = Field(default_factory=dict)
    """What the gap would be below in 95 of 100 tests if all groups that count were equally good."""


class ExposureShare(Observed):
    """What a group of `data.columns.itemGroup` has, each 0 to 1."""

    lists: float
    """Of the places in the first ten."""
    exposure: float
    """The same, a place counting 1 / log2(1 + place)."""
    training: float
    catalogue: float


class SampledReport(Observed):
    """One test item among 99 sampled negatives (He et al. 2017), to compare with the literature. Nothing chooses by it."""

    protocol: str = "first test item among 99 sampled negatives; not for choosing models"
    metrics: Metrics = Field(default_factory=dict)
    popularity: Metrics = Field(default_factory=dict)


class PopularityPoint(Observed):
    """The `items` share of the catalogue that is most popular has these shares, each 0 to 1."""

    items: float
    training: float
    lists: float


class RatingUncertainty(Observed):
    """How sure ProbabilisticMF says it is of test ratings, against how far off it is."""

    deviation: float
    """Mean standard deviation of a rating around its prediction, as the model says."""
    within95: float
    """Share of the ratings within 1.96 of their own deviations: 0.95 where the model is right."""
    rmse_surer_half: float
    """Of the half with the smaller deviations,"""
    rmse_other_half: float
    """and of the other: larger where the model knows what it does not know."""
    n: int


class UnknownUsers(Observed):
    """Test users without a training interaction who did something between training and test: as in a request whose `seen`
    names it. Those without any are in `cold` alone."""

    behaviour: Literal["Popularity", "FoldIn"] = "Popularity"
    """How the artifact answers them."""
    metrics: Metrics = Field(default_factory=dict)
    baselines: dict[str, Metrics] = Field(default_factory=dict)
    """The same users; `itemKNN` and `ease` score by the same history."""
    ratings: Metrics = Field(default_factory=dict)
    """rmse and mae of what they rated in the test, told from what they rated before it, where the model predicts ratings."""
    ratings_baselines: dict[str, Metrics] = Field(default_factory=dict)
    """The same of the `mean` of the training."""


class ColdItems(Observed):
    """Test items without a training interaction. They are never returned, so nobody is hit by them."""

    items: int = 0
    interactions: int = 0
    """Test interactions with them,"""
    of_interactions: int = 0
    """of so many."""
    metrics_without: Metrics = Field(default_factory=dict)
    """Warm users, as if the others were all that they did in the test."""


class PairedDifference(Observed):
    """By how much the mean of one artifact is above another's over `n` users that both were asked about."""

    difference: float
    low: float
    high: float
    """Its 95 % interval, from a paired bootstrap."""
    n: int


class StableDifference(PairedDifference):
    """`value` less `stable`."""

    stable: float
    value: float
    """Of this version: on those users and interactions, so not what `metrics` says."""


class StableComparison(Observed):
    """This version beside the serving one, on test interactions later than both trainings, as gates see them."""

    status: Literal["Compared", "NotComparable", "NothingServes", "NotGiven"] = "NotComparable"
    """NotGiven: outside of a cluster, where nobody knows what serves unless --stable says it."""
    reason: str = ""
    """Why there is no comparison of warm users."""
    name: str = ""
    digest: str = ""
    metrics: dict[str, StableDifference] = Field(default_factory=dict)
    """Warm users, where there are 30."""
    metrics_all_users: dict[str, StableDifference] = Field(default_factory=dict)


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
    stable: StableComparison = StableComparison()
    retrieval: RetrievalReport
    data: dict[str, object] = Field(default_factory=dict)
    model: dict[str, object] = Field(default_factory=dict)
    training: dict[str, object] = Field(default_factory=dict)
    beyond_accuracy: dict[str, dict[str, Figure]] = Field(default_factory=dict)
    """`model` and `popularity`: coverage, gini, novelty, diversity and popularitylift at 10 and 20, warm users."""
    calibration: CalibrationReport = CalibrationReport()
    user_groups: UserGroups = UserGroups()
    item_groups: dict[str, ExposureShare] = Field(default_factory=dict)
    ratings: Metrics = Field(default_factory=dict)
    """rmse and mae over test interactions of trained users and items, where the model predicts ratings."""
    ratings_baselines: dict[str, Metrics] = Field(default_factory=dict)
    """The same interactions, by `ratingBias` and `mean`."""
    rating_uncertainty: RatingUncertainty | None = None
    """Of ProbabilisticMF."""
    unknown_users: UnknownUsers = UnknownUsers()
    cold_items: ColdItems = ColdItems()
    sampled_negatives: SampledReport = SampledReport()
    popularity_curve: tuple[PopularityPoint, ...] = ()
    bootstrap_seed: int = 0
    bootstrap_resamples: int = 2000
    seconds: float = 0.0
    """Of the training (fit)."""
    samples_per_second: float = 0.0
    evaluation_seconds: float = 0.0
