"""RecommenderModel: the one resource that people write. Docstrings here are what `kubectl explain` prints."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from recsys_api import patterns
from recsys_api.base import Contract
from recsys_api.field_types import (
    ColumnName,
    Decimal,
    LabelName,
    LongText,
    Name,
    ObjectName,
    Quantities,
    ShortText,
    Toleration,
    Uri,
)


class SecretReference(Contract):
    """A Secret in the namespace of the model."""

    name: ObjectName
    """Name of the Secret."""


class DataSource(Contract):
    """Where the interactions lie."""

    uri: Uri
    """s3://, gs://, az:// or pvc://claim/path; a folder, one file, or a pattern with * as in s3://lake/day=*/."""
    format: Literal["Parquet", "CSV", "RecBole", "UserItem", "Adjacency"] = "Parquet"
    """How the files are written. RecBole is the `.inter` text format. Without column names: UserItem has lines of
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
    interaction counts as one."""
    user_group: ColumnName | None = None
    """Group of the user, such as a country: the report shows quality by group. The last value in time counts."""
    item_group: ColumnName | None = None
    """Group of the item, such as a provider: the report shows each group's share of what is recommended."""


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
    test_fraction: float = Field(0.1, gt=0, lt=0.5)
    """Share of all interactions, the newest ones, that is held out for the test."""
    validation_fraction: float = Field(0.1, gt=0, lt=0.5)
    """Share of all interactions just before the test; early stopping sees these only."""
    target: Literal["All", "First"] = "All"
    """Whether all held-out interactions of a user count as relevant or the first one only."""


class DataValidation(Contract):
    """What must hold before a GPU is asked for."""

    min_interactions: int = Field(1000, ge=1, le=10**12)
    """Fewer valid rows than this are refused."""
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


class Artifacts(Contract):
    """Where snapshots, models and reports are kept."""

    uri: Uri
    """Folder that this model writes below, in `<namespace>/<model>/`. Immutable."""
    credentials_secret_ref: SecretReference | None = None
    """Keys AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, AWS_REGION."""


Architecture = Literal[
    "GMF",
    "MLP",
    "NeuMF",
    "MatrixFactorization",
    "ImplicitALS",
    "PureSVD",
    "NMF",
    "ExplicitALS",
    "BiasedMF",
    "ProbabilisticMF",
]
WITH_LAYERS = ("MLP", "NeuMF")
WITH_LOSS = ("GMF", "MLP", "NeuMF", "MatrixFactorization")
"""Families whose `training.loss` can be chosen; the others define theirs."""
WITH_STEPS = (*WITH_LOSS, "BiasedMF")
"""Families that are trained in optimizer steps."""
WITH_RATINGS = ("ExplicitALS", "BiasedMF", "ProbabilisticMF")
WITH_REGULARIZATION = ("MatrixFactorization", "ImplicitALS", "ExplicitALS", "NMF", "BiasedMF")
WITH_LEAST_SQUARES = ("ImplicitALS", "ExplicitALS", "ProbabilisticMF")


def default_hidden_layers(model: dict[str, Any]) -> tuple[int, ...]:
    """Layers of a model that names none: only two families have some."""
    return (64, 32, 16) if model.get("architecture") in WITH_LAYERS else ()


class LeastSquares(Contract):
    """How each user's and each item's linear system is weighed and solved."""

    unobserved_weight: float | None = Field(None, gt=0, le=1)
    """ImplicitALS: weight of a pair that did not happen against one that did (alpha0). Default 0.1."""
    frequency_exponent: float | None = Field(None, ge=0, le=1)
    """How much more those with much data are regularized (nu): 0 all the same, 1 in proportion. Default 1."""
    solver: Literal["BlockCoordinate", "ConjugateGradient", "Cholesky"] | None = None
    """Cholesky is exact; the others improve on the last sweep's factors, in less time for many factors. All reach the
    same answer. Default ConjugateGradient for ImplicitALS, Cholesky for ratings."""


class Probabilistic(Contract):
    """Standard deviations of the Gaussian model, in units of a rating."""

    sigma: float = Field(0.9, gt=0, le=1000)
    """Of a rating around its prediction."""
    sigma_user: float = Field(0.3, gt=0, le=1000)
    """Of each factor of a user around 0."""
    sigma_item: float = Field(0.3, gt=0, le=1000)
    """Of each factor of an item around 0."""


class Pretraining(Contract):
    """GMF and MLP are trained first, each alone, and NeuMF starts from both (He et al. 2017, section 3.4.1)."""

    epochs: int = Field(20, ge=1, le=10000)
    """Most passes over the data for each of the two; the best by validation is kept."""
    alpha: float = Field(0.5, ge=0, le=1)
    """Weight of GMF in the joined output; MLP has the rest."""


class Model(Contract):
    """The model family and its settings."""

    architecture: Architecture = "NeuMF"
    """Neural Collaborative Filtering (He et al. 2017): GMF, MLP, and NeuMF, which joins both. Dot products:
    MatrixFactorization with a loss of your choice, ImplicitALS, PureSVD and NMF from interactions; ExplicitALS,
    BiasedMF and ProbabilisticMF from ratings."""
    embedding_dim: int = Field(32, ge=1, le=4096)
    """Factors of each user and item; in MLP and NeuMF also the width of each embedding of the MLP branch."""
    hidden_layers: tuple[Annotated[int, Field(ge=1, le=16384)], ...] = Field(
        default_factory=default_hidden_layers, max_length=16
    )
    """Widths of the MLP branch's layers, first to last. Default [64, 32, 16] for MLP and NeuMF; no other has any."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of each hidden layer, or of a user's factors, that a training step ignores."""
    batch_norm: bool = False
    """Normalize each hidden layer over the batch while training; folded into the weights at export."""
    pretraining: Pretraining | None = None
    """NeuMF: train its two branches first."""
    regularization: float | None = Field(None, gt=0, le=10**6)
    """L2 penalty of ImplicitALS (default 0.01), ExplicitALS (0.05), NMF (0.01), BiasedMF (0.02) and MatrixFactorization
    (none): there a user's and an item's factors are penalized once for each of their interactions."""
    least_squares: LeastSquares | None = None
    """ImplicitALS, ExplicitALS and ProbabilisticMF."""
    probabilistic: Probabilistic | None = None
    """ProbabilisticMF."""


class Loss(Contract):
    """What training minimizes, in GMF, MLP, NeuMF and MatrixFactorization; the other families define theirs."""

    type: Literal["BCE", "BPR", "SampledSoftmax", "CosineContrastive", "CrossEntropy"] | None = None
    """BCE: binary cross-entropy over positives and negatives. BPR: each positive above its negatives. SampledSoftmax:
    the positive among negatives that the batch shares, corrected for how often each is drawn. MatrixFactorization only:
    CosineContrastive (SimpleX) and CrossEntropy over the whole catalogue. Default BCE; MatrixFactorization
    SampledSoftmax."""
    negatives: int | None = Field(None, ge=1, le=100000)
    """Drawn for each positive (default 4, CosineContrastive 64), or for each batch (SampledSoftmax, default 512; InBatch
    at most so many of the batch's items, default all that fit memory); never a training positive of that user."""
    sampling: Literal["Uniform", "Popularity", "InBatch"] | None = None
    """SampledSoftmax: whether items are drawn alike, in proportion to their training interactions, or are those of the
    batch's other positives. Default Uniform."""
    temperature: float | None = Field(None, gt=0, le=1000)
    """SampledSoftmax and CrossEntropy: what scores are divided by. Default 1."""
    margin: float | None = Field(None, ge=-1, le=1)
    """CosineContrastive: negatives below this cosine cost nothing. Default 0.4."""
    negative_weight: float | None = Field(None, gt=0, le=10**6)
    """CosineContrastive: weight of the negatives' mean against the positive. Default 64."""


class Optimizer(Contract):
    """How training minimizes it, in families that are trained in steps."""

    type: Literal["Adam", "SGD", "RowWiseAdagrad"] | None = None
    """The algorithm. Default Adam. RowWiseAdagrad is for large tables of users and items: a step costs what its batch
    touches, and the state is one number for each row. Layers get plain Adagrad with it."""
    learning_rate: float | None = Field(None, gt=0, le=10)
    """Step size. Default 0.001, with RowWiseAdagrad 0.05."""
    schedule: Literal["Constant", "Linear"] | None = None
    """How the step size goes on: Linear makes it smaller with each epoch, towards 0 after the last. Default Constant."""
    weight_decay: float | None = Field(None, ge=0, le=1)
    """L2 penalty on all weights, with RowWiseAdagrad on those that a step touches. Default 0."""


class PodTemplate(Contract):
    """What is merged into the pods of a Job or of a version."""

    metadata: dict[str, Annotated[dict[str, LongText], Field(max_length=64)]] = Field(
        default_factory=dict, max_length=2
    )
    """`labels` and `annotations` of the pods. The model's own labels are never copied: this is the way to set some."""
    node_selector: dict[str, ShortText] = Field(default_factory=dict, max_length=32)
    """Labels that a node must have."""
    tolerations: tuple[Toleration, ...] = Field((), max_length=32)
    """Taints that the pods tolerate."""
    priority_class_name: ObjectName | None = None
    """Name of a PriorityClass."""
    image_pull_secrets: tuple[SecretReference, ...] = Field((), max_length=16)
    """Secrets for pulling the images."""
    service_account_name: ObjectName | None = None
    """ServiceAccount of the pods; they need no Kubernetes permissions, but your storage may know them by it."""


class Resources(Contract):
    """Kubernetes resource requests and limits."""

    requests: Quantities = Field(default_factory=dict)
    """What is reserved on a node, as in {cpu: 2, memory: 4Gi}."""
    limits: Quantities = Field(default_factory=dict)
    """What is never exceeded, as in {memory: 4Gi}."""


class Training(Contract):
    """How the weights are made."""

    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()
    epochs: int = Field(20, ge=1, le=10000)
    """Most passes over the data; one is all that PureSVD needs."""
    patience: int = Field(3, ge=1, le=1000)
    """Epochs without a better validation NDCG@10 (ExplicitALS, BiasedMF, ProbabilisticMF: RMSE) after which training
    stops and the best weights are kept."""
    batch_size: int = Field(4096, ge=1, le=2**24)
    """Examples of one optimizer step; negatives count where each positive has its own."""
    seed: int = Field(0, ge=0, le=2**31 - 1)
    """Same seed, data and machine type give the same weights."""
    deterministic: bool = True
    """Bitwise repeatable, at some cost in speed."""
    refit: Literal["Never", "TrainPlusValidation", "All"] = "Never"
    """Data that the served weights learn from after the gates have judged; what is served was then not itself gated."""
    nodes: int = Field(1, ge=1, le=64)
    """Pods of the training Job: each takes its share of every batch. Above 1 for families that are trained in steps."""
    gpus_per_node: int = Field(0, ge=0, le=16)
    """GPUs (nvidia.com/gpu) of each pod; 0 trains on the CPU."""
    resources: Resources = Resources()
    """Of the training pods, GPUs apart."""
    pod_template: PodTemplate = PodTemplate()
    """Merged into the pods of the preparing, training and evaluating Jobs."""
    schedule: Annotated[str, StringConstraints(pattern=patterns.CRON, max_length=100)] | None = None
    """Trains anew at these times (cron, UTC), as in "0 3 * * *"; new data that equals the old costs no training."""
    deadline_seconds: int = Field(7200, ge=30, le=2592000)
    """For each of the version's Jobs."""
    backoff_limit: int = Field(3, ge=0, le=20)
    """Attempts after failures that are not the manifest's or the data's fault."""
    checkpoint_seconds: int = Field(600, ge=1, le=86400)
    """Training in steps saves its state this often, and on SIGTERM, and goes on from there when it is started again.
    No part of what a version is; families that are not trained in steps ignore it."""
    queue_name: ObjectName | None = None
    """LocalQueue of Kueue that admits the Jobs."""


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
    """Lowest value that passes, 0 to 1, in quotes."""
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
    """What happens when the test users are too few to tell. Hold waits for a Promote action, then rejects."""
    baselines: Baselines | None = None
    """Settings of the baselines in the report."""


class Autoscaling(Contract):
    """A HorizontalPodAutoscaler for each version."""

    min_replicas: int = Field(1, ge=1, le=1000)
    """Fewest pods."""
    max_replicas: int = Field(..., ge=1, le=1000)
    """Most pods."""
    target_cpu_utilization_percent: int = Field(80, ge=1, le=100)
    """Mean CPU use, in percent of the request, that the autoscaler aims at."""


class Serving(Contract):
    """How a version is served."""

    replicas: int | None = Field(None, ge=1, le=1000)
    """Pods of a version at full weight; a candidate has its share. Default 1 where no autoscaling is set."""
    autoscaling: Autoscaling | None = None
    """Instead of replicas: one HorizontalPodAutoscaler for each version."""
    resources: Resources = Resources()
    """Of the Triton container; applies to later versions. requests.cpu = limits.cpu by default."""
    top_k: int = Field(50, ge=1, le=1000)
    """Most items that a request can ask for."""
    pod_template: PodTemplate = PodTemplate()
    """Merged into the serving pods of later versions."""
    ready_deadline_seconds: int = Field(600, ge=10, le=86400)
    """A candidate that is not ready after this long is Failed (NotReadyInTime)."""


class GatewayReference(Contract):
    """The Gateway that traffic comes through."""

    name: ObjectName
    """Name of the Gateway."""
    namespace: LabelName | None = None
    """Its namespace; default: the model's. The Gateway's listener must allow routes from the model's namespace."""
    section_name: ObjectName | None = None
    """Listener of the Gateway; default: all that fit."""
    hostname: Annotated[str, StringConstraints(pattern=patterns.HOSTNAME, max_length=253)] | None = None
    """Host that the route answers for; default: the listener's."""
    path_prefix: Annotated[str, StringConstraints(pattern=patterns.PATH_PREFIX, max_length=256)] = "/"
    """Path that the route answers under, as in /movies."""
    request_timeout_milliseconds: int = Field(1000, ge=10, le=600000)
    """After this the gateway answers 504, and the request counts as bad."""


class Stickiness(Contract):
    """How a user stays with a version."""

    type: Literal["UserBucket", "None"] = "UserBucket"
    """UserBucket: callers send the user's bucket, and the candidate gets whole buckets."""
    header: Literal["x-recsys-bucket"] = "x-recsys-bucket"
    """Header that carries the bucket, 0000 to 9999."""
    without_bucket: Literal["Weighted", "Stable"] = "Weighted"
    """Where requests without the header go: by weight at random, or always to stable."""


class Step(Contract):
    """One step of a rollout."""

    name: Name
    """For status and events."""
    weight: int = Field(..., ge=1, le=100)
    """Percent of the users that the candidate answers."""
    min_samples: int = Field(100, ge=1, le=10**9)
    """Requests that the candidate must have answered before the step can be left."""
    max_seconds: int = Field(600, ge=5, le=604800)
    """When there is neither Pass nor Fail after this long, onUndecided decides."""
    approval: Literal["NotRequired", "Required"] = "NotRequired"
    """Required: an Approve action must come before the next step."""


class ServiceLevelIndicator(Contract):
    """What is counted as a bad event."""

    type: Literal["Availability", "Latency", "Fallback"]
    """Availability: 5xx, resets and timeouts at the gateway are bad. Latency: answers of the model above the threshold.
    Fallback: answers that did not come from the model though they should have."""
    threshold_milliseconds: (
        Literal[1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 250, 300, 400, 500, 750, 1000, 2000, 5000]
        | None
    ) = None
    """One of the published bucket bounds; Latency only."""


class ServiceLevelObjective(Contract):
    """A share of good events that a candidate must keep."""

    name: Name
    """For status and events."""
    sli: ServiceLevelIndicator
    objective_percent: Decimal
    """Share of good events, above 0 and below 100, in quotes, as in "99.9"."""
    tolerance: Decimal = "2"
    """Fail is shown when the bad rate exceeds tolerance x (100 - objectivePercent)."""


class Previous(Contract):
    """What happens to the version that was replaced."""

    replicas: Literal["Full", "Minimum"] = "Full"
    """Full: a rollback is one route change. Minimum: after the bake, a rollback moves traffic as pods start."""
    seconds: int = Field(86400, ge=0, le=31536000)
    """How long it stays loaded after the new version became stable."""


class Rollback(Contract):
    """Who rolls back."""

    mode: Literal["Auto", "Manual", "Disabled"] = "Auto"
    """Auto: a version that fails an SLO loses its traffic at once. Manual: status says so and waits for a person."""


class Window(Contract):
    """A time, again and again, for rollouts or against them."""

    name: Name
    """As in no-friday."""
    schedule: Annotated[str, StringConstraints(pattern=patterns.CRON, max_length=100)]
    """When it begins (cron, UTC), as in "0 16 * * 5"."""
    seconds: int = Field(..., ge=60, le=2678400)
    """How long it lasts, at most 31 days."""
    effect: Literal["Deny", "Allow"] = "Deny"
    """Deny: no rollout starts and no weight is raised within it. Allow: only within it. Deny wins where both hold."""


DEFAULT_STEPS = (
    Step(name="first", weight=5),
    Step(name="quarter", weight=25),
    Step(name="half", weight=50),
    Step(name="all", weight=100),
)


class Rollout(Contract):
    """How traffic moves to a new version."""

    gateway: GatewayReference
    stickiness: Stickiness = Stickiness()
    steps: tuple[Step, ...] = Field(DEFAULT_STEPS, min_length=1, max_length=20)
    """Weights strictly rising, the last one 100. Recorded when a rollout starts; edits apply to the next one."""
    slos: tuple[ServiceLevelObjective, ...] = Field((), max_length=8)
    """What a candidate must keep. A Fallback objective of 99.5 is always there, whether declared or not."""
    on_undecided: Literal["Advance", "Hold", "Rollback"] = "Advance"
    """At a step's maxSeconds without Pass or Fail, below 100 percent."""
    on_undecided_final: Literal["Advance", "Hold", "Rollback"] = "Hold"
    """The same before a version becomes stable."""
    stable_health_seconds: int = Field(300, ge=0, le=86400)
    """How long stable must have kept its objectives before a candidate gets its first users."""
    on_no_data: Literal["Hold", "Rollback", "Continue"] = "Hold"
    """When the candidate gets no requests."""
    on_metrics_unavailable: Literal["Hold", "Rollback", "Continue"] = "Hold"
    """When the candidate's pods or the gateway cannot be read."""
    hold_limit_seconds: int = Field(3600, ge=5, le=2592000)
    """Every Hold and every wait for an approval ends after this long, in onHoldLimit."""
    on_hold_limit: Literal["Rollback", "Advance"] = "Rollback"
    """How a Hold ends."""
    when_stable_unhealthy: Literal["Wait", "Proceed"] = "Wait"
    """Proceed: the candidate need only be no worse than an unhealthy stable."""
    bake_seconds: int = Field(3600, ge=0, le=2592000)
    """Watched at 100 percent for this long, the previous version fully loaded, before the version is stable."""
    previous: Previous = Previous()
    rollback: Rollback = Rollback()
    windows: tuple[Window, ...] = Field((), max_length=16)
    """When rollouts may start and weights may rise. Rollbacks always happen, the way back to a version that is still loaded
    is one, and what a person asks for by a Promote or a pin happens too. Edits apply at once."""
    pinned_version: str | None = Field(None, min_length=1, max_length=128)
    """Operational, never in Git: the version (name or artifact digest) that gets all traffic until this is removed."""
    paused: bool | None = None
    """Operational, never in Git: no weight is raised while true; rollbacks still happen."""


class RecommenderModelSpec(Contract):
    """What the team wants."""

    data: Data
    artifacts: Artifacts
    model: Model = Model()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    serving: Serving = Serving()
    rollout: Rollout
    history_limit: int = Field(10, ge=2, le=1000)
    """ModelVersions that keep their artifact."""
    deletion_policy: Literal["Retain", "Delete"] = "Retain"
    """Whether the ModelVersions stay when the model is deleted; a model of the same name adopts them again."""
    suspend: bool | None = None
    """Operational, never in Git: no new Job and no new rollout while true; rollbacks still happen."""
