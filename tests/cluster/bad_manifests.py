"""Manifests that must be refused: a change to a good one, and what the API server has to say about it.

Each message must name the field and the way out; the table is also run against the CLI's reader (tests/unit/api).
"""

import copy
from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]
ABSENT = object()
"""As a value: take the field away."""


def good_model() -> Manifest:
    """A RecommenderModel that is accepted; small, because every test sends one."""
    return {
        "apiVersion": "recsys.dev/v1alpha1",
        "kind": "RecommenderModel",
        "metadata": {"name": "admission", "namespace": "default"},
        "spec": {
            "data": {"source": {"uri": "s3://lake/x/"}, "columns": {"timestamp": "ts"}},
            "artifacts": {"uri": "s3://models/", "credentialsSecretRef": {"name": "s3"}},
            "model": {"architecture": "NeuMF", "hiddenLayers": [32, 16]},
            "training": {"resources": {"requests": {"cpu": "500m"}}, "podTemplate": {"nodeSelector": {"disk": "ssd"}}},
            "evaluation": {"gates": [{"name": "floor", "metric": {"name": "NDCG"}, "atLeast": "0.05"}]},
            "serving": {"replicas": 2},
            "rollout": {
                "gateway": {"name": "public", "namespace": "infra", "pathPrefix": "/movies"},
                "steps": [{"name": "first", "weight": 5}, {"name": "all", "weight": 100}],
                "slos": [{"name": "fast", "sli": _latency(50), "objectivePercent": "99"}],
            },
        },
    }


def good_action() -> Manifest:
    """A ModelAction that is accepted."""
    return {
        "apiVersion": "recsys.dev/v1alpha1",
        "kind": "ModelAction",
        "metadata": {"name": "admission", "namespace": "default"},
        "spec": {"modelName": "movies", "verb": "Rollback"},
    }


def good_version() -> Manifest:
    """A ModelVersion that is accepted."""
    return {
        "apiVersion": "recsys.dev/v1alpha1",
        "kind": "ModelVersion",
        "metadata": {"name": "admission-0123456789", "namespace": "default"},
        "spec": {
            "modelName": "admission",
            "number": 1,
            "specHash": "h1:00",
            "trigger": "spec",
            "artifactsUri": "s3://models/default/admission",
            "source": good_model()["spec"],
        },
    }


def _latency(threshold: int) -> Manifest:
    return {"type": "Latency", "thresholdMilliseconds": threshold}


def _als(**settings: Any) -> Manifest:
    return {"architecture": "ImplicitALS", **settings}


def _mf() -> Manifest:
    return {"architecture": "MatrixFactorization"}


def _parts(folder: str) -> Manifest:
    return {part: f"{folder}{part}/" for part in ("train", "validation", "test")}


@dataclass(frozen=True)
class Case:
    """A change, and words that the refusal must hold."""

    name: str
    changes: dict[str, Any]
    """{path: value}; `gates.0` is the first element of a list."""
    expected: tuple[str, ...]
    only_cluster: bool = False
    """The CLI accepts it, or never sees it."""

    def apply(self, manifest: Manifest) -> Manifest:
        """The manifest with the changes."""
        result = copy.deepcopy(manifest)
        for path, value in self.changes.items():
            change(result, path, value)
        return result


def change(manifest: Any, path: str, value: Any) -> None:
    """Set (or take away) what a path names, making objects on the way."""
    *parents, last = [int(part) if part.isdigit() else part for part in path.replace("\\.", "\0").split(".")]
    for part in parents:
        manifest = manifest[part] if isinstance(part, int) else manifest.setdefault(part, {})
    last = last.replace("\0", ".") if isinstance(last, str) else last
    if value is ABSENT:
        del manifest[last]
    elif isinstance(manifest, list) and last == len(manifest):
        manifest.append(value)
    else:
        manifest[last] = value


_STEPS = "spec.rollout.steps"
_GATE = "spec.evaluation.gates.0"
_SLO = "spec.rollout.slos.0"
_TRAIN_META = "spec.training.podTemplate.metadata"

MODEL_CASES = (
    Case(
        "name too long",
        {"metadata.name": "m" * 41},
        ("metadata.name", "use 1 to 40 lowercase|use 40 characters or fewer"),
    ),
    Case("name starts with a digit", {"metadata.name": "3d"}, ("metadata.name", "a letter first")),
    Case("no data", {"spec.data": ABSENT}, ("spec.data", "Required|missing; add it")),
    Case("no artifacts", {"spec.artifacts": ABSENT}, ("spec.artifacts", "Required|missing; add it")),
    Case("no gateway", {"spec.rollout.gateway": ABSENT}, ("spec.rollout.gateway", "Required|missing; add it")),
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
    Case("hostPath", {"spec.training.podTemplate.volumes": [{"hostPath": {"path": "/"}}]}, ("podTemplate.volumes",)),
    Case("privileges", {"spec.serving.podTemplate.securityContext": {"privileged": True}}, ("securityContext",)),
    Case("unknown field", {"spec.rollout.stepps": []}, ("spec.rollout.stepps",)),
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
        {"spec.data.split.predefined": _parts("s3://lake/x/")},
        ("spec.data.split.predefined", "or remove it and choose another strategy"),
    ),
    Case(
        "parts elsewhere",
        {"spec.data.split": {"strategy": "Predefined", "predefined": _parts("s3://lake/xy/")}},
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
    Case(
        "nothing left to train on",
        {"spec.data.split": {"testFraction": 0.49, "validationFraction": 0.45}},
        ("spec.data.split", "testFraction + validationFraction must stay below 0.9"),
    ),
    Case("test is half", {"spec.data.split.testFraction": 0.5}, ("spec.data.split.testFraction", "less than")),
    Case(
        "null share above one",
        {"spec.data.validation.maxNullFraction": "1.5"},
        ("spec.data.validation.maxNullFraction", "maxNullFraction is above 1"),
    ),
    Case("no interactions", {"spec.data.validation.minInteractions": 0}, ("minInteractions", "0")),
    Case(
        "GMF with layers",
        {"spec.model.architecture": "GMF"},
        ("spec.model.hiddenLayers", "hiddenLayers must be absent", "remove hiddenLayers, or use MLP or NeuMF"),
    ),
    Case(
        "NeuMF without layers",
        {"spec.model.hiddenLayers": []},
        ("spec.model.hiddenLayers", "hiddenLayers is empty", "write widths"),
    ),
    Case(
        "PureSVD with layers",
        {"spec.model.architecture": "PureSVD"},
        ("spec.model.hiddenLayers", "only MLP and NeuMF have layers", "remove hiddenLayers"),
    ),
    Case(
        "PureSVD with dropout",
        {"spec.model": {"architecture": "PureSVD", "dropout": 0.1}},
        ("spec.model.dropout", "dropout is for GMF, MLP, NeuMF and MatrixFactorization only", "remove dropout"),
    ),
    Case(
        "GMF with batch norm",
        {"spec.model": {"architecture": "GMF", "batchNorm": True}},
        ("spec.model.batchNorm", "batchNorm is for MLP and NeuMF only", "remove batchNorm"),
    ),
    Case(
        "MLP with pre-training",
        {"spec.model": {"architecture": "MLP", "pretraining": {"epochs": 5}}},
        ("spec.model.pretraining", "pretraining is for NeuMF only", "set architecture to NeuMF"),
    ),
    Case(
        "GMF with regularization",
        {"spec.model": {"architecture": "GMF", "regularization": 0.1}},
        ("spec.model.regularization", "ImplicitALS, ExplicitALS, NMF and BiasedMF only", "remove regularization"),
    ),
    Case(
        "no regularization",
        {"spec.model": _als(regularization=0)},
        ("spec.model.regularization", "greater than 0|use more than 0"),
    ),
    Case(
        "PureSVD on two nodes",
        {"spec.model": {"architecture": "PureSVD"}, "spec.training.nodes": 2},
        ("spec.training.nodes", "training.nodes above 1 is for GMF, MLP, NeuMF", "set nodes: 1"),
    ),
    Case(
        "NMF with least squares",
        {"spec.model": {"architecture": "NMF", "leastSquares": {"solver": "Cholesky"}}},
        ("spec.model.leastSquares", "ImplicitALS, ExplicitALS and ProbabilisticMF only", "remove leastSquares"),
    ),
    Case(
        "unknown solver",
        {"spec.model": _als(leastSquares={"solver": "QR"})},
        ("spec.model.leastSquares.solver", "QR", "Cholesky"),
    ),
    Case(
        "sigmas of no Gaussian",
        {"spec.model": _als(probabilistic={"sigma": 1})},
        (
            "spec.model.probabilistic",
            "probabilistic is for ProbabilisticMF only",
            "set architecture to ProbabilisticMF",
        ),
    ),
    Case(
        "ratings and unobserved pairs",
        {
            "spec.data.columns.rating": "rating",
            "spec.model": {"architecture": "ExplicitALS", "leastSquares": {"unobservedWeight": 0.1}},
        },
        ("spec.model.leastSquares.unobservedWeight", "ImplicitALS only", "remove unobservedWeight"),
    ),
    Case(
        "sigmas and an exponent",
        {
            "spec.data.columns.rating": "rating",
            "spec.model": {"architecture": "ProbabilisticMF", "leastSquares": {"frequencyExponent": 1}},
        },
        ("spec.model.leastSquares.frequencyExponent", "follows from its sigmas", "remove frequencyExponent"),
    ),
    Case(
        "empty loss of a family without",
        {"spec.model": _als(), "spec.training.loss": {}},
        ("spec.training.loss", "training.loss is for GMF, MLP, NeuMF and MatrixFactorization only"),
    ),
    Case(
        "a loss for least squares",
        {"spec.model": _als(), "spec.training.loss.type": "BPR"},
        (
            "spec.training.loss",
            "training.loss is for GMF, MLP, NeuMF and MatrixFactorization only",
            "remove training.loss",
        ),
    ),
    Case(
        "an optimizer for least squares",
        {"spec.model": _als(), "spec.training.optimizer.learningRate": 0.1},
        ("spec.training.optimizer", "MatrixFactorization and BiasedMF only", "remove training.optimizer"),
    ),
    Case(
        "cosines of a network",
        {"spec.training.loss.type": "CosineContrastive"},
        ("spec.training.loss.type", "need a dot product", "MatrixFactorization, or use BCE, BPR or SampledSoftmax"),
    ),
    Case(
        "negatives of the whole catalogue",
        {"spec.model": _mf(), "spec.training.loss": {"type": "CrossEntropy", "negatives": 4}},
        ("spec.training.loss.negatives", "SampledSoftmax and CosineContrastive only", "remove negatives"),
    ),
    Case(
        "popular negatives for BCE",
        {"spec.training.loss.sampling": "Popularity"},
        ("spec.training.loss.sampling", "sampling is for SampledSoftmax only", "change training.loss.type"),
    ),
    Case(
        "temperature of BPR",
        {"spec.training.loss": {"type": "BPR", "temperature": 0.1}},
        ("spec.training.loss.temperature", "SampledSoftmax and CrossEntropy only", "remove temperature"),
    ),
    Case(
        "margin of a softmax",
        {"spec.model": _mf(), "spec.training.loss.margin": 0.5},
        ("spec.training.loss.margin", "CosineContrastive only", "remove margin"),
    ),
    Case(
        "negative weight of BCE",
        {"spec.training.loss.negativeWeight": 10},
        ("spec.training.loss.negativeWeight", "CosineContrastive only", "remove negativeWeight"),
    ),
    Case(
        "ratings without a column",
        {"spec.model": {"architecture": "BiasedMF"}},
        (
            "spec.data.columns.rating",
            "rating is needed by ExplicitALS, BiasedMF and ProbabilisticMF",
            "name the column",
        ),
    ),
    Case("unknown architecture", {"spec.model.architecture": "SVD"}, ("spec.model.architecture", "SVD", "NeuMF")),
    Case("too wide a layer", {"spec.model.hiddenLayers": [99999]}, ("spec.model.hiddenLayers[0]", "16384")),
    Case("dropout of all", {"spec.model.dropout": 1}, ("spec.model.dropout", "less than")),
    Case("no negatives", {"spec.training.loss.negatives": 0}, ("spec.training.loss.negatives", "1")),
    Case("epochs as text", {"spec.training.epochs": "20"}, ("spec.training.epochs", "integer")),
    Case(
        "schedule with names",
        {"spec.training.schedule": "0 3 * * MON"},
        ("spec.training.schedule", '"0 3 * * MON" is not a schedule', 'as in "0 3 * * 1-5"'),
    ),
    Case(
        "window without a length",
        {"spec.rollout.windows": [{"name": "freeze", "schedule": "0 16 * * 5"}]},
        ("spec.rollout.windows", "seconds", "Required|missing; add it"),
    ),
    Case(
        "window of a year",
        {"spec.rollout.windows": [{"name": "freeze", "schedule": "0 16 * * 5", "seconds": 31536000}]},
        ("spec.rollout.windows", "2678400"),
    ),
    Case(
        "window at a time that is none",
        {"spec.rollout.windows": [{"name": "freeze", "schedule": "friday", "seconds": 3600}]},
        ("spec.rollout.windows", '"friday" is not a schedule'),
    ),
    Case("schedule of four fields", {"spec.training.schedule": "0 3 * *"}, ("spec.training.schedule", "write minute")),
    Case("hour 24", {"spec.training.schedule": "0 24 * * *"}, ("spec.training.schedule", '"0 24 * * *"')),
    Case("deadline of one second", {"spec.training.deadlineSeconds": 1}, ("spec.training.deadlineSeconds", "30")),
    Case("too many nodes", {"spec.training.nodes": 65}, ("spec.training.nodes", "64")),
    Case(
        "refit on what is compared",
        {
            "spec.training.refit": "All",
            _GATE: {"name": "x", "metric": {"name": "NDCG"}, "maxRegressionPercent": "2"},
        },
        ("spec.training.refit", "use refit TrainPlusValidation, or atLeast in the gates"),
    ),
    Case(
        "not a quantity",
        {"spec.training.resources.requests.memory": "4 GB"},
        ("spec.training.resources.requests", "an amount is not a quantity", "memory: 4Gi"),
    ),
    Case(
        "a negative quantity",
        {"spec.serving.resources": {"limits": {"cpu": -1}}},
        ("spec.serving.resources.limits", "not negative"),
    ),
    Case(
        "no CPU",
        {"spec.serving.resources": {"requests": {"cpu": "0"}}},
        ("spec.serving.resources.requests", "cpu is 0", "request some"),
    ),
    Case(
        "unknown resource",
        {"spec.training.resources.limits": {"mem": "1Gi"}},
        ("spec.training.resources.limits", "a resource is not known", "use cpu, memory"),
    ),
    Case(
        "a name for pods",
        {_TRAIN_META: {"name": {"x": "y"}}},
        ("spec.training.podTemplate.metadata", "labels and annotations only; remove the rest"),
    ),
    Case(
        "a label of ours",
        {_TRAIN_META: {"labels": {"recsys.dev/model": "x"}}},
        ("spec.training.podTemplate.metadata", "a key under recsys.dev/", "remove it"),
    ),
    Case(
        "managed-by",
        {"spec.serving.podTemplate.metadata": {"annotations": {"app.kubernetes.io/managed-by": "x"}}},
        ("spec.serving.podTemplate.metadata", "app.kubernetes.io/managed-by", "remove it"),
    ),
    Case(
        "a label value with spaces",
        {_TRAIN_META: {"labels": {"team": "my team"}}},
        ("spec.training.podTemplate.metadata", "use at most 63 letters, digits"),
    ),
    Case(
        "toleration of an unknown effect",
        {"spec.training.podTemplate.tolerations": [{"key": "x", "effect": "Never"}]},
        ("spec.training.podTemplate.tolerations[0].effect", "NoSchedule"),
        only_cluster=True,
    ),
    Case("gate without a limit", {f"{_GATE}.atLeast": ABSENT}, ("spec.evaluation.gates[0]", "exactly one limit")),
    Case(
        "gate with two limits",
        {f"{_GATE}.maxRegressionPercent": "2"},
        ("spec.evaluation.gates[0]", "set atLeast or maxRegressionPercent, not both and not none"),
    ),
    Case(
        "limit above one",
        {f"{_GATE}.atLeast": "5"},
        ("spec.evaluation.gates[0].atLeast", "atLeast is above 1", 'as in "0.05"'),
    ),
    Case(
        "limit as a word",
        {f"{_GATE}.atLeast": "high"},
        ("spec.evaluation.gates[0].atLeast", '"high" is not a decimal number', 'as in "0.05"'),
    ),
    Case("limit without quotes", {f"{_GATE}.atLeast": 0.05}, ("spec.evaluation.gates[0].atLeast", "string|quotes")),
    Case(
        "regression above all",
        {f"{_GATE}.atLeast": ABSENT, f"{_GATE}.maxRegressionPercent": "200"},
        ("spec.evaluation.gates[0].maxRegressionPercent", "is above 100"),
    ),
    Case("metric at 7", {f"{_GATE}.metric.k": 7}, ("spec.evaluation.gates[0].metric.k", "10")),
    Case(
        "two gates of one name",
        {"spec.evaluation.gates.1": good_model()["spec"]["evaluation"]["gates"][0]},
        ("spec.evaluation.gates", "Duplicate|name of its own"),
    ),
    Case(
        "replicas and autoscaling",
        {"spec.serving.autoscaling": {"maxReplicas": 5}},
        ("spec.serving", "replicas and autoscaling exclude each other; remove one of them"),
    ),
    Case(
        "autoscaling range upside down",
        {"spec.serving": {"autoscaling": {"minReplicas": 5, "maxReplicas": 2}}},
        ("spec.serving.autoscaling.maxReplicas", "raise maxReplicas or lower minReplicas"),
    ),
    Case("no replicas", {"spec.serving.replicas": 0}, ("spec.serving.replicas", "1")),
    Case(
        "path without slash", {"spec.rollout.gateway.pathPrefix": "movies"}, ("pathPrefix", '"movies"', "start with /")
    ),
    Case("host with scheme", {"spec.rollout.gateway.hostname": "https://x"}, ("hostname", "without port or scheme")),
    Case(
        "weights fall",
        {_STEPS: [{"name": "a", "weight": 50}, {"name": "b", "weight": 5}, {"name": "c", "weight": 100}]},
        ("spec.rollout.steps", "weight must rise from step to step; sort the steps"),
    ),
    Case(
        "weights repeat",
        {_STEPS: [{"name": "a", "weight": 100}, {"name": "b", "weight": 100}]},
        ("spec.rollout.steps", "give each a weight of its own"),
    ),
    Case(
        "last step is not all",
        {_STEPS: [{"name": "a", "weight": 5}]},
        ("spec.rollout.steps", "the last step's weight must be 100; add a step with weight: 100"),
    ),
    Case("no steps", {_STEPS: []}, ("spec.rollout.steps", "1")),
    Case("weight of 101", {f"{_STEPS}.1.weight": 101}, ("spec.rollout.steps[1].weight", "100")),
    Case("no samples", {f"{_STEPS}.0.minSamples": 0}, ("spec.rollout.steps[0].minSamples", "1")),
    Case("two steps of one name", {f"{_STEPS}.1.name": "first"}, ("spec.rollout.steps", "Duplicate|name of its own")),
    Case(
        "step name in capitals",
        {f"{_STEPS}.0.name": "First"},
        ("spec.rollout.steps[0].name", '"First" is not a name', "lowercase"),
    ),
    Case(
        "latency without threshold",
        {f"{_SLO}.sli": {"type": "Latency"}},
        ("spec.rollout.slos[0].sli.thresholdMilliseconds", "Latency needs thresholdMilliseconds; add it"),
    ),
    Case(
        "availability with threshold",
        {f"{_SLO}.sli.type": "Availability"},
        ("spec.rollout.slos[0].sli.thresholdMilliseconds", "is for Latency only; remove it"),
    ),
    Case("threshold between bounds", {f"{_SLO}.sli": _latency(60)}, ("thresholdMilliseconds", "60", "50", "75")),
    Case(
        "objective of all",
        {f"{_SLO}.objectivePercent": "100"},
        ("spec.rollout.slos[0].objectivePercent", 'below 100, because nothing is good always; write "99.9"'),
    ),
    Case("objective of nothing", {f"{_SLO}.objectivePercent": "0"}, ("objectivePercent", "must be above 0")),
    Case("tolerance below one", {f"{_SLO}.tolerance": "0.5"}, ("spec.rollout.slos[0].tolerance", 'write "1" or more')),
    Case(
        "loose fallback objective",
        {_SLO: {"name": "model", "sli": {"type": "Fallback"}, "objectivePercent": "90"}},
        ("spec.rollout.slos[0].objectivePercent", 'can only be tightened; write "99.5" or more'),
    ),
    Case(
        "empty pin",
        {"spec.rollout.pinnedVersion": ""},
        ("spec.rollout.pinnedVersion", "write a version's name or digest, or remove the field|1 characters or more"),
    ),
    Case("unknown policy", {"spec.rollout.onUndecided": "Ignore"}, ("spec.rollout.onUndecided", "Advance", "Rollback")),
    Case("history of one", {"spec.historyLimit": 1}, ("spec.historyLimit", "2")),
)

ACTION_CASES = (
    Case("unknown verb", {"spec.verb": "Restart"}, ("spec.verb", "Restart", "Rollback", "Promote")),
    *(
        Case(f"{verb} of nothing", {"spec.verb": verb}, ("spec.version", "add the name of a ModelVersion"))
        for verb in ("Promote", "Retry", "Pin")
    ),
    Case("no model", {"spec.modelName": ABSENT}, ("spec.modelName", "Required")),
)

VERSION_CASES = (
    Case("number 0", {"spec.number": 0}, ("spec.number", "1")),
    Case("no hash", {"spec.specHash": ABSENT}, ("spec.specHash", "Required")),
)

UPDATE_CASES = (
    (good_model, Case("artifacts move", {"spec.artifacts.uri": "s3://other/"}, ("spec.artifacts.uri", "is immutable"))),
    (good_action, Case("another verb", {"spec.verb": "Abort"}, ("spec", "is immutable", "create another ModelAction"))),
    (good_version, Case("another number", {"spec.number": 2}, ("spec", "is immutable", "change the RecommenderModel"))),
)
"""(how the object is, what is changed afterwards)."""

ACCEPTED_CASES = (
    Case("name of 40 characters", {"metadata.name": "m" * 40}, ()),
    Case("a claim", {"spec.data.source.uri": "pvc://claim/folder/x.parquet", "spec.artifacts.uri": "pvc://claim"}, ()),
    Case("other stores", {"spec.data.source.uri": "gs://bucket/x", "spec.artifacts.uri": "az://container/x"}, ()),
    Case("random split without times", {"spec.data.columns": {}, "spec.data.split.strategy": "Random"}, ()),
    Case(
        "lines in parts",
        {
            "spec.data.source": {"uri": "s3://lake/x", "format": "UserItem"},
            "spec.data.columns": {"rating": "weight"},
            "spec.data.split": {"strategy": "Predefined", "predefined": _parts("s3://lake/x/")},
            "spec.data.filter": {"minUserInteractions": 5, "minItemInteractions": 5},
        },
        (),
    ),
    Case("groups", {"spec.data.columns.userGroup": "country", "spec.data.columns.itemGroup": "genre"}, ()),
    Case("a pattern", {"spec.data.source.uri": "s3://lake/day=2026-*/part-?.parquet"}, ()),
    Case("largest parts", {"spec.data.split": {"testFraction": 0.45, "validationFraction": 0.44}}, ()),
    Case("GMF", {"spec.model": {"architecture": "GMF"}}, ()),
    Case("GMF that says it has no layers", {"spec.model": {"architecture": "GMF", "hiddenLayers": []}}, ()),
    Case("MLP with default layers", {"spec.model": {"architecture": "MLP"}}, ()),
    Case("batch norm and pre-training", {"spec.model.batchNorm": True, "spec.model.pretraining": {"alpha": 0.3}}, ()),
    Case("ImplicitALS", {"spec.model": _als(leastSquares={"unobservedWeight": 0.3, "solver": "Cholesky"})}, ()),
    Case("PureSVD", {"spec.model": {"architecture": "PureSVD"}}, ()),
    Case(
        "factorization with a loss of its own",
        {"spec.model": _mf(), "spec.training.loss": {"type": "CosineContrastive", "margin": 0.4, "negativeWeight": 64}},
        (),
    ),
    Case("factorization with the default loss", {"spec.model": _mf(), "spec.training.loss.sampling": "Popularity"}, ()),
    Case(
        "ratings",
        {
            "spec.data.columns.rating": "stars",
            "spec.model": {"architecture": "ProbabilisticMF", "probabilistic": {"sigma": 0.8}},
        },
        (),
    ),
    Case("schedule with lists and steps", {"spec.training.schedule": "*/15 3-5,22 1,15 * 0-6/2"}, ()),
    Case("refit on everything with absolute gates", {"spec.training.refit": "All"}, ()),
    Case("amounts", {"spec.training.resources.requests": {"cpu": 2, "memory": "1.5Gi", "nvidia.com/gpu": "1"}}, ()),
    Case("amounts in other units", {"spec.serving.resources": {"limits": {"cpu": "1e1", "memory": 2000000000}}}, ()),
    Case(
        "labels and annotations of pods",
        {_TRAIN_META: {"labels": {"team": "ml", "x.dev/y": ""}, "annotations": {"note": "any text at all"}}},
        (),
    ),
    Case("limits at the ends", {f"{_GATE}.atLeast": "1", "spec.data.validation.maxNullFraction": "1"}, ()),
    Case("no gates", {"spec.evaluation": {}}, ()),
    Case("autoscaling", {"spec.serving": {"autoscaling": {"minReplicas": 3, "maxReplicas": 3}}}, ()),
    Case("one step", {_STEPS: [{"name": "all", "weight": 100}]}, ()),
    Case("default steps", {_STEPS: ABSENT}, ()),
    Case("strictest objective", {f"{_SLO}.objectivePercent": "99.999999999", f"{_SLO}.tolerance": "1"}, ()),
    Case(
        "tight fallback objective",
        {_SLO: {"name": "model", "sli": {"type": "Fallback"}, "objectivePercent": "99.5"}},
        (),
    ),
    Case("pin", {"spec.rollout.pinnedVersion": "movies-0123456789", "spec.rollout.paused": True}, ()),
    Case("wildcard host and root path", {"spec.rollout.gateway": {"name": "p", "hostname": "*.example.com"}}, ()),
)
"""The nearest good ones: a rule that refuses too much is as wrong as one that is missing."""
