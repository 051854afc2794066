"""RecommenderModelStatus: what the operator says about a model, derived from its versions' own statuses."""

from typing import Literal, get_args

from pydantic import Field

from recsys_api.base import Observed
from recsys_api.model_version import Condition

ConditionType = Literal[
    "Ready", "Reconciling", "Stalled", "Paused", "RolledBack", "Trained", "GatePassed", "TrafficVerified",
    "AnalysisPassing", "MetricsAvailable", "RollbackReady",
]  # fmt: skip
CONDITION_TYPES: tuple[ConditionType, ...] = get_args(ConditionType)
"""In the order in which they are shown."""

MAX_EVENTS = 10
"""Lines of history that the rollout summary keeps."""


class RolloutEvent(Observed):
    """One line of a rollout's history."""

    at: str
    """RFC 3339, UTC."""
    reason: str
    message: str = ""
    weight: int = 0
    """Percent of the users that the candidate had from then on."""


class SloSummary(Observed):
    """Where the evidence for one SLO stands in the current segment."""

    name: str
    n: int = 0
    """Valid events of the candidate."""
    bad: int = 0
    """Bad events among them."""
    needed: int = 0
    """Events until Pass can be shown if none more is bad; 0 when it was shown."""
    verdict: Literal["Pass", "Fail", "Undecided", "NoData", "MetricsUnavailable"] = "Undecided"


class RolloutSummary(Observed):
    """The running rollout, or the last one."""

    step: str = ""
    """Name of the step; empty before the first one."""
    segment: int = 0
    """Evidence starts anew at every weight change; this counts the starts."""
    n: int = 0
    """Valid events of the candidate in this segment, over the SLO that is furthest from a verdict."""
    bad: int = 0
    """Bad events among them."""
    lost_events: int = 0
    """About how many requests of candidate and stable nobody read in this segment, because a pod, its process or the operator
    went: they are in no n. Above 5 % of a version's requests the evidence for a Pass begins anew, that for a Fail goes on."""
    needed: int = 0
    """Events that Pass still needs for that SLO."""
    verdict: Literal["", "Pass", "Fail", "Undecided", "NoData", "MetricsUnavailable"] = ""
    """Of the segment: the worst of its SLOs."""
    underpowered: bool = False
    """The step cannot reach Pass with the traffic that is expected within its maxSeconds, the last one within bakeSeconds."""
    bucket_offset: int = Field(0, ge=0, le=9999)
    """First of the candidate's user buckets."""
    started_at: str = ""
    """RFC 3339, UTC."""
    slos: tuple[SloSummary, ...] = Field((), max_length=16)
    """The SLOs of the rollout, the undeclared Fallback included."""
    events: tuple[RolloutEvent, ...] = Field((), max_length=MAX_EVENTS)
    """Newest last."""


class PinnedState(Observed):
    """What `rollout.pinnedVersion` or a Pin action asks for, and how far it is."""

    version: str = ""
    """Name of the version; empty when nothing is pinned."""
    phase: Literal["", "Pinning", "Pinned", "NotFound"] = ""
    """Pinning until the version is warm, traffic stays where it is; then Pinned."""
    source: Literal["", "Spec", "Action"] = ""
    """The spec wins over an action."""


class RecommenderModelStatus(Observed):
    """What the operator found and did."""

    observed_generation: int = 0
    """Generation of the spec that this status speaks of."""
    stable: str = ""
    """Version that answers the users that no candidate has."""
    candidate: str = ""
    """Version that is being rolled out."""
    previous: str = ""
    """Version that a rollback goes back to."""
    wanted: str = ""
    """Newest gate-passed, unquarantined version of the current spec."""
    weight: int = Field(0, ge=0, le=100)
    """Percent of the users that the candidate answers."""
    reason: str = ""
    """One word for the table of `kubectl get recm`."""
    message: str = ""
    """The same as a sentence, with what to do next."""
    replicas: int = 0
    """Serving pods of all versions; read by the scale subresource."""
    selector: str = ""
    """Label selector of those pods; read by the scale subresource."""
    conditions: tuple[Condition, ...] = ()
    """Ready, Reconciling, Stalled, Paused, RolledBack, Trained, GatePassed, TrafficVerified, AnalysisPassing,
    MetricsAvailable and RollbackReady."""
    last_action: str = ""
    """Value of the annotation recsys.dev/action that was executed last; empty when the annotation is gone."""
    action_count: int = 0
    """How many values of that annotation were executed: the same one is another request when it comes after another."""
    spec_hash: str = ""
    """Hash of the part of the spec that determines the weights; starts with `h1:`."""
    rollout: RolloutSummary | None = None
    """Step, evidence and verdict."""
    pinned: PinnedState | None = None
    """State of a pin; absent when nothing is pinned."""
    paused_by: str = ""
    """The Pause action that stops raises, until a Resume; empty when none does. spec.rollout.paused is apart."""
