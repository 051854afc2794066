"""What a rollout must not forget: kept as `ModelVersion.status.rollout`, read back by every pass of every process."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, ValidationError

from recsys_api.base import Observed
from recsys_api.model_status import MAX_EVENTS, RolloutEvent
from recsys_api.model_version import ModelVersionStatus
from recsys_api.spec.rollout import Rollout, Step
from recsys_operator.core.analysis.evidence import Evidence

MAX_PODS = 64
MAX_SPENDS = 64
"""Evidence that begins anew more often spends what the last one did: the record has an end."""
Part = Literal["Canary", "Bake"]


class Spend(Observed):
    """One line of the ledger: what a segment may spend of the error budget."""

    segment: int
    part: Part
    alpha: float


class Leave(Observed):
    """How a step was left: what allowed more weight, or Stable."""

    step: str
    by: Literal["Pass", "Undecided", "Promote", "HoldLimit"]
    n: int = 0
    detectable: float = 1.0
    """Smallest bad rate that this n would have caught with 90 % power."""


class RolloutState(Observed):
    """A rollout of one version."""

    policy: Rollout
    """Steps, SLOs and policies as they were when the rollout started; edits apply to the next one."""
    stable: str = ""
    """Version to fall back to; empty for the first version."""
    stable_replicas: int = 1
    """Stable's pods at the start: it keeps them to the end of the bake, and weights are shares of them."""
    rollout: int = 1
    """Counts the rollouts of this version."""
    bucket_offset: int = Field(0, ge=0, le=9999)
    started_at: float = 0.0
    """When the version's pods were first wanted (seconds since the epoch)."""
    ready_at: float | None = None
    """Since when all its pods are ready, before the first weight."""
    watched_seconds: float = 0.0
    """For how long stable was waited for while they had been ready before."""
    step: int = -1
    """Index into policy.steps; -1 before the first weight."""
    weight: int = Field(0, ge=0, le=100)
    """Intent: what the route is to say."""
    segment: int = 0
    """Evidence starts anew at every weight change; this counts the starts, over all rollouts of the version."""
    segment_at: float = 0.0
    """When the segment's weight was recorded."""
    clock_start: float | None = None
    """When the route was accepted and the candidate's share was seen."""
    held_seconds: float = 0.0
    """Time of the step that does not count, because something was missing."""
    hold_reason: str = ""
    """What it waits for: data, people or pods under weight, pods and a healthy stable before it."""
    hold_since: float | None = None
    """Since when it is held for this reason."""
    missing_since: float | None = None
    """When the hold on missing data (or on the route) began, whatever its reason was then; it goes on until requests are seen."""
    waiting_since: float | None = None
    """When the step's wait for people or pods began; data that is missing meanwhile does not begin it anew. It moves by what a
    pause or window took (phases/standstill.py)."""
    stopped_since: float | None = None
    """Since when a pause, suspend or window keeps it; None while nothing does."""
    gap_after: float = 0.0
    """The last pass before the last time that nobody watched: what waits moved by it (attendance.py)."""
    unmanaged_since: float | None = None
    """Since when a person has the route (`Scene.takings`); None while nobody does."""
    ledger: tuple[Spend, ...] = ()
    banked: Evidence | None = None
    """The segment's evidence, as of `banked_at`."""
    banked_at: float = 0.0
    pods: dict[str, int] = Field(default_factory=dict)
    """uid -> restarts of the candidate's pods when the segment began, at most MAX_PODS."""
    strikes: int = 0
    """Times that its pods were not ready under weight."""
    breaches: int = 0
    """Times that it and stable breached together."""
    parked_since: float | None = None
    """Weight 0 until stable and pods were well for as long again; then the steps start once more."""
    stable_was_unhealthy: bool = False
    """It started although stable was outside its objectives (whenStableUnhealthy: Proceed)."""
    verdict: Literal["", "Pass", "Fail", "BothBreach", "Undecided", "NoData", "MetricsUnavailable"] = ""
    verdict_message: str = ""
    underpowered: bool = False
    approvals: tuple[str, ...] = ()
    """Steps after which somebody approved."""
    promoted: bool = False
    """Somebody asked to promote this very version."""
    overruled: int = 0
    """Segment whose Fail somebody overruled with a Promote (rollback.mode Manual or Disabled); 0 for none."""
    left: tuple[Leave, ...] = ()
    events: tuple[RolloutEvent, ...] = Field((), max_length=MAX_EVENTS)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Recorded steps."""
        return self.policy.steps

    @property
    def current(self) -> Step | None:
        """The running step; None before the first weight."""
        return self.steps[self.step] if 0 <= self.step < len(self.steps) else None

    @property
    def next_step(self) -> int:
        """Index of the step that comes next (the last one stays)."""
        return min(self.step + 1, len(self.steps) - 1)

    @property
    def parked(self) -> bool:
        """Whether it waits at weight 0 for its second chance."""
        return self.parked_since is not None

    @property
    def watch_limit(self) -> int:
        """Seconds within which stable must have been well for stableHealthSeconds."""
        return self.policy.stable_health_seconds + self.policy.hold_limit_seconds

    def alpha(self) -> float:
        """What the current segment may spend on false Fails."""
        return self.ledger[-1].alpha if self.ledger else 0.01

    def with_event(self, event: RolloutEvent) -> "RolloutState":
        """With one more line of history."""
        return self.changed(events=(*self.events, event)[-MAX_EVENTS:])

    def to_begin(self) -> "RolloutState":
        """Before another rollout of the version: what is known over all of them."""
        return self.unheld(
            started_at=0.0, ready_at=None, step=-1, weight=0, strikes=0, breaches=0, parked_since=None, ledger=(),
            left=(), approvals=(), promoted=False, stable_was_unhealthy=False, stopped_since=None, unmanaged_since=None,
            overruled=0,
        )  # fmt: skip

    def changed(self, **changes: object) -> "RolloutState":
        """A copy with these fields."""
        return self.model_copy(update=changes)

    def unheld(self, **changes: object) -> "RolloutState":
        """A copy with these fields that waits for nothing."""
        return self.changed(hold_reason="", hold_since=None, missing_since=None, waiting_since=None, **changes)

    def dump(self) -> dict[str, object]:
        """The form that status holds."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def read_state(status: ModelVersionStatus) -> RolloutState | None:
    """The recorded state; None where there is none or a newer operator wrote one that cannot be read."""
    if not status.rollout:
        return None
    return parse_state(status.rollout)


def parse_state(document: Mapping[str, object]) -> RolloutState | None:
    """The state in a document, or None."""
    try:
        return RolloutState.model_validate(dict(document))
    except ValidationError:
        return None
