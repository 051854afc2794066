"""What a decision says: acts in the order in which they must happen, and what to watch next.

The reconciler executes `acts` one after another and stops at the first that fails (but `may_fail`); the next pass decides
anew. The order *is* the safety: towards risk the record comes before the route, towards safety the route comes before the record.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from recsys_api.model_action import ModelActionStatus
from recsys_api.model_status import RecommenderModelStatus
from recsys_api.model_version import ModelVersionSpec, ModelVersionStatus
from recsys_operator.core.world import RouteIntent, Stage


@dataclass(frozen=True)
class CreateVersion:
    """Create the ModelVersion; an existing one of that name is success. The status starts as Pending."""

    name: str
    spec: ModelVersionSpec
    owned: bool
    """ownerReference to the RecommenderModel (deletionPolicy Delete)."""


@dataclass(frozen=True)
class RecordVersion:
    """Replace the status of a ModelVersion, on condition of the resourceVersion that was decided upon."""

    name: str
    resource_version: str
    status: ModelVersionStatus


@dataclass(frozen=True)
class RecordModel:
    """Replace the status of the RecommenderModel."""

    resource_version: str
    status: RecommenderModelStatus
    derived: bool = False
    """It holds nothing but what the next pass would derive again: no answer to what a person asked for."""


@dataclass(frozen=True)
class RecordAction:
    """Finish a ModelAction."""

    name: str
    resource_version: str
    status: ModelActionStatus


@dataclass(frozen=True)
class StartJob:
    """Create a Job of a version; an existing one of that name is success."""

    version: str
    stage: Stage
    attempt: int = 1
    key: str = ""
    reports_stage: Stage | None = None
    """For stage `report`: the stage whose manifest is to be read."""
    stable: str = ""
    """For `evaluate`: the version to compare with. For `prepare`: the version whose snapshot may be the same."""


@dataclass(frozen=True)
class EnsureKeys:
    """Create the Secret with bucket and token keys unless it exists."""


@dataclass(frozen=True)
class EnsureServing:
    """Deployment and Service (and HPA) of a version from its recorded template, at this size."""

    version: str
    replicas: int
    minimum: int | None = None
    """Lower bound for its autoscaler during a rollout."""


@dataclass(frozen=True)
class EnsureService:
    """A Service alone, that somebody deleted or changed: nothing else has to be written for it."""

    version: str
    """Whose pods it selects."""
    of_model: bool = False
    """The model's, for callers inside the cluster; otherwise the version's own."""


@dataclass(frozen=True)
class EnsureRoute:
    """Write the HTTPRoute. `needs_ready` is checked against live pods first when weight rises."""

    intent: RouteIntent
    decision: Mapping[str, object]
    raises: bool
    """Some version's weight grows towards risk: live pods are read first, and a paused or raced world refuses."""
    needs_ready: Mapping[str, int] = field(default_factory=dict)
    urgent: bool = False
    """Weight down: never blocked, retried on conflict at once."""


@dataclass(frozen=True)
class DeleteObject:
    """Delete a child after a live read, with uid and resourceVersion as preconditions."""

    kind: Literal["Job", "Serving", "ModelVersion", "ModelAction"]
    name: str
    uid: str
    """For Serving: the Deployment's; empty where it is gone and only the others are left."""
    resource_version: str
    version_resource_version: str = ""
    """For Serving: the ModelVersion's resourceVersion that was decided upon; another one live refuses the deletion."""


@dataclass(frozen=True)
class Announce:
    """A Kubernetes Event, written after the record that it speaks of."""

    reason: str
    message: str
    warning: bool = False
    version: str = ""
    """About a ModelVersion; empty: about the RecommenderModel."""


Act = (
    CreateVersion | RecordVersion | RecordModel | RecordAction | StartJob | EnsureKeys | EnsureServing | EnsureService
    | EnsureRoute | DeleteObject | Announce
)  # fmt: skip


def may_wait(act: Act) -> bool:
    """Whether no decision rests on what an act writes.

    A pass that writes something else leaves such an act to the pass that follows at once, which derives it anew; where it
    is all that a pass writes, no other has to follow.
    """
    return isinstance(act, RecordModel) and act.derived


def may_fail(act: Act) -> bool:
    """Whether a pass goes on without an act that was refused: nothing else rests on it, and the next pass tries again."""
    return isinstance(act, EnsureService) and act.of_model


@dataclass(frozen=True)
class Decision:
    """The answer of `lifecycle.decide`."""

    acts: tuple[Act, ...] = ()
    sample: tuple[str, ...] = ()
    """Versions whose pods and gateway clusters are to be sampled every second from now on."""
    memory: object = None
    """What the fold over samples remembers between passes of one process (core.memory.Memory)."""
    requeue_after: float | None = None
    """Seconds until something has to be looked at again though nothing may happen."""
    observations: Mapping[str, float] = field(default_factory=dict)
    """Gauges and counters for the metrics endpoint, by name (phase, weight, verdicts …)."""
