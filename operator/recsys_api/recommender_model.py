"""RecommenderModel: the one resource that people write. Docstrings here are what `kubectl explain` prints."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from recsys_api.base import Contract

Decimal = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?$", max_length=20)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$", max_length=40)]
Uri = Annotated[str, StringConstraints(pattern=r"^(s3|gs|az|pvc|file)://.+$", max_length=1024)]
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Quantities = dict[str, str | int]


class SecretReference(Contract):
    """A Secret in the namespace of the model."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=253)]


class DataSource(Contract):
    """Where the interactions lie."""

    uri: Uri
    """s3, gs, az or pvc; a folder or one file."""
    format: Literal["Parquet", "CSV", "RecBole"] = "Parquet"
    credentials_secret_ref: SecretReference | None = None
    """Keys AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, AWS_REGION; default: the artifacts' Secret."""


class Columns(Contract):
    """Names of the columns in the source."""

    user: ColumnName = "user_id"
    item: ColumnName = "item_id"
    timestamp: ColumnName | None = None
    rating: ColumnName | None = None


class Split(Contract):
    """How interactions become train, validation and test."""

    strategy: Literal["Temporal", "LeaveOneOut", "Random"] = "Temporal"
    test_fraction: float = Field(0.1, gt=0, lt=0.5)
    """Share of all interactions, the newest ones, that is held out for the test."""
    validation_fraction: float = Field(0.1, gt=0, lt=0.5)
    target: Literal["All", "First"] = "All"


class DataValidation(Contract):
    """What must hold before a GPU is asked for."""

    min_interactions: int = Field(1000, ge=1, le=10**12)
    max_null_fraction: Decimal = "0"
    """Share of rows with a null user, item or timestamp that is quarantined; more is refused."""
    on_duplicates: Literal["KeepLast", "Refuse"] = "KeepLast"


class Data(Contract):
    """The interactions that a model learns from."""

    source: DataSource
    columns: Columns = Columns()
    split: Split = Split()
    validation: DataValidation = DataValidation()


class Artifacts(Contract):
    """Where snapshots, models and reports are kept."""

    uri: Uri
    credentials_secret_ref: SecretReference | None = None


class Model(Contract):
    """The network."""

    architecture: Literal["GMF", "MLP", "NeuMF"] = "NeuMF"
    embedding_dim: int = Field(32, ge=1, le=4096)
    """Factors of the GMF branch and width of each embedding of the MLP branch."""
    hidden_layers: tuple[Annotated[int, Field(ge=1, le=16384)], ...] = Field((64, 32, 16), max_length=16)
    dropout: float = Field(0.0, ge=0, lt=1)


class Loss(Contract):
    """What training minimizes."""

    type: Literal["BCE"] = "BCE"
    negatives: int = Field(4, ge=1, le=1000)
    """Negatives drawn for each positive; never a training positive of that user."""


class Optimizer(Contract):
    """How training minimizes it."""

    type: Literal["Adam"] = "Adam"
    learning_rate: float = Field(0.001, gt=0, le=10)
    weight_decay: float = Field(0.0, ge=0, le=1)


class PodTemplate(Contract):
    """What is merged into the pods of a Job or of a version."""

    metadata: dict[str, dict[str, str]] = Field(default_factory=dict)
    """labels and annotations."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[dict[str, Any], ...] = Field((), max_length=32)
    priority_class_name: str | None = None
    image_pull_secrets: tuple[SecretReference, ...] = Field((), max_length=16)
    service_account_name: str | None = None


class Resources(Contract):
    """Kubernetes resource requests and limits."""

    requests: Quantities = Field(default_factory=dict)
    limits: Quantities = Field(default_factory=dict)


class Training(Contract):
    """How the weights are made."""

    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()
    epochs: int = Field(20, ge=1, le=10000)
    patience: int = Field(3, ge=1, le=1000)
    """Epochs without a better validation NDCG@10 after which training stops and the best weights are kept."""
    batch_size: int = Field(4096, ge=1, le=2**24)
    seed: int = Field(0, ge=0, le=2**31 - 1)
    deterministic: bool = True
    refit: Literal["Never", "TrainPlusValidation", "All"] = "Never"
    nodes: int = Field(1, ge=1, le=64)
    gpus_per_node: int = Field(0, ge=0, le=16)
    resources: Resources = Resources()
    pod_template: PodTemplate = PodTemplate()
    schedule: Annotated[str, StringConstraints(max_length=100)] | None = None
    deadline_seconds: int = Field(7200, ge=30, le=2592000)
    """For each of the version's Jobs."""
    backoff_limit: int = Field(3, ge=0, le=20)
    queue_name: str | None = None


class MetricReference(Contract):
    """A metric at a cut-off."""

    name: Literal["NDCG", "Recall", "Precision", "HR", "MRR", "MAP"]
    k: Literal[5, 10, 20, 50, 100] = 10


class Gate(Contract):
    """A condition that a version must meet offline before it gets traffic. Exactly one of the limits."""

    name: Name
    metric: MetricReference
    at_least: Decimal | None = None
    max_regression_percent: Decimal | None = None
    """Against the serving version, judged by the paired bootstrap interval."""
    population: Literal["Warm", "All"] = "Warm"


class Evaluation(Contract):
    """The offline judgement."""

    gates: tuple[Gate, ...] = Field((), max_length=16)
    on_undecided: Literal["Pass", "Hold", "Reject"] = "Hold"


class Autoscaling(Contract):
    """A HorizontalPodAutoscaler for each version."""

    min_replicas: int = Field(1, ge=1, le=1000)
    max_replicas: int = Field(..., ge=1, le=1000)
    target_cpu_utilization_percent: int = Field(80, ge=1, le=100)


class Serving(Contract):
    """How a version is served."""

    replicas: int | None = Field(None, ge=1, le=1000)
    """Default 1 where no autoscaling is set."""
    autoscaling: Autoscaling | None = None
    resources: Resources = Resources()
    """Of the Triton container. requests.cpu = limits.cpu by default."""
    top_k: int = Field(50, ge=1, le=1000)
    pod_template: PodTemplate = PodTemplate()
    ready_deadline_seconds: int = Field(600, ge=10, le=86400)
    """A candidate that is not ready after this long is Failed (NotReadyInTime)."""


class GatewayReference(Contract):
    """The Gateway that traffic comes through."""

    name: str = Field(..., min_length=1, max_length=253)
    namespace: str | None = Field(None, max_length=63)
    section_name: str | None = Field(None, max_length=253)
    hostname: str | None = Field(None, max_length=253)
    path_prefix: Annotated[str, StringConstraints(pattern=r"^/.*$", max_length=256)] = "/"
    request_timeout_milliseconds: int = Field(1000, ge=10, le=600000)


class Stickiness(Contract):
    """How a user stays with a version."""

    type: Literal["UserBucket", "None"] = "UserBucket"
    header: Literal["x-recsys-bucket"] = "x-recsys-bucket"
    without_bucket: Literal["Weighted", "Stable"] = "Weighted"


class Step(Contract):
    """One step of a rollout."""

    name: Name
    weight: int = Field(..., ge=1, le=100)
    """Percent of the users."""
    min_samples: int = Field(100, ge=1, le=10**9)
    max_seconds: int = Field(600, ge=5, le=604800)
    approval: Literal["NotRequired", "Required"] = "NotRequired"


class ServiceLevelIndicator(Contract):
    """What is counted as a bad event."""

    type: Literal["Availability", "Latency", "Fallback"]
    threshold_milliseconds: (
        Literal[1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 250, 300, 400, 500, 750, 1000, 2000, 5000] | None
    ) = None
    """One of the published bucket bounds; Latency only."""


class ServiceLevelObjective(Contract):
    """A share of good events that a candidate must keep."""

    name: Name
    sli: ServiceLevelIndicator
    objective_percent: Decimal
    tolerance: Decimal = "2"
    """Fail is shown when the bad rate exceeds tolerance x (100 - objectivePercent)."""


class Previous(Contract):
    """What happens to the version that was replaced."""

    replicas: Literal["Full", "Minimum"] = "Full"
    seconds: int = Field(86400, ge=0, le=31536000)


class Rollback(Contract):
    """Who rolls back."""

    mode: Literal["Auto", "Manual", "Disabled"] = "Auto"


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
    slos: tuple[ServiceLevelObjective, ...] = Field((), max_length=8)
    on_undecided: Literal["Advance", "Hold", "Rollback"] = "Advance"
    on_undecided_final: Literal["Advance", "Hold", "Rollback"] = "Hold"
    stable_health_seconds: int = Field(300, ge=0, le=86400)
    on_no_data: Literal["Hold", "Rollback", "Continue"] = "Hold"
    on_metrics_unavailable: Literal["Hold", "Rollback", "Continue"] = "Hold"
    hold_limit_seconds: int = Field(3600, ge=5, le=2592000)
    on_hold_limit: Literal["Rollback", "Advance"] = "Rollback"
    when_stable_unhealthy: Literal["Wait", "Proceed"] = "Wait"
    bake_seconds: int = Field(3600, ge=0, le=2592000)
    previous: Previous = Previous()
    rollback: Rollback = Rollback()
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
    suspend: bool | None = None
    """Operational, never in Git: no new Job and no new rollout while true; rollbacks still happen."""
