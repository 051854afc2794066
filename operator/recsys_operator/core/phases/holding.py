"""Keep the weight and wait: for data, for the gateway, for people; and write down the evidence meanwhile."""

from recsys_operator.core import reasons
from recsys_operator.core.analysis.entries import write_entries
from recsys_operator.core.analysis.verdicts import WORTH_SECONDS, Verdict, is_fresh, is_further
from recsys_operator.core.decision import RecordVersion
from recsys_operator.core.phases.rollback import end_rollout
from recsys_operator.core.phases.standstill import ABSENT, WAITS, began, held_for
from recsys_operator.core.phases.subject import state_of, verdict_of
from recsys_operator.core.records import Step, keep, move
from recsys_operator.core.rollout_state import MAX_PODS, RolloutState
from recsys_operator.core.scene import Scene
from recsys_operator.core.world import VersionView

BANK_SECONDS = 15.0
PATIENCE_SECONDS = 10.0
"""A gateway takes a moment to accept a route: only after this long it is worth a line in status."""
ADVICE = {
    reasons.UNDECIDED: "a Promote action decides for it, a Rollback action against it",
    reasons.TOO_FEW_SAMPLES: "it goes on with more requests, or by a Promote action",
    reasons.APPROVAL: "a Rollback action ends the rollout",
    reasons.SCALING: "it goes on when they are ready: look at the pods' events and at the room on the nodes",
    reasons.NO_DATA: "it goes on with the next request: look at what callers send, and at the Gateway's hostname and path",
    reasons.METRICS_UNAVAILABLE: "it goes on when its pods can be read: look at network policies",
    reasons.ROUTE_NOT_ACCEPTED: "it goes on when the Gateway takes the HTTPRoute: look at its listeners and allowed namespaces",
}
"""What a person can do about a hold."""
MISSING = frozenset({"NoData", "MetricsUnavailable"})


def hold(scene: Scene, version: VersionView, state: RolloutState, reason: str, message: str) -> Step:
    """Keep the weight and wait; after holdLimitSeconds the version is RolledBack, however often the reason changed."""
    limit = state.policy.hold_limit_seconds
    if state.hold_reason != reason or state.hold_since is None:
        since = scene.now if (known := _goes_on(scene, state, reason)) is None else known
        clock = {"waiting_since" if reason in WAITS else "missing_since": since}
        held = _counted(scene, state).changed(hold_reason=reason, hold_since=scene.now, **clock)
        text = f"{message}; {what_then(state, reason)}"
        return Step((move(scene, version, version.status.phase, reason, text, state=held),), 1.0)
    left = limit - held_for(scene, state)
    if reason in ABSENT:
        # what came back while nobody watched is not missing: a process looks before it ends this
        left = max(left, scene.memory.watched_since + WORTH_SECONDS - scene.now)
    if left <= 0:
        text = f"{message}; not over after {limit} s. A Retry action starts it again"
        return end_rollout(scene, version, "RolledBack", reason, text)
    return Step((), left)


def what_then(state: RolloutState, reason: str) -> str:
    """What a person can do about a hold, and how it ends without one."""
    advances = reason in WAITS - {reasons.SCALING} and state.policy.on_hold_limit == "Advance"
    end = "the rollout goes on" if advances else "it is rolled back"
    return f"{ADVICE[reason]}; if that lasts {state.policy.hold_limit_seconds} s in all, {end}"


def data_missing(scene: Scene, version: VersionView) -> Step | None:
    """No data and unreadable metrics have policies of their own, and never leave a step.

    A hold on missing data ends in RolledBack whatever onHoldLimit says: an outage of the metrics never promotes.
    """
    state = state_of(scene, version)
    verdict = verdict_of(scene, version)
    if verdict.kind not in MISSING:
        return _not_seen_again(scene, version, state) or _data_is_back(scene, version, state)
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
        return Step((keep(version, state.unheld(clock_start=scene.now)),), 1.0)
    patient = state.segment_at + PATIENCE_SECONDS - scene.now
    if route is not None and not route.accepted:
        if patient > 0:
            return Step((), patient)
        return hold(scene, version, state, reasons.ROUTE_NOT_ACCEPTED, route.message or "the route is not accepted yet")
    return Step((), 5.0)


def bank(scene: Scene, version: VersionView) -> Step | None:
    """Write the evidence into status at most every 15 s and only while it grows, whatever is waited for; new pods at once."""
    state, evidence = state_of(scene, version), scene.memory.evidence
    if evidence is None or evidence.segment != state.segment or state.weight == 0:
        return None
    pods = _watched(scene, version, state)
    due = is_further(evidence, state.banked) and not state.banked_at <= scene.now < state.banked_at + BANK_SECONDS
    if not due and pods == state.pods:
        return None
    written = with_evidence(scene, state, verdict_of(scene, version)).changed(pods=pods)
    return Step((keep(version, written),), BANK_SECONDS)


def nothing_to_wait_for(scene: Scene, version: VersionView, state: RolloutState) -> Step | None:
    """A wait for people or pods is over though no step was left: a Pass was lost, a pin was taken back."""
    if state.hold_reason not in WAITS:
        return None
    freed = state.changed(hold_reason="", hold_since=None, waiting_since=None)
    return Step((_step_goes_on(scene, version, freed),), 1.0)


def _step_goes_on(scene: Scene, version: VersionView, state: RolloutState) -> RecordVersion:
    message = f"step {state.current.name}: {state.weight} % of the users" if state.current is not None else ""
    return move(scene, version, version.status.phase, reasons.STEP, message, state=state)


def _watched(scene: Scene, version: VersionView, state: RolloutState) -> dict[str, int]:
    """Restarts of the pods that are watched: with those that became ready under weight, without those that went."""
    born = {pod.uid: pod.restarts for pod in scene.ready_pods(version.name) if pod.uid not in state.pods}
    there = {pod.uid for pod in scene.pods(version.name)}
    kept = {uid: restarts for uid, restarts in state.pods.items() if uid in there}
    return dict([*kept.items(), *born.items()][:MAX_PODS])


def with_evidence(scene: Scene, state: RolloutState, verdict: Verdict) -> RolloutState:
    """With the evidence of now."""
    evidence, reading = scene.memory.evidence, scene.world.standing
    if evidence is not None:
        # of another moment than the totals they would count something twice, or never
        fits = reading is not None and reading.at == evidence.folded_until
        evidence = evidence.banked(write_entries(reading, evidence.version, state.stable) if fits and reading else None)
    return state.changed(banked=evidence, banked_at=scene.now, verdict=verdict.kind, verdict_message=verdict.message)


def _goes_on(scene: Scene, state: RolloutState, reason: str) -> float | None:
    """Since when it waits already; None where the wait begins now."""
    return None if reason in ABSENT and _seen_again(scene, state) else began(state, reason)


def _seen_again(scene: Scene, state: RolloutState) -> bool:
    """Whether requests were seen since data was missing: metrics that come back without any are half of it."""
    since, evidence = began(state, "NoData"), scene.memory.evidence
    started = state.clock_start is not None
    return started and since is not None and evidence is not None and evidence.seen_at > since


def _not_seen_again(scene: Scene, version: VersionView, state: RolloutState) -> Step | None:
    """A new process misses nothing yet, but what it has not seen is not back, and no step is left on what another one saw."""
    evidence = scene.memory.evidence
    if evidence is None:
        return None
    seen_at = {"NoData": evidence.seen_at, "MetricsUnavailable": evidence.read_at}.get(state.hold_reason)
    if seen_at is not None and state.hold_since is not None and seen_at <= state.hold_since:
        return hold(scene, version, state, state.hold_reason, "nothing has come back")
    if state.clock_start is None or is_fresh(evidence, scene.now):
        return None
    return Step((), 1.0)


def _data_is_back(scene: Scene, version: VersionView, state: RolloutState) -> Step | None:
    if state.hold_reason not in ABSENT:
        return None
    if state.hold_reason == reasons.ROUTE_NOT_ACCEPTED and scene.world.route and not scene.world.route.accepted:
        return None
    since = None if _seen_again(scene, state) else began(state, state.hold_reason)
    freed = _counted(scene, state).changed(hold_reason="", hold_since=None, missing_since=since)
    return Step((_step_goes_on(scene, version, freed),), 1.0)


def _counted(scene: Scene, state: RolloutState) -> RolloutState:
    """With the time of the hold that ends now taken off the step's clock, unless its policy is Continue."""
    policy = {
        "NoData": state.policy.on_no_data, "MetricsUnavailable": state.policy.on_metrics_unavailable
    }.get(state.hold_reason, "")  # fmt: skip
    if state.hold_since is None or policy != "Hold":
        return state
    return state.changed(held_seconds=state.held_seconds + scene.now - state.hold_since)
