"""ModelVersion: the registry, one record for each trained or imported version."""

from typing import Literal

from pydantic import Field

from recsys_api.base import Contract, Observed
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.run_spec import GateResult, MetricValue

Phase = Literal[
    "Pending", "Preparing", "Training", "Evaluating", "Warming", "Canary", "Baking", "Stable", "Previous", "Retired",
    "Invalid", "Failed", "Rejected", "RolledBack", "Superseded", "NoNewData",
]  # fmt: skip
TERMINAL_PHASES: frozenset[str] = frozenset({"Retired", "Invalid", "Failed", "Rejected", "NoNewData"})


class ModelVersionSpec(Contract):
    """Immutable: what this version was made from."""

    model_name: str
    number: int = Field(ge=1)
    spec_hash: str
    """`h1:` and 64 hex digits over the projection of the model's spec that determines the weights."""
    trigger: str
    """spec, schedule/<time>, action/<uid>, drift/<time> or import/<digest>."""
    artifacts_uri: str
    """`<spec.artifacts.uri>/<namespace>/<model>`; the version's own folder below it is `<name>-<uid>`."""
    source: RecommenderModelSpec
    """The spec as it was resolved when the version was created; rollout and serving in it are the defaults of that day."""


class ServingTemplate(Contract):
    """Recorded when the version enters Warming, so that later edits and upgrades restart no pod."""

    revision: str
    image: str
    resources: dict[str, dict[str, str | int]] = Field(default_factory=dict)
    top_k: int
    pod_template: dict[str, object] = Field(default_factory=dict)
    request_timeout_milliseconds: int


class Condition(Observed):
    """A Kubernetes condition."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str = ""
    last_transition_time: str = ""
    observed_generation: int = 0


class ModelVersionStatus(Observed):
    """The truth about a version."""

    phase: Phase = "Pending"
    reason: str = ""
    message: str = ""
    phase_since: str = ""
    digest: str = ""
    """Of the artifact."""
    snapshot_digest: str = ""
    gates: tuple[GateResult, ...] = ()
    evaluation_key: str = ""
    offline: dict[str, MetricValue] = Field(default_factory=dict)
    baseline: dict[str, MetricValue] = Field(default_factory=dict)
    training: dict[str, object] = Field(default_factory=dict)
    attempts: dict[str, int] = Field(default_factory=dict)
    """Jobs started per stage."""
    template: ServingTemplate | None = None
    quarantined: bool = False
    rollout: dict[str, object] | None = None
    """Steps and SLOs as recorded at the start, current step, segment, ledger, verdict (core/rollout_state.py)."""
    conditions: tuple[Condition, ...] = ()
