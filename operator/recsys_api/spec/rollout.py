"""`spec.rollout`: how traffic moves to a new version."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from recsys_api import patterns
from recsys_api.base import Contract
from recsys_api.field_types import Decimal, Hostname, LabelName, Name, ObjectName, PathPrefix


class GatewayReference(Contract):
    """The Gateway that traffic comes through."""

    name: ObjectName
    """Name of the Gateway."""
    namespace: LabelName | None = None
    """Its namespace; default: the model's. The Gateway's listener must allow routes from the model's namespace."""
    section_name: ObjectName | None = None
    """Listener of the Gateway; default: all that fit."""
    hostname: Hostname | None = None
    """Host that the route answers for; default: the listener's."""
    path_prefix: PathPrefix = "/"
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
    """When there is neither Pass nor Fail after this long, onUndecided decides. Not of the last step: bakeSeconds is its time."""
    approval: Literal["NotRequired", "Required"] = "NotRequired"
    """Required: an Approve action must come before the next step; of the last one, before the version is stable."""


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
    """Auto: a version that fails an SLO loses its traffic at once. Manual: status and an event
    say so, and it waits for a Rollback or a Promote. Disabled: the same without the event."""


class Traffic(Contract):
    """Who writes the HTTPRoute."""

    management: Literal["Automatic", "Manual"]
    """Manual: a person does; the operator observes and alarms, and writes nothing there until this is Automatic or gone."""


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
    """When the candidate gets no requests. Hold: the step's time stands still. Continue: it goes on. Neither leaves the step
    meanwhile, and after holdLimitSeconds the version is rolled back."""
    on_metrics_unavailable: Literal["Hold", "Rollback", "Continue"] = "Hold"
    """When a ready pod of the candidate cannot be read: the gateway tells nothing of latency and fallbacks. Values as in onNoData."""
    hold_limit_seconds: int = Field(3600, ge=5, le=2592000)
    """Every Hold and every wait for an approval ends after this long, in onHoldLimit. Pauses and windows that keep it do not count."""
    on_hold_limit: Literal["Rollback", "Advance"] = "Rollback"
    """How a Hold ends. One on missing data, metrics or pods, or on a Gateway that does not take the route, always ends in
    Rollback."""
    when_stable_unhealthy: Literal["Wait", "Proceed"] = "Wait"
    """Proceed: the candidate need only be no worse than an unhealthy stable; at 100 percent, where no stable is left to compare
    with, it must keep the objectives itself."""
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
    traffic: Traffic | None = None
    """Operational, never in Git: who writes the HTTPRoute."""
