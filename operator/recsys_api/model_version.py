"""ModelVersion: the registry, one record for each version."""

from typing import Literal

from pydantic import Field

from recsys_api.base import Contract, Observed
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.run_spec import GateResult, MetricValue
from recsys_api.serving_pod import ImagePullPolicy

Phase = Literal[
    "Pending", "Preparing", "Training", "Evaluating", "Warming", "Canary", "Baking", "Stable", "Previous", "Retired",
    "Invalid", "Failed", "Rejected", "RolledBack", "Superseded", "NoNewData",
]  # fmt: skip
TERMINAL_PHASES: frozenset[str] = frozenset({"Retired", "Invalid", "Failed", "Rejected", "NoNewData"})


class ModelVersionSpec(Contract):
    """Immutable: what this version was made from."""

    model_name: str = Field(..., min_length=1, max_length=40)
    """Name of the RecommenderModel."""
    number: int = Field(ge=1)
    """Counts the versions of a model."""
    spec_hash: str
    """`h1:` and 64 hex digits over the projection of the model's spec that determines the weights."""
    trigger: str
    """What asked for it: spec, schedule/<time>, or action/<uid> of a Retrain."""
    artifacts_uri: str
    """`<spec.artifacts.uri>/<namespace>/<model>`; the version's own folder below it is `<name>-<uid>`."""
    source: RecommenderModelSpec
    """The spec as it was resolved when the version was created; rollout and serving in it are those of that day."""


class ServingTemplate(Contract):
    """Recorded when the version enters Warming, so that later edits and upgrades restart no pod."""

    revision: str
    """Name of this template; pods are replaced only when it changes."""
    image: str
    """Image of all containers."""
    resources: dict[str, dict[str, str | int]] = Field(default_factory=dict)
    """Requests and limits of the Triton container."""
    top_k: int
    """Most items that a request can ask for."""
    pod_template: dict[str, object] = Field(default_factory=dict)
    """Labels, placement, pull secrets and service account."""
    request_timeout_milliseconds: int
    """The gateway's, so that answers come before it gives up."""
    credentials_secret: str | None = None
    """Secret with the settings of the artifacts' store; empty: none. Absent in older records, where it is that of spec.source."""
    triton_start_seconds: int | None = None
    """How long a tritonserver may take until it ranks. Absent in older records, whose pods were not told."""
    image_pull_policy: ImagePullPolicy | None = None
    """Of all containers. Absent in older records, whose pods follow the operator's setting of the day."""


class Condition(Observed):
    """A Kubernetes condition."""

    type: str
    """What it is about."""
    status: Literal["True", "False", "Unknown"]
    """Unknown where there is not enough evidence."""
    reason: str
    """One word."""
    message: str = ""
    """A sentence, with what to do next."""
    last_transition_time: str = ""
    """When the status changed last (RFC 3339, UTC)."""
    observed_generation: int = 0
    """Generation of the spec that it speaks of."""


class ModelVersionStatus(Observed):
    """The truth about a version."""

    phase: Phase = "Pending"
    """Where in its life the version is."""
    reason: str = ""
    """One word for the table of `kubectl get mv`."""
    message: str = ""
    """The same as a sentence, with what to do next."""
    phase_since: str = ""
    """When the phase began (RFC 3339, UTC)."""
    phase_number: int = Field(0, ge=0)
    """Larger than that of every phase of the model's versions that began before: clocks are set back, numbers are not."""
    digest: str = ""
    """Of the artifact."""
    snapshot_digest: str = ""
    """Of the data that it learned from."""
    gates: tuple[GateResult, ...] = ()
    """What each gate decided."""
    evaluation_key: str = ""
    """Of the gates and the stable version that the results are for."""
    offline: dict[str, MetricValue] = Field(default_factory=dict)
    """Metrics of the served path on held-out interactions of known users, by name (ndcg@10)."""
    baseline: dict[str, MetricValue] = Field(default_factory=dict)
    """The same metrics of plain popularity."""
    training: dict[str, object] = Field(default_factory=dict)
    """What the training Job reported: seconds, device, epochs."""
    attempts: dict[str, int] = Field(default_factory=dict)
    """Running or last attempt of each stage; `<stage>-oom`: whether one more was made because a pod was OOMKilled."""
    template: ServingTemplate | None = None
    """What its pods are made from."""
    quarantined: bool = False
    """Rolled back: it gets no traffic again unless a Retry action names it."""
    rollout: dict[str, object] | None = None
    """Steps and SLOs as recorded at the start, current step, segment, ledger, verdict (core/rollout_state.py)."""
    conditions: tuple[Condition, ...] = ()
    """Trained, GatePassed, Requested (the action that it was last changed by) and Scaled (whether a previous version has its pods)."""
