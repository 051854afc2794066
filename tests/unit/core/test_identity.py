"""Golden identities: a change here retrains every model of every user. Add `h2:` instead."""

from collections.abc import Iterator

import pytest
from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from tests.unit.core.factories import SPEC, build_spec

from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.spec.evaluation import Evaluation
from recsys_operator.core import identity

GOLDEN = {
    "default": (SPEC, "h1:ec3feceb29406e79fe67f1d5afe4edd3369563f511776b79b6651fc861b93aa4"),
    "gmf": (build_spec(model={"architecture": "GMF"}), "h1:45a39890cec2d744a6b439ed7720948e04a32a259a34fa734dd723fcdfffa3ae"),
    "tuned": (
        build_spec(
            model={"embeddingDim": 64, "hiddenLayers": [256, 128], "dropout": 0.2},
            training={"epochs": 5, "seed": 7, "optimizer": {"learningRate": 0.01}, "refit": "TrainPlusValidation"},
        ),
        "h1:22f62c7046551a296c0d220ff899c26ed190dd338c953d36d8a91b6530ca3b25",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["Adam", "SGD", "RowWiseAdagrad"])
@pytest.mark.parametrize("rate", [0.001, 0.005, 0.05])
def test_a_number_that_the_trainer_chooses_by_itself_is_never_the_same_as_one_that_is_given(
    kind: str, rate: float
) -> None:
    """What it chooses depends on the family, the loss and the release."""
    free, given = ({"optimizer": {"type": kind, **chosen}} for chosen in ({}, {"learningRate": rate}))
    assert identity.spec_hash(build_spec(training=free)) != identity.spec_hash(build_spec(training=given))


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_the_hash_of_a_spec_is_what_it_always_was(name: str) -> None:
    spec, golden = GOLDEN[name]
    assert identity.spec_hash(spec) == golden


def test_the_projection_of_a_plain_spec_is_its_data_alone() -> None:
    assert identity.project(SPEC) == {"data.source.uri": "s3://lake/interactions/", "data.columns.timestamp": "ts"}


def test_the_name_is_ten_digits_of_hash_and_trigger() -> None:
    assert identity.version_name("movies", "h1:aa", "spec") == "movies-8ccebafe2c"
    assert identity.version_name("movies", "h1:aa", "action/1") != identity.version_name("movies", "h1:aa", "spec")


@pytest.mark.parametrize(
    "other",
    [
        build_spec(training={"gpusPerNode": 1, "nodes": 2, "schedule": "0 3 * * *", "deadlineSeconds": 60, "backoffLimit": 0}),
        build_spec(training={"checkpointSeconds": 30}),
        build_spec(training={"queueName": "team-a", "podTemplate": {"nodeSelector": {"gpu": "yes"}}}),
        build_spec(serving={"replicas": 9, "topK": 10}),
        build_spec(rollout={"bakeSeconds": 1, "paused": True}),
        build_spec(evaluation={"gates": [{"name": "a", "metric": {"name": "NDCG"}, "atLeast": "0.1"}]}),
        build_spec(suspend=True, historyLimit=3, deletionPolicy="Delete"),
        build_spec(artifacts={"credentialsSecretRef": {"name": "keys"}}),
        build_spec(model={"embeddingDim": 32, "hiddenLayers": [64, 32, 16], "dropout": 0.0}),
        build_spec(data={"source": {"uri": "s3://lake/interactions/", "credentialsSecretRef": {"name": "keys"}}}),
        build_spec(data={"validation": {"maxNullFraction": "0.00"}}),
        build_spec(training={"loss": {"type": "BCE"}}),
        build_spec(training={"optimizer": {"type": "Adam", "weightDecay": 0.0}}),
        build_spec(evaluation={"baselines": {"neighbours": 20}}),
        build_spec(data={"columns": {"timestamp": "ts", "userGroup": "country", "itemGroup": "genre"}}),
    ],
)  # fmt: skip
def test_what_does_not_change_the_weights_does_not_change_the_hash(other: object) -> None:
    assert identity.spec_hash(other) == identity.spec_hash(SPEC)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [
        build_spec(data={"source": {"uri": "s3://lake/other/"}}), build_spec(data={"split": {"testFraction": 0.2}}),
        build_spec(data={"split": {"strategy": "Random", "seed": 1}}),
        build_spec(data={"split": {"testSeconds": 60, "validationSeconds": 60}}),
        build_spec(data={"filter": {"minUserInteractions": 5}}), build_spec(data={"filter": {"minItemInteractions": 5}}),
        build_spec(model={"embeddingDim": 33}), build_spec(model={"architecture": "MLP"}),
        build_spec(training={"precision": "BFloat16"}), build_spec(training={"epochs": 21}), build_spec(training={"loss": {"negatives": 5}}),
        build_spec(training={"deterministic": False}), build_spec(training={"loss": {"type": "BPR"}}),
        build_spec(model={"batchNorm": True}), build_spec(model={"pretraining": {}}),
        build_spec(training={"optimizer": {"schedule": "Linear"}}), build_spec(training={"loss": {"negatives": 4}}),
        build_spec(model={"regularization": 0}), build_spec(model={"architecture": "MatrixFactorization", "similarity": "Dot"}),
    ],
)  # fmt: skip
def test_what_changes_the_weights_changes_the_hash(other: object) -> None:
    assert identity.spec_hash(other) != identity.spec_hash(SPEC)  # type: ignore[arg-type]


WITHOUT_WEIGHTS = {
    "data.source.credentialsSecretRef", "data.columns.userGroup", "data.columns.itemGroup",
    "training.nodes", "training.gpusPerNode", "training.tables", "training.compile", "training.resources", "training.podTemplate", "training.schedule",
    "training.deadlineSeconds", "training.backoffLimit", "training.checkpointSeconds", "training.queueName",
}  # fmt: skip
"""Where a training runs and when, who may read, and what a report tells apart."""


def settings(path: str, model: type[BaseModel]) -> Iterator[str]:
    """Paths of the fields that have no fields of their own, of those in `WITHOUT_WEIGHTS` the field itself."""
    for name, field in model.model_fields.items():
        at = f"{path}.{to_camel(name)}".lstrip(".")
        kinds = getattr(field.annotation, "__args__", None) or (field.annotation,)
        inner = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if not inner or at in WITHOUT_WEIGHTS or at in dict(identity.PROJECTION):
            yield at
        else:
            yield from settings(at, inner[0])


def test_a_setting_is_projected_or_known_to_leave_the_weights_alone() -> None:
    fields = RecommenderModelSpec.model_fields
    known = {
        path
        for part in ("data", "model", "training")
        for path in settings(part, fields[part].annotation)  # type: ignore[arg-type]
    }
    assert known == WITHOUT_WEIGHTS | set(dict(identity.PROJECTION))


MF = {"architecture": "MatrixFactorization"}
ALS = {"architecture": "ImplicitALS"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (build_spec(model=MF), build_spec(model=MF, training={"loss": {"type": "BCE"}})),
        (build_spec(model=MF), build_spec(model=MF, training={"loss": {"negatives": 4}})),
        (build_spec(training={"loss": {"type": "SampledSoftmax"}}), build_spec(training={"loss": {"type": "SampledSoftmax", "negatives": 4}})),
        (build_spec(model={"pretraining": {}}), build_spec(model={"pretraining": {"learningRate": 0.01}})),
        (build_spec(model=ALS), build_spec(model=ALS | {"regularization": 0.1})),
        (build_spec(model=ALS), build_spec(model=ALS | {"leastSquares": {"solver": "Cholesky"}})),
        (build_spec(model=ALS), build_spec(model=ALS | {"leastSquares": {"confidenceScale": 1}})),
    ],
)  # fmt: skip
def test_settings_of_a_family_change_its_hash(one: object, other: object) -> None:
    assert identity.spec_hash(one) != identity.spec_hash(other)  # type: ignore[arg-type]


def test_an_evaluation_is_known_by_its_gates_and_by_whom_it_compares_with() -> None:
    absolute = build_spec(
        evaluation={"gates": [{"name": "a", "metric": {"name": "NDCG"}, "atLeast": "0.1"}]}
    ).evaluation
    relative = build_spec(
        evaluation={"gates": [{"name": "a", "metric": {"name": "NDCG"}, "maxRegressionPercent": "2"}]}
    ).evaluation
    assert identity.evaluation_key(absolute, "v1") == identity.evaluation_key(absolute, "v2")
    assert identity.evaluation_key(relative, "v1") != identity.evaluation_key(relative, "v2")
    assert identity.same_gates(identity.evaluation_key(relative, "v1"), identity.evaluation_key(relative, "v2"))
    assert not identity.same_gates(identity.evaluation_key(relative, "v1"), identity.evaluation_key(absolute, "v1"))


FLOOR = {"name": "a", "metric": {"name": "NDCG"}, "atLeast": "0.1"}
GOLDEN_KEYS = (
    ({}, "2368fa0a"),
    ({"gates": [FLOOR]}, "8cdf16f0"),
    (
        {"gates": [FLOOR | {"metric": {"name": "HR", "k": 20}, "population": "All"}], "maxUsers": 500, "onUndecided": "Pass"},
        "12716f2b",
    ),
)  # fmt: skip
"""(`spec.evaluation`, key): a change here judges every version of every user again."""


@pytest.mark.parametrize(("evaluation", "key"), GOLDEN_KEYS, ids=[key for _, key in GOLDEN_KEYS])
def test_the_key_of_an_evaluation_is_what_it_always_was(evaluation: dict[str, object], key: str) -> None:
    assert identity.evaluation_key(build_spec(evaluation=evaluation).evaluation) == key


@pytest.mark.parametrize(
    "same",
    [
        {"gates": [FLOOR | {"metric": {"name": "NDCG", "k": 10}, "population": "Warm"}]},
        {"gates": [FLOOR | {"atLeast": "0.10"}]},
        {"gates": [FLOOR], "onUndecided": "Hold", "baselines": {}},
        {"gates": [FLOOR], "baselines": {"neighbours": 100, "shrinkage": 100, "easeRegularization": 500}},
    ],
)
def test_a_default_that_is_written_out_is_the_same_evaluation(same: dict[str, object]) -> None:
    one, other = (build_spec(evaluation=each).evaluation for each in ({"gates": [FLOOR]}, same))
    assert identity.evaluation_key(one) == identity.evaluation_key(other)


@pytest.mark.parametrize(
    "other",
    [
        {"gates": [FLOOR | {"metric": {"name": "NDCG", "k": 20}}]},
        {"gates": [FLOOR | {"atLeast": "0.2"}]},
        {"gates": [FLOOR], "onUndecided": "Pass"},
        {"gates": [FLOOR], "maxUsers": 100},
        {"gates": [FLOOR], "baselines": {"neighbours": 20}},
        {"gates": [FLOOR, FLOOR | {"name": "b"}]},
    ],
)
def test_what_judges_otherwise_is_another_evaluation(other: dict[str, object]) -> None:
    one, changed = (build_spec(evaluation=each).evaluation for each in ({"gates": [FLOOR]}, other))
    assert identity.evaluation_key(one) != identity.evaluation_key(changed)


def test_every_setting_of_what_judges_is_in_its_projection() -> None:
    """A field that is added and forgotten here would change what a gate says, and nothing would be judged again."""
    gate = {f"gates.{path}" for path, _ in identity.GATE}
    assert set(settings("", Evaluation)) == gate | set(dict(identity.EVALUATION))
