"""What a version *is*: the hash of the fields that determine its weights, and the name that follows from it.

The projection is written down here, field by field, with the default that each had when it was introduced: a field at
that default, or not set, is left out. So neither a new field nor a changed default of the API gives a running model another hash,
and an operator upgraded over a hundred models starts no Job. Golden hashes are a test; change them never, add `h2:`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.spec.evaluation import Evaluation
from recsys_api.spec.model import WITH_LAYERS
from recsys_api.spec.rollout import Rollout

PREFIX = "h1:"
NAME_DIGITS = 10

REQUIRED = object()
"""In the projection: the field has no default and is always there."""

PROJECTION: tuple[tuple[str, Any], ...] = (
    ("data.source.uri", REQUIRED),
    ("data.source.format", "Parquet"),
    ("data.columns.user", "user_id"),
    ("data.columns.item", "item_id"),
    ("data.columns.timestamp", None),
    ("data.columns.rating", None),
    ("data.split.strategy", "Temporal"),
    ("data.split.testFraction", 0.1),
    ("data.split.validationFraction", 0.1),
    ("data.split.testSeconds", None),
    ("data.split.validationSeconds", None),
    ("data.split.seed", 0),
    ("data.split.target", "All"),
    ("data.split.predefined", None),
    ("data.validation.minInteractions", 1000),
    ("data.validation.maxNullFraction", "0"),
    ("data.validation.onDuplicates", "KeepLast"),
    ("data.filter.minUserInteractions", 1),
    ("data.filter.minItemInteractions", 1),
    ("model.architecture", "NeuMF"),
    ("model.embeddingDim", 32),
    ("model.mlpEmbeddingDim", None),
    ("model.hiddenLayers", [64, 32, 16]),
    ("model.similarity", None),
    ("model.dropout", 0.0),
    ("model.batchNorm", False),
    ("model.pretraining.epochs", None),
    ("model.pretraining.alpha", None),
    ("model.pretraining.learningRate", None),
    ("model.regularization", None),
    ("model.leastSquares.unobservedWeight", None),
    ("model.leastSquares.confidenceScale", None),
    ("model.leastSquares.frequencyExponent", None),
    ("model.leastSquares.solver", None),
    ("model.probabilistic.sigma", 0.9),
    ("model.probabilistic.sigmaUser", 0.3),
    ("model.probabilistic.sigmaItem", 0.3),
    ("training.loss.type", "BCE"),
    ("training.loss.negatives", None),
    ("training.loss.sampling", None),
    ("training.loss.temperature", None),
    ("training.loss.margin", None),
    ("training.loss.negativeWeight", None),
    ("training.optimizer.type", "Adam"),
    ("training.optimizer.learningRate", None),
    ("training.optimizer.schedule", None),
    ("training.optimizer.weightDecay", 0.0),
    ("training.epochs", 20),
    ("training.patience", 3),
    ("training.batchSize", 4096),
    ("training.precision", "Float32"),
    ("training.seed", 0),
    ("training.deterministic", True),
    ("training.refit", "Never"),
)  # fmt: skip
EVALUATION: tuple[tuple[str, Any], ...] = (
    ("onUndecided", "Hold"),
    ("maxUsers", None),
    ("baselines.popularityHalfLifeSeconds", 604800),
    ("baselines.neighbours", 100),
    ("baselines.shrinkage", 100.0),
    ("baselines.easeRegularization", 500.0),
)  # fmt: skip
"""Of `spec.evaluation`, by the same rule: a new release judges no version again whose manifest is the same."""
GATE: tuple[tuple[str, Any], ...] = (
    ("name", REQUIRED),
    ("metric.name", REQUIRED),
    ("metric.k", 10),
    ("atLeast", None),
    ("maxRegressionPercent", None),
    ("population", "Warm"),
)
"""Of each of its gates."""
DECIMALS = frozenset({"data.validation.maxNullFraction", "atLeast", "maxRegressionPercent"})


def project(spec: RecommenderModelSpec) -> dict[str, Any]:
    """The fields that determine the weights, by path, without those at their default of introduction."""
    document = spec.model_dump(mode="json", by_alias=True, include={"data", "model", "training"})
    return _projected(document, [(path, _default(path, default, document)) for path, default in PROJECTION])


def project_evaluation(evaluation: Evaluation) -> dict[str, Any]:
    """The same of what judges: gates in their order, and settings that are not at their default of introduction."""
    document = evaluation.model_dump(mode="json", by_alias=True)
    return _projected(document, EVALUATION) | {"gates": [_projected(gate, GATE) for gate in document["gates"]]}


def spec_hash(spec: RecommenderModelSpec) -> str:
    """`h1:` and the SHA-256 of the projection as canonical JSON."""
    return PREFIX + _sha256(project(spec))


def without_operational(rollout: Rollout) -> Rollout:
    """What of `spec.rollout` is for good: the other fields are of a day, and in no record."""
    return rollout.model_copy(update={"pinned_version": None, "paused": None, "traffic": None})


def version_name(model: str, hashed: str, trigger: str) -> str:
    """`<model>-<first 10 hex of the sha256 of hash and trigger>`."""
    digest = hashlib.sha256(f"{hashed}\n{trigger}".encode()).hexdigest()
    return f"{model}-{digest[:NAME_DIGITS]}"


def evaluation_key(evaluation: Evaluation, stable: str = "") -> str:
    """Key of one evaluation: 8 hex of what judges; 4 more of the stable version where a gate compares with it."""
    gates = _sha256(project_evaluation(evaluation))[:8]
    compares = any(gate.max_regression_percent is not None for gate in evaluation.gates)
    return gates + (hashlib.sha256(stable.encode()).hexdigest()[:4] if compares and stable else "")


def same_gates(key: str, other: str) -> bool:
    """Whether two keys are of the same gates, whatever they were compared with."""
    return key[:8] == other[:8]


def template_revision(template: Mapping[str, Any]) -> str:
    """Name of a serving template: 10 hex of its content."""
    return _sha256(template)[:NAME_DIGITS]


def _projected(document: Mapping[str, Any], projection: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Values by path, without absent ones and those at the projection's default."""
    found: dict[str, Any] = {}
    for path, default in projection:
        value = _canonical(path, _at(document, path))
        if default is REQUIRED or (value is not None and value != default):
            found[path] = value
    return found


def _at(document: Mapping[str, Any], path: str) -> Any:
    value: Any = document
    for part in path.split("."):
        value = None if value is None else value[part]
    return value


def _default(path: str, default: Any, document: Mapping[str, Any]) -> Any:
    """The default of introduction where it hangs on another field."""
    architecture = document["model"]["architecture"]
    if path == "model.hiddenLayers" and architecture not in WITH_LAYERS:
        return []
    if path == "training.loss.type" and architecture == "MatrixFactorization":
        return None
    return default


def _canonical(path: str, value: Any) -> Any:
    if path in DECIMALS and value is not None:
        return format(Decimal(value).normalize(), "f")
    return value


def _sha256(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
