"""`spec.data`: where the interactions lie, how they are checked and split."""

from typing import Literal

from pydantic import Field

from recsys_api.base import Contract
from recsys_api.field_types import ColumnName, Decimal, Uri
from recsys_api.spec.pods import SecretReference

WITH_FRACTIONS = ("Temporal", "Random")
"""Strategies that take shares of all interactions."""
DEFAULT_FRACTION = 0.1
"""Of test and of validation there."""


class DataSource(Contract):
    """Where the interactions lie."""

    uri: Uri
    """s3://, gs://, az:// or pvc://claim/path; a folder, one file, or a pattern with * as in s3://lake/day=*/. Names that
    begin with . or _ are left out where a pattern does not begin so too. The images read s3:// and pvc://; gs:// needs ones that have gcsfs too, az:// adlfs."""
    format: Literal["Parquet", "CSV", "RecBole", "UserItem", "Adjacency"] = "Parquet"
    """How the files are written. RecBole is the `.inter` text format (groups also from `.user` and `.item`). Without column names: UserItem has lines of
    `user item [weight]`, Adjacency has lines of `user item item …`; space or tab between."""
    credentials_secret_ref: SecretReference | None = None
    """Keys AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, AWS_REGION; default: the artifacts' Secret."""


class Columns(Contract):
    """Names of the columns in the source."""

    user: ColumnName = "user_id"
    """Users: strings or integers."""
    item: ColumnName = "item_id"
    """Items: strings or integers."""
    timestamp: ColumnName | None = None
    """When it happened: seconds since the epoch or a timestamp type. Needed by the Temporal split."""
    rating: ColumnName | None = None
    """How much the user liked it: numbers. Needed by ExplicitALS, BiasedMF and ProbabilisticMF; to the others every
    interaction counts as one, but ImplicitALS weighs by it where model.leastSquares.confidenceScale is set."""
    user_group: ColumnName | None = None
    """Group of the user, such as a country: the report shows quality by group. The last value in time counts. With format
    RecBole a column that `NAME.inter` lacks is looked up by the user's id in `NAME.user` beside it."""
    item_group: ColumnName | None = None
    """Group of the item, such as a provider: the report shows each group's share of what is recommended. With format
    RecBole a column that `NAME.inter` lacks is looked up in `NAME.item`; of several words (`token_seq`) the first counts."""


class PredefinedSplit(Contract):
    """Parts that are already apart, each a folder, file or pattern below `data.source.uri`, in its format."""

    train: Uri
    """What the model learns from."""
    validation: Uri
    """What chooses the epoch."""
    test: Uri
    """What judges."""


class Split(Contract):
    """How interactions become train, validation and test."""

    strategy: Literal["Temporal", "LeaveOneOut", "Random", "Predefined"] = "Temporal"
    """Temporal holds out the newest interactions, as production will meet them. Predefined takes the parts as they are."""
    predefined: PredefinedSplit | None = None
    """Of strategy Predefined: where the parts lie."""
    test_fraction: float | None = Field(None, gt=0, lt=0.5)
    """Of strategies Temporal and Random: share of all interactions, Temporal's newest ones, that is held out for the
    test. Default 0.1."""
    validation_fraction: float | None = Field(None, gt=0, lt=0.5)
    """Of strategies Temporal and Random: share of all interactions, Temporal's just before the test; early stopping sees
    these only. Default 0.1."""
    test_seconds: int | None = Field(None, ge=1, le=10**10)
    """Of strategy Temporal, instead of shares: the test is what happened in this time before the last interaction, as in
    604800 for a week."""
    validation_seconds: int | None = Field(None, ge=1, le=10**10)
    """Together with testSeconds: the time just before the test that is held out for validation."""
    seed: int | None = Field(None, ge=0, le=2**31 - 1)
    """Of strategy Random: draws the parts, and whatever else judges (users of `evaluation.maxUsers`, sampled negatives,
    resamples), whatever `training.seed` is, so that versions are judged alike. Default 0; other strategies judge by 0."""
    target: Literal["All", "First"] = "All"
    """Whether all held-out interactions of a user count as relevant or the first one only."""

    @property
    def judging_seed(self) -> int:
        """Draws the parts and what judges: the same for every training on the same data."""
        return self.seed or 0

    @property
    def fractions(self) -> tuple[float, float]:
        """Shares of test and validation, the default where none is given."""
        return self.test_fraction or DEFAULT_FRACTION, self.validation_fraction or DEFAULT_FRACTION


class DataValidation(Contract):
    """What must hold before a GPU is asked for."""

    min_interactions: int = Field(1000, ge=1, le=10**12)
    """Fewer interactions than this are refused: valid rows, without repeats of a user and item and what `data.filter` takes."""
    max_null_fraction: Decimal = "0"
    """Share of rows without a usable user, item, timestamp or rating that is quarantined; more is refused. The first
    10,000 such rows are listed in reports/quarantine.csv of the version, refused or not."""
    on_duplicates: Literal["KeepLast", "Refuse"] = "KeepLast"
    """What happens to a second row of the same user and item. KeepLast keeps the last one of the earliest part."""


class Filter(Contract):
    """What is left out of the training part, again and again until both hold (k-core). The test stays as it is."""

    min_user_interactions: int = Field(1, ge=1, le=10**6)
    """Users with fewer training interactions are not learned: the test counts them as cold."""
    min_item_interactions: int = Field(1, ge=1, le=10**6)
    """Items with fewer training interactions are not learned and never recommended."""


class Data(Contract):
    """The interactions that a model learns from."""

    source: DataSource
    columns: Columns = Columns()
    split: Split = Split()
    validation: DataValidation = DataValidation()
    filter: Filter = Filter()
