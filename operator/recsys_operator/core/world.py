"""What a decision reads: one frozen picture of everything that concerns one RecommenderModel.

`reconciler.observe` builds it from caches, samples and the route; nothing in `core` reads anything else. Times are
seconds since the epoch (float), weights are percent of the users.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from recsys_api.model_action import ModelActionSpec, ModelActionStatus
from recsys_api.model_status import RecommenderModelStatus
from recsys_api.model_version import ModelVersionSpec, ModelVersionStatus
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.run_spec import EvaluateResult, PrepareResult, TrainResult
from recsys_api.serving_pod import START_SECONDS, ImagePullPolicy
from recsys_operator.core.counters import Reading
from recsys_operator.core.samples import VersionSecond

Stage = Literal["prepare", "train", "evaluate", "report"]


@dataclass(frozen=True)
class ModelView:
    """The RecommenderModel. `spec` is None where it does not parse, then `invalid` says why."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    spec: RecommenderModelSpec | None
    status: RecommenderModelStatus
    annotations: Mapping[str, str] = field(default_factory=dict)
    asked_version: str = ""
    """resourceVersion at which its annotation recsys.dev/action was first seen with this value; empty: that of this state."""
    invalid: str = ""
    manual: bool = False
    """spec.rollout.traffic.management is Manual, also where the rest of the spec does not parse."""
    deleting: bool = False
    unreadable: str = ""
    """What of its status does not parse; `status` is empty then and means nothing."""


@dataclass(frozen=True)
class VersionView:
    """A ModelVersion."""

    name: str
    uid: str
    resource_version: str
    created_at: float
    spec: ModelVersionSpec
    status: ModelVersionStatus
    owner_uid: str = ""
    """uid of the RecommenderModel that owns it; empty under deletionPolicy Retain."""
    deleting: bool = False


@dataclass(frozen=True)
class ActionView:
    """A ModelAction."""

    name: str
    uid: str
    resource_version: str
    created_at: float
    spec: ModelActionSpec
    status: ModelActionStatus
    asked_version: str = ""
    """resourceVersion at which it was first seen: its spec never changes. Empty: that of this state."""


@dataclass(frozen=True)
class JobView:
    """A Job of a version together with what its index-0 pod said."""

    name: str
    uid: str
    resource_version: str
    version: str
    stage: Stage
    attempt: int
    """1 for the first; a report Job carries the attempt of the Job that it speaks for."""
    key: str
    """Evaluation key; empty for other stages."""
    created_at: float
    active: int = 0
    complete: bool = False
    failed: bool = False
    failed_reason: str = ""
    """Of the Job's Failed condition: PodFailurePolicy, BackoffLimitExceeded, DeadlineExceeded, …"""
    result: PrepareResult | TrainResult | EvaluateResult | None = None
    exit_code: int | None = None
    terminated_reason: str = ""
    """`terminated.reason` of the last ended container: Error, OOMKilled, Completed."""
    unschedulable: str = ""
    """The scheduler's message while a pod of the Job cannot be placed."""
    waiting: str = ""
    """Reason and message of a container that cannot start: ImagePullBackOff, CreateContainerConfigError, …"""
    suspended: bool = False
    """It has no pods and no deadline that runs: Kueue has not admitted it, or somebody suspended it."""
    deleting: bool = False


@dataclass(frozen=True)
class PodView:
    """A serving pod."""

    name: str
    uid: str
    version: str
    ready: bool
    restarts: int
    """Sum over its containers."""
    created_at: float
    ip: str = ""
    deleting: bool = False
    unschedulable: str = ""
    waiting: str = ""
    last_terminated: str = ""
    """For example `api: OOMKilled (137)`."""


@dataclass(frozen=True)
class AutoscalerView:
    """HorizontalPodAutoscaler of a version, as it is."""

    minimum: int
    maximum: int
    target_percent: int
    """Mean CPU use that it aims at, in percent of the request."""


@dataclass(frozen=True)
class ServingView:
    """Deployment (and Service, HPA) of a version."""

    version: str
    uid: str
    resource_version: str
    replicas: int
    """Wanted by the Deployment's spec."""
    ready: int
    revision: str
    """Template revision that it was made from (annotation recsys.dev/template-revision)."""
    settled: bool
    """The Deployment controller has seen the newest generation."""
    autoscaler: AutoscalerView | None = None
    deleting: bool = False
    has_service: bool = True
    """Its Service is there: without it nobody reaches its pods."""

    @property
    def has_autoscaler(self) -> bool:
        """Whether a HorizontalPodAutoscaler decides its size."""
        return self.autoscaler is not None


@dataclass(frozen=True)
class RouteIntent:
    """What the HTTPRoute is to say: users in the candidate's buckets go to it, all others to stable."""

    stable: str
    candidate: str = ""
    weight: int = 0
    bucket_offset: int = 0

    def of(self, version: str) -> int:
        """The weight of a version under this intent."""
        if version == self.candidate and version:
            return self.weight
        return 100 - self.weight if version == self.stable else 0


@dataclass(frozen=True)
class RouteView:
    """The HTTPRoute as it is."""

    uid: str
    resource_version: str
    intent: RouteIntent
    """Read back from its rules (not from the annotation)."""
    decision: Mapping[str, object]
    """The annotation recsys.dev/decision: {version, verdict, reason, weight, segment, at, …}."""
    accepted: bool
    """Accepted and ResolvedRefs True at its generation for our parentRef, and the listener Programmed."""
    message: str = ""
    unmanaged: bool = False
    """Annotation recsys.dev/unmanaged: observe and alarm, never write."""
    drifted: bool = False
    """Somebody else changed what we own."""


@dataclass(frozen=True)
class Trouble:
    """Why the last pass could not do what it had decided: a person must act."""

    reason: str
    message: str


@dataclass(frozen=True)
class World:
    """Everything that `decide` may look at."""

    namespace: str
    name: str
    model: ModelView | None
    """None where it was deleted: then its versions' children are cleaned up."""
    versions: tuple[VersionView, ...] = ()
    actions: tuple[ActionView, ...] = ()
    jobs: tuple[JobView, ...] = ()
    serving: Mapping[str, ServingView] = field(default_factory=dict)
    leftovers: frozenset[str] = frozenset()
    """Versions whose Service or autoscaler is there without a Deployment: somebody deleted that alone."""
    pods: tuple[PodView, ...] = ()
    route: RouteView | None = None
    stable_service: str | None = None
    """Version that the Service <model>-stable sends callers to; None where there is none."""
    keys_secret: bool = False
    """The Secret <model>-keys exists."""
    seconds: tuple[VersionSecond, ...] = ()
    """The last two minutes of samples, oldest first; the fold skips what it has seen."""
    samples_since: float | None = None
    """When the sampler began to watch this model: what was counted before, nobody has read. None while it does not."""
    attended_until: float | None = None
    """When the operator before this process was last alive, as its Lease says; None where nobody knows."""
    monotonic: float = 0.0
    """Seconds of a clock that nobody sets, beside `now`."""
    begun: Reading | None = None
    """The first reading since then of a pod or the gateway: `seconds` count from there. None before it."""
    standing: Reading | None = None
    """Where the counters stood at the last of `seconds`."""
    rollouts_paused: bool = False
    """The operator-wide switch."""
    serving_image: str = ""
    """Image that a version entering Warming records."""
    triton_start_seconds: int = START_SECONDS
    """How long a tritonserver may take until it ranks: recorded likewise."""
    image_pull_policy: ImagePullPolicy = "IfNotPresent"
    """Recorded likewise."""
    unreadable: tuple[str, ...] = ()
    """What of the model's versions does not parse: another release has written it, and these are not in `versions`."""
    trouble: Trouble | None = None
    """What the API server refused: told in the model's status, and nothing else is decided by it."""
