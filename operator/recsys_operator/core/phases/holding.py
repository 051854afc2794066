"""Keep the weight and wait: for data, for the gateway, for people; and write down the evidence meanwhile."""

from recsys_operator.core import reasons
from recsys_operator.core.analysis.verdicts import Verdict
from recsys_operator.core.phases.rollback import end_rollout
from recsys_operator.core.phases.standstill import WAITS, held_for
from recsys_operator.core.phases.subject import state_of, verdict_of
from recsys_operator.core.records import Step, keep, move
from recsys_operator.core.rollout_state import RolloutState
from recsys_operator.core.scene import Scene
from recsys_operator.core.world import VersionView

BANK_SECONDS = 15.0
PATIENCE_SECONDS = 10.0
"""A gateway takes a moment to accept a route: only after this long it is worth a line in status."""
MISSING = frozenset({"NoData", "MetricsUnavailable"})


def hold(scene: Scene, version: VersionView, state: RolloutState, reason: str, message: str) -> Step:
    """Keep the weight and wait; after holdLimitSeconds the version is RolledBack."""
    limit = state.policy.hold_limit_seconds
    if state.hold_reason != reason or state.hold_since is None:
        # one wait for people or pods may turn into another, but never lasts longer for it
        goes_on = state.hold_reason in WAITS and reason in WAITS
        since = state.hold_since if goes_on and state.hold_since is not None else scene.now
        held = _counted(scene, state).changed(hold_reason=reason, hold_since=since)
        return Step((move(scene, version, version.status.phase, reason, message, state=held),), 1.0)
    left = limit - held_for(scene, state)
    if left <= 0:
        return end_rollout(scene, version, "RolledBack", reason, f"{message}; not over after {limit} s")
    return bank_meanwhile(scene, version, Step((), left))


def data_missing(scene: Scene, version: VersionView) -> Step | None:
    """No data and unreadable metrics have policies of their own, and never leave a step.

    A hold on missing data ends in RolledBack whatever onHoldLimit says: an outage of the metrics never promotes.
    """
    state = state_of(scene, version)
    verdict = verdict_of(scene, version)
    if verdict.kind not in MISSING:
        return _data_is_back(scene, version, state)
    policy = state.policy.on_no_data if verdict.kind == "NoData" else state.policy.on_metrics_unavailable
    if policy == "Rollback":
        return end_rollout(scene, version, "RolledBack", verdict.kind, verdict.message, verdict=verdict.kind)
    return hold(scene, version, state, verdict.kind, f"{verdict.message} (policy {policy})")


def clock_not_started(scene: Scene, version: VersionView) -> Step | None:
    """The step's time runs from when the route was accepted and the candidate's share was seen."""
    state = state_of(scene, version)
    if state.clock_start is not None:
        return None
    route, evidence = scene.world.route, scene.memory.evidence
    if route is not None and route.accepted and evidence is not None and evidence.answers > 0:
        return Step((keep(version, state.changed(clock_start=scene.now, hold_reason="", hold_since=None)),), 1.0)
    patient = state.segment_at + PATIENCE_SECONDS - scene.now
    if route is not None and not route.accepted:
        if patient > 0:
            return Step((), patient)
        return hold(scene, version, state, reasons.ROUTE_NOT_ACCEPTED, route.message or "the route is not accepted yet")
    return Step((), 5.0)


def bank(scene: Scene, version: VersionView) -> Step | None:
    """Write the evidence into status at most every 15 s, and only while it grows."""
    state, evidence = state_of(scene, version), scene.memory.evidence
    if evidence is None or evidence.segment != state.segment or state.weight == 0:
        return None
    known = state.banked.answers if state.banked is not None else 0
    due = state.banked_at + BANK_SECONDS - scene.now
    if evidence.answers == known:
        return None
    if due > 0:
        return Step((), due)
    return Step((keep(version, with_evidence(scene, state, verdict_of(scene, version))),), BANK_SECONDS)


def bank_meanwhile(scene: Scene, version: VersionView, waits: Step) -> Step:
    """A wait, with the evidence written while it grows: whoever is to decide reads it in status."""
    banked = None if waits.acts else bank(scene, version)
    if banked is None:
        return waits
    after = [seconds for seconds in (waits.after, banked.after) if seconds is not None]
    return Step(banked.acts, min(after, default=None))


def with_evidence(scene: Scene, state: RolloutState, verdict: Verdict) -> RolloutState:
    """With the evidence of now."""
    return state.changed(
        banked=scene.memory.evidence, banked_at=scene.now, verdict=verdict.kind, verdict_message=verdict.message
    )


def _data_is_back(scene: Scene, version: VersionView, state: RolloutState) -> Step | None:
    if state.hold_reason not in MISSING | {reasons.ROUTE_NOT_ACCEPTED}:
        return None
    if state.hold_reason == reasons.ROUTE_NOT_ACCEPTED and scene.world.route and not scene.world.route.accepted:
        return None
    freed = _counted(scene, state).changed(hold_reason="", hold_since=None)
    message = f"step {state.current.name}: {state.weight} % of the users" if state.current is not None else ""
    return Step((move(scene, version, version.status.phase, reasons.STEP, message, state=freed),), 1.0)


def _counted(scene: Scene, state: RolloutState) -> RolloutState:
    """With the time of the hold that ends now taken off the step's clock, unless its policy is Continue."""
    policy = {
        "NoData": state.policy.on_no_data, "MetricsUnavailable": state.policy.on_metrics_unavailable
    }.get(state.hold_reason, "")  # fmt: skip
    if state.hold_since is None or policy != "Hold":
        return state
    return state.changed(held_seconds=state.held_seconds + scene.now - state.hold_since)
