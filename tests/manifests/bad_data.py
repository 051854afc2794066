"""What is refused in `spec.data` and in where the artifacts lie."""

from tests.manifests.case import ABSENT, Case
from tests.manifests.fragments import parts

DATA_CASES = (
    Case(
        "unknown scheme",
        {"spec.data.source.uri": "ftp://lake/x"},
        (
            "spec.data.source.uri",
            '"ftp://lake/x" is not a supported URI',
            "use s3://, gs://, az:// or pvc://claim/path",
        ),
    ),
    Case(
        "data on this machine",
        {"spec.data.source.uri": "file:///data"},
        ("spec.data.source.uri", "file:// is for the CLI; use s3://, gs://, az:// or pvc://"),
        only_cluster=True,
    ),
    Case(
        "artifacts on this machine",
        {"spec.artifacts.uri": "file:///models"},
        ("spec.artifacts.uri", "file:// is for the CLI"),
        only_cluster=True,
    ),
    Case(
        "claim name in capitals",
        {"spec.data.source.uri": "pvc://Claim/x"},
        ("spec.data.source.uri", '"pvc://Claim/x" is not a supported URI'),
    ),
    Case(
        "unknown format",
        {"spec.data.source.format": "Avro"},
        ("spec.data.source.format", "Avro", "Parquet", "RecBole"),
    ),
    Case(
        "secret name",
        {"spec.artifacts.credentialsSecretRef.name": "S3 Secret"},
        ("spec.artifacts.credentialsSecretRef.name", '"S3 Secret" is not the name of an object', "as kubectl shows it"),
    ),
    Case(
        "temporal split without times",
        {"spec.data.columns.timestamp": ABSENT},
        ("spec.data.columns.timestamp", "name the column, or set split.strategy to Random"),
    ),
    Case(
        "the last of each user without times",
        {"spec.data.columns.timestamp": ABSENT, "spec.data.split.strategy": "LeaveOneOut"},
        ("spec.data.columns.timestamp", "Temporal (the default) and LeaveOneOut; name the column"),
    ),
    Case(
        "predefined without parts",
        {"spec.data.split.strategy": "Predefined"},
        ("spec.data.split.predefined", "set predefined: {train, validation, test}"),
    ),
    Case(
        "parts of another strategy",
        {"spec.data.split.predefined": parts("s3://lake/x/")},
        ("spec.data.split.predefined", "or remove it and choose another strategy"),
    ),
    Case(
        "parts elsewhere",
        {"spec.data.split": {"strategy": "Predefined", "predefined": parts("s3://lake/xy/")}},
        ("spec.data.split.predefined", "set source.uri to the folder that holds train"),
    ),
    Case(
        "parts above a folder that is written with two slashes",
        {
            "spec.data.source.uri": "s3://lake/x//",
            "spec.data.split": {"strategy": "Predefined", "predefined": parts("s3://lake/x/")},
        },
        ("spec.data.split.predefined", "set source.uri to the folder that holds train"),
    ),
    Case(
        "part missing",
        {"spec.data.split": {"strategy": "Predefined", "predefined": {"train": "s3://lake/x/train"}}},
        ("spec.data.split.predefined.test", "Required|missing; add it"),
    ),
    Case(
        "times in lines",
        {"spec.data.source.format": "UserItem"},
        ("spec.data.columns", "remove them, or use Parquet, CSV or RecBole"),
    ),
    Case(
        "weights in lists",
        {
            "spec.data.source.format": "Adjacency",
            "spec.data.columns": {"rating": "stars"},
            "spec.data.split.strategy": "Random",
        },
        ("spec.data.columns.rating", "or use format UserItem with a weight"),
    ),
    Case(
        "filter of nobody",
        {"spec.data.filter": {"minUserInteractions": 0}},
        ("spec.data.filter.minUserInteractions", "1"),
    ),
    Case(
        "one column for both",
        {"spec.data.columns.item": "user_id"},
        ("spec.data.columns.item", "user and item name the same column; name two"),
    ),
    *(
        Case(
            f"times in the column of {column}",
            {"spec.data.columns": {"item": "film", "timestamp": column}},
            ("spec.data.columns.timestamp", "timestamp names the column of the users or the items; name that of the"),
        )
        for column in ("user_id", "film")
    ),
    *(
        Case(
            f"ratings in the column of {column}",
            {"spec.data.columns": {"item": "film", "timestamp": "ts", "rating": column}},
            ("spec.data.columns.rating", "rating names the column of the users, the items or the times; name that of"),
        )
        for column in ("user_id", "film", "ts")
    ),
    Case(
        "nothing left to train on",
        {"spec.data.split": {"testFraction": 0.49, "validationFraction": 0.45}},
        ("spec.data.split", "testFraction + validationFraction must stay below 0.9"),
    ),
    *(
        Case(
            f"{field} of {split['strategy']}",
            {"spec.data.split": split | {field: 0.1}},
            (f"spec.data.split.{field}", f"{field} is for Temporal and Random only; remove {field}"),
        )
        for split in ({"strategy": "LeaveOneOut"}, {"strategy": "Predefined", "predefined": parts("s3://lake/x/")})
        for field in ("testFraction", "validationFraction")
    ),
    *(
        Case(
            f"{field} of {strategy}",
            {"spec.data.split": {"strategy": strategy, "testSeconds": 60, "validationSeconds": 60}},
            (f"spec.data.split.{field}", f"{field} is for Temporal only; remove {field}, or set strategy to Temporal"),
        )
        for strategy in ("LeaveOneOut", "Random")
        for field in ("testSeconds", "validationSeconds")
    ),
    *(
        Case(
            f"{field} alone",
            {f"spec.data.split.{field}": 60},
            ("spec.data.split", "testSeconds and validationSeconds belong together; set both"),
        )
        for field in ("testSeconds", "validationSeconds")
    ),
    Case(
        "durations and shares",
        {"spec.data.split": {"testSeconds": 60, "validationSeconds": 60, "validationFraction": 0.1}},
        ("spec.data.split.testSeconds", "exclude testFraction and validationFraction; remove the ones or the others"),
    ),
    Case("no time", {"spec.data.split": {"testSeconds": 0, "validationSeconds": 60}}, ("testSeconds", "1")),
    Case(
        "a seed where nothing is drawn",
        {"spec.data.split.seed": 1},
        ("spec.data.split.seed", "seed is for Random only; remove seed, or set strategy to Random"),
    ),
    Case("test is half", {"spec.data.split.testFraction": 0.5}, ("spec.data.split.testFraction", "less than")),
    Case(
        "null share above one",
        {"spec.data.validation.maxNullFraction": "1.5"},
        ("spec.data.validation.maxNullFraction", "maxNullFraction is above 1"),
    ),
    Case("no interactions", {"spec.data.validation.minInteractions": 0}, ("minInteractions", "0")),
)
