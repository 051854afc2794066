"""What `spec.data` needs and allows: a setting that its format or strategy would ignore is refused."""

from recsys_api import patterns
from recsys_api.rule_kinds import only
from recsys_api.rule_types import Rule, between, quote
from recsys_api.spec.data import DEFAULT_FRACTION, WITH_FRACTIONS, Columns, Data, Split

MAX_FRACTION_SUM = 0.9


def _something_to_train_on(split: Split) -> bool:
    """Test and validation leave interactions for training."""
    return sum(split.fractions) < MAX_FRACTION_SUM


def _both_durations(split: Split) -> bool:
    """One end of the validation part alone says nothing."""
    return (split.test_seconds is None) == (split.validation_seconds is None)


def _durations_or_shares(split: Split) -> bool:
    """The parts are cut in one way."""
    durations, shares = (split.test_seconds, split.validation_seconds), (split.test_fraction, split.validation_fraction)
    return durations == (None, None) or shares == (None, None)


def _order_has_timestamp(data: Data) -> bool:
    """Newest and last need times."""
    return data.split.strategy in ("Random", "Predefined") or data.columns.timestamp is not None


def _predefined_has_parts(split: Split) -> bool:
    """Parts are named where they are used, and only there."""
    return (split.strategy == "Predefined") == (split.predefined is not None)


def _parts_lie_below_source(data: Data) -> bool:
    """The parts are in the place that credentials and claims are for."""
    parts, folder = data.split.predefined, data.source.uri.removesuffix("/") + "/"
    return parts is None or all(uri.startswith(folder) for uri in (parts.train, parts.validation, parts.test))


def _lines_have_no_columns(data: Data) -> bool:
    """A format without column names has ids only, and perhaps a weight."""
    columns = data.columns
    named = (columns.timestamp, columns.user_group, columns.item_group)
    return data.source.format not in ("UserItem", "Adjacency") or named == (None, None, None)


def _adjacency_has_no_rating(data: Data) -> bool:
    """A list of items has no place for a number."""
    return data.source.format != "Adjacency" or data.columns.rating is None


def _columns_differ(columns: Columns) -> bool:
    """No column is both."""
    return columns.user != columns.item


def _times_have_a_column(columns: Columns) -> bool:
    """Times are neither users nor items."""
    return columns.timestamp is None or columns.timestamp not in (columns.user, columns.item)


def _ratings_have_a_column(columns: Columns) -> bool:
    """Ratings are none of what an interaction is."""
    return columns.rating is None or columns.rating not in (columns.user, columns.item, columns.timestamp)


def _only(field: str, strategies: tuple[str, ...]) -> Rule:
    """`spec.data.split.<field>` is absent with every other strategy."""
    return only("spec.data.split", "strategy", strategies, field)


def _cel_fraction(field: str) -> str:
    return f"(has(self.{field}) ? self.{field} : {DEFAULT_FRACTION})"


DATA_RULES: tuple[Rule, ...] = (
    Rule(
        ("spec.data.split",),
        f"{_cel_fraction('testFraction')} + {_cel_fraction('validationFraction')} < {MAX_FRACTION_SUM}",
        "testFraction + validationFraction must stay below 0.9, so that something is left to train on; lower one",
        _something_to_train_on,
    ),
    Rule(
        ("spec.data",),
        "self.split.strategy in ['Random', 'Predefined'] || has(self.columns.timestamp)",
        "columns.timestamp is needed by split.strategy Temporal (the default) and LeaveOneOut; name the column, or set "
        "split.strategy to Random",
        _order_has_timestamp,
        field="columns.timestamp",
    ),
    Rule(
        ("spec.data.split",),
        "(self.strategy == 'Predefined') == has(self.predefined)",
        "predefined and strategy Predefined belong together; set predefined: {train, validation, test}, or remove it "
        "and choose another strategy",
        _predefined_has_parts,
        field="predefined",
    ),
    Rule(
        ("spec.data",),
        "!has(self.split.predefined) || [self.split.predefined.train, self.split.predefined.validation, "
        "self.split.predefined.test].all(u, u.startsWith(self.source.uri.endsWith('/') ? self.source.uri : "
        "self.source.uri + '/'))",
        "split.predefined must lie below source.uri, where credentials and claims point; set source.uri to the folder "
        "that holds train, validation and test",
        _parts_lie_below_source,
        field="split.predefined",
    ),
    _only("testFraction", WITH_FRACTIONS),
    _only("validationFraction", WITH_FRACTIONS),
    _only("testSeconds", ("Temporal",)),
    _only("validationSeconds", ("Temporal",)),
    Rule(
        ("spec.data.split",),
        "has(self.testSeconds) == has(self.validationSeconds)",
        "testSeconds and validationSeconds belong together; set both, or remove both to cut by shares",
        _both_durations,
        field="validationSeconds",
    ),
    Rule(
        ("spec.data.split",),
        "!(has(self.testSeconds) || has(self.validationSeconds)) || "
        "!(has(self.testFraction) || has(self.validationFraction))",
        "testSeconds and validationSeconds exclude testFraction and validationFraction; remove the ones or the others",
        _durations_or_shares,
        field="testSeconds",
    ),
    _only("seed", ("Random",)),
    Rule(
        ("spec.data",),
        "!(self.source.format in ['UserItem', 'Adjacency']) || !(has(self.columns.timestamp) || "
        "has(self.columns.userGroup) || has(self.columns.itemGroup))",
        "columns.timestamp, userGroup and itemGroup need a format whose columns have names; remove them, or use "
        "Parquet, CSV or RecBole",
        _lines_have_no_columns,
        field="columns",
    ),
    Rule(
        ("spec.data",),
        "self.source.format != 'Adjacency' || !has(self.columns.rating)",
        "columns.rating has no place in lines of Adjacency; remove it, or use format UserItem with a weight",
        _adjacency_has_no_rating,
        field="columns.rating",
    ),
    Rule(
        ("spec.data.columns",),
        "self.user != self.item",
        "user and item name the same column; name two",
        _columns_differ,
        field="item",
    ),
    Rule(
        ("spec.data.columns",),
        "!has(self.timestamp) || !(self.timestamp in [self.user, self.item])",
        "timestamp names the column of the users or the items; name that of the times, or remove timestamp",
        _times_have_a_column,
        field="timestamp",
    ),
    Rule(
        ("spec.data.columns",),
        "!has(self.rating) || !(self.rating in [self.user, self.item] || "
        "(has(self.timestamp) && self.rating == self.timestamp))",
        "rating names the column of the users, the items or the times; name that of the ratings, or remove rating",
        _ratings_have_a_column,
        field="rating",
    ),
    Rule(
        ("spec.data.validation.maxNullFraction",),
        f"!self.matches({quote(patterns.DECIMAL)}) || double(self) <= 1.0",
        'maxNullFraction is above 1; write a share, as in "0.01" for 1 percent',
        between(0, 1),
    ),
)
"""In the order in which they are reported."""
