"""Rules that canary and bake share, in order: everything that takes weight away or keeps it where it is.

    stale record -> found lowered -> superseded or pinned elsewhere -> pods not ready -> Fail -> BothBreach -> parked
    -> route as intended -> data missing -> clock not started

After these, canary.py and bake.py decide whether a step may be left.
"""

from recsys_operator.core import reasons
from recsys_operator.core.analysis.verdicts import Verdict
from recsys_operator.core.decision import EnsureRoute
from recsys_operator.core.phases.promotion import intent_of, make_stable, raise_route, renew, start_step
from recsys_operator.core.phases.rollback import end_rollout, is_stale, park, recover, route_down
from recsys_operator.core.records import Step, announce, keep, move, wait
from recsys_operator.core.rollout_state import RolloutState
from recsys_operator.core.scene import Scene, same_route
from recsys_operator.core.world import VersionView

BANK_SECONDS = 15.0
PATIENCE_SECONDS = 10.0
"""A gateway takes a moment to accept a route: only after this long it is worth a line in status."""
MISSING = frozenset({"NoData", "MetricsUnavailable"})
WAITS = frozenset({reasons.UNDECIDED, reasons.APPROVAL, reasons.TOO_FEW_SAMPLES, reasons.SCALING})


def state_of(scene: Scene, version: VersionView) -> RolloutState:
    """The state; `unreadable` has made sure that there is one."""
    state = scene.state(version)
    assert state is not None
    return state


def verdict_of(scene: Scene, version: VersionView) -> Verdict:
    """Where the candidate's segment stands."""
    assert scene.candidate == version, "one candidate is judged"
    return scene.verdict


def unreadable(scene: Scene, version: VersionView) -> Step | None:
    """A state that cannot be read is no ground to send users anywhere."""
    if scene.state(version) is not None:
        return None
    message = "status.rollout cannot be read by this operator; upgrade it, then Retry"
    return end_rollout(scene, version, "RolledBack", reasons.STATE_UNREADABLE, message)


def stale(scene: Scene, version: VersionView) -> Step | None:
    """The cache lags behind our own writes: nothing is decided on an old record."""
    return Step((), 1.0) if is_stale(scene, version, scene.state(version)) else None


def found_lowered(scene: Scene, version: VersionView) -> Step | None:
    """The route is below the recorded intent."""
    return recover(scene, version, state_of(scene, version))


def second_candidate(scene: Scene, version: VersionView) -> Step | None:
    """At most one rollout per model: the older one of two ends."""
    if scene.candidate is None or scene.candidate.name == version.name:
        return None
    done = move(scene, version, "Superseded", reasons.OVERTAKEN, f"{scene.candidate.name} is rolled out")
    return Step((done,), 1.0)


def superseded(scene: Scene, version: VersionView) -> Step | None:
    """A pin elsewhere ends every rollout; a change of the spec ends a canary, not a bake."""
    pin = scene.pin
    if pin is not None and pin.version is not None and pin.version.name != version.name:
        return end_rollout(scene, version, "Superseded", reasons.PINNED, f"{pin.version.name} is pinned")
    changed = scene.spec_hash not in ("", version.spec.spec_hash)
    if changed and version.status.phase == "Canary" and pin is None:
        return end_rollout(scene, version, "Superseded", reasons.SPEC_CHANGED, "the spec asks for another model now")
    return None


def pods_not_ready(scene: Scene, version: VersionView) -> Step | None:
    """Fewer ready pods than the weight needs, or one that restarted (its server too) or vanished: weight 0.

    The second time for good.
    """
    state = state_of(scene, version)
    if state.weight == 0:
        return None
    harm = _harm(scene, version, state)
    if not harm:
        return None
    if state.strikes == 0:
        return park(scene, version, state, reasons.CANDIDATE_NOT_READY, harm)
    return end_rollout(
        scene, version, "RolledBack", reasons.CANDIDATE_NOT_READY, f"for the second time: {harm}", verdict="Fail"
    )


def failed(scene: Scene, version: VersionView) -> Step | None:
    """Fail loses all traffic at once; under Manual and Disabled a person decides."""
    state = state_of(scene, version)
    if state.weight == 0 or (verdict := verdict_of(scene, version)).kind != "Fail":
        return None
    if state.policy.rollback.mode != "Auto":
        return _wait_for_person(scene, version, state, verdict)
    return end_rollout(scene, version, "RolledBack", reasons.SLO_FAILED, verdict.message, verdict="Fail")


def both_breach(scene: Scene, version: VersionView) -> Step | None:
    """Both arms breach and no difference is shown: the candidate is the suspect, since stable was healthy before it."""
    state = state_of(scene, version)
    if state.weight == 0 or (verdict := verdict_of(scene, version)).kind != "BothBreach":
        return None
    if state.policy.rollback.mode != "Auto":
        return _wait_for_person(scene, version, state, verdict)
    message = f"{verdict.message}; stable breaches too"
    if state.breaches == 0:
        return park(scene, version, state, reasons.BOTH_BREACH, message)
    return end_rollout(
        scene, version, "RolledBack", reasons.BOTH_BREACH, f"for the second time: {message}", verdict="BothBreach"
    )


def parked(scene: Scene, version: VersionView) -> Step | None:
    """Waiting at weight 0 for the second chance; it ends at holdLimitSeconds in RolledBack."""
    state = state_of(scene, version)
    if state.weight > 0 or state.parked_since is None:
        return None
    if (step := _route_is_down(scene, version, state)) is not None:
        return step
    since = scene.now - state.parked_since
    limit = state.policy.hold_limit_seconds
    stopped = scene.stop() is not None
    if since >= limit and not stopped:
        message = f"{state.verdict_message}; not well again within {limit} s"
        return end_rollout(scene, version, "RolledBack", version.status.reason, message)
    if (step := _ready_again(scene, version, state)) is not None:
        return step
    calm = state.policy.stable_health_seconds
    if stopped or not _well_for(scene, state, calm):
        return Step((), min(calm + 1.0, max(1.0, limit - since)))
    return start_step(scene, version, state, 0)


def route_follows(scene: Scene, version: VersionView) -> Step | None:
    """The recorded intent was not written yet (or somebody raised the route by hand).

    The intent is recorded anew before the route is raised: a stale record conflicts there and raises nothing.
    """
    state = state_of(scene, version)
    route = scene.world.route
    if scene.unmanaged or route is None:
        return None
    intent = intent_of(scene, version, state)
    if same_route(route.intent, intent):
        return None
    rises = state.weight > route.intent.of(version.name)
    act = raise_route(scene, version, state, intent, version.status.reason)
    if not rises:
        return Step((EnsureRoute(act.intent, act.decision, raises=False, urgent=True),), 1.0)
    return Step((keep(version, renew(scene, version, state)), act), 1.0)


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


def pinned_here(scene: Scene, version: VersionView) -> Step | None:
    """Somebody pinned the candidate itself: one route change, no further steps."""
    pin = scene.pin
    if pin is None or pin.version is None or pin.version.name != version.name:
        return None
    if not scene.is_ready(version.name, scene.full_replicas):
        return wait(scene, version, reasons.PINNING, "its pods for all users are not ready yet", 5.0)
    return make_stable(scene, version, reasons.PINNED, "pinned")


def hold(scene: Scene, version: VersionView, state: RolloutState, reason: str, message: str) -> Step:
    """Keep the weight and wait; after holdLimitSeconds the version is RolledBack."""
    limit = state.policy.hold_limit_seconds
    if state.hold_reason != reason or state.hold_since is None:
        # one wait for people or pods may turn into another, but never lasts longer for it
        goes_on = state.hold_reason in WAITS and reason in WAITS
        since = state.hold_since if goes_on and state.hold_since is not None else scene.now
        held = _counted(scene, state).changed(hold_reason=reason, hold_since=since)
        return Step((move(scene, version, version.status.phase, reason, message, state=held),), 1.0)
    left = state.hold_since + limit - scene.now
    if left <= 0:
        return end_rollout(scene, version, "RolledBack", reason, f"{message}; not over after {limit} s")
    return Step((), left)


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
    return Step((keep(version, _banked(scene, state, verdict_of(scene, version))),), BANK_SECONDS)


SAFETY = (
    stale, unreadable, found_lowered, second_candidate, superseded, pods_not_ready, failed, both_breach, parked,
    pinned_here, route_follows,
)  # fmt: skip
"""In this order, before any rule that could raise weight."""

EVIDENCE = (data_missing, clock_not_started)
"""After these a step's time and verdict mean something."""


def _harm(scene: Scene, version: VersionView, state: RolloutState) -> str:
    ready = scene.ready_pods(version.name)
    needed = scene.needed(state, state.weight)
    if len(ready) < needed:
        return f"{len(ready)} of {needed} pods are ready{_words(scene, version)}"
    known = {pod.uid: pod.restarts for pod in scene.pods(version.name)}
    for uid, restarts in state.pods.items():
        if known.get(uid, restarts) > restarts:
            return f"a pod restarted{_words(scene, version)}"
    evidence = scene.memory.evidence
    if evidence is not None and evidence.segment == state.segment and evidence.server_restarts:
        return "tritonserver restarted in a pod"
    serving = scene.serving(version.name)
    if not (serving is not None and serving.has_autoscaler) and any(uid not in known for uid in state.pods):
        return "a pod vanished"
    return ""


def _words(scene: Scene, version: VersionView) -> str:
    said = [pod.waiting or pod.last_terminated or pod.unschedulable for pod in scene.pods(version.name)]
    found = next((words for words in said if words), "")
    return f" ({found})" if found else ""


def _wait_for_person(scene: Scene, version: VersionView, state: RolloutState, verdict: Verdict) -> Step:
    """Manual tells of it in an event too, once; Disabled only in status. No limit: that is what the mode asks for.

    The message counts events, so it moves every second: it is written anew with the bank, not by itself.
    """
    known = version.status.reason == reasons.MANUAL_ROLLBACK
    due = state.banked_at + BANK_SECONDS - scene.now
    if known and due > 0:
        return Step((), due)
    message = f"{verdict.message}; rollback.mode is {state.policy.rollback.mode}: create a Rollback action"
    if known and message == version.status.message:
        return Step((), BANK_SECONDS)
    done = keep(version, _banked(scene, state, verdict), reason=reasons.MANUAL_ROLLBACK, message=message)
    if known or state.policy.rollback.mode == "Disabled":
        return Step((done,), BANK_SECONDS)
    return Step((done, announce(version, reasons.MANUAL_ROLLBACK, message, warning=True)), BANK_SECONDS)


def _banked(scene: Scene, state: RolloutState, verdict: Verdict) -> RolloutState:
    """With the evidence of now."""
    return state.changed(
        banked=scene.memory.evidence, banked_at=scene.now, verdict=verdict.kind, verdict_message=verdict.message
    )


def _route_is_down(scene: Scene, version: VersionView, state: RolloutState) -> Step | None:
    if scene.weight_of(version.name) == 0 and scene.world.route is not None:
        return None
    acts = route_down(scene, version, state.segment, verdict="", reason=version.status.reason, outcome="Parked")
    return Step(acts, 1.0) if acts else None


def _ready_again(scene: Scene, version: VersionView, state: RolloutState) -> Step | None:
    """Note since when the pods are ready without a restart."""
    ready = scene.is_ready(version.name, scene.needed(state, state.steps[0].weight))
    pods = {pod.uid: pod.restarts for pod in scene.ready_pods(version.name)}
    same = all(pods.get(uid) == restarts for uid, restarts in state.pods.items())
    if ready and state.ready_at is not None and same:
        return None
    if not ready and state.ready_at is None:
        return None
    changed = state.changed(ready_at=scene.now if ready else None, pods=pods)
    return Step((keep(version, changed),), 1.0)


def _well_for(scene: Scene, state: RolloutState, calm: int) -> bool:
    if state.ready_at is None or scene.now - state.ready_at < calm:
        return False
    health = scene.health
    if calm == 0:
        return True
    return health is not None and health.was_well(state.stable, calm, scene.now)


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
