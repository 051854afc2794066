"""Towards safety: the route first, then the record, then the event; nothing here scales down or deletes.

    end_rollout   weight 0 for good: RolledBack (quarantined) or Superseded
    park          weight 0 for now: the pods were not ready, or both arms breached; one second chance
    recover       the route was found below its recorded intent: recorded as what the route's annotation says

The annotation of the route carries version, verdict, reason, segment and outcome, so that a crash between the two writes
loses nothing but time.
"""

from recsys_api.model_version import Phase
from recsys_operator.core import clock, reasons
from recsys_operator.core.decision import Act, EnsureRoute
from recsys_operator.core.records import Step, announce, move, note, request_condition, wait
from recsys_operator.core.rollout_state import RolloutState
from recsys_operator.core.scene import Scene
from recsys_operator.core.text import clipped
from recsys_operator.core.world import RouteIntent, RouteView, VersionView

STALE_SECONDS = 60.0
"""A route that speaks of a newer segment than the record: the record is a stale read for so long at most."""

ALONE = (
    "no other version is loaded that could take its users, so it keeps them; create a Promote action to make it stable, or a "
    "Pin action that names a version that was served before"
)


def fallback_of(scene: Scene, version: VersionView) -> str:
    """Where the traffic of a candidate goes back to; empty where there is nothing."""
    state = scene.state(version)
    recorded = scene.version(state.stable) if state is not None else None
    for other in (recorded, scene.stable, scene.previous):
        if other is not None and other.name != version.name and not other.status.quarantined:
            return other.name
    return ""


def describe_decision(
    scene: Scene, version: VersionView, intent: RouteIntent, segment: int, *,
    verdict: str = "", reason: str = "", outcome: str = "", request: str = "",
) -> dict[str, object]:  # fmt: skip
    """The annotation recsys.dev/decision."""
    found: dict[str, object] = {
        "weight": intent.weight, "candidate": intent.candidate, "stable": intent.stable, "version": version.name,
        "verdict": verdict, "reason": reason, "segment": segment, "bucketOffset": intent.bucket_offset,
        "at": clock.to_precise_text(scene.now),
    }  # fmt: skip
    extra = {"outcome": outcome, "request": request}
    return found | {key: value for key, value in extra.items() if value}


def route_down(
    scene: Scene, version: VersionView, segment: int, *, verdict: str, reason: str, outcome: str, request: str = ""
) -> tuple[Act, ...] | None:
    """The urgent route write that takes a candidate's weight; None where there is nothing to fall back to."""
    stable = fallback_of(scene, version)
    if not stable:
        return None
    if scene.unmanaged:
        return ()
    intent = RouteIntent(stable)
    decision = describe_decision(
        scene, version, intent, segment, verdict=verdict, reason=reason, outcome=outcome, request=request
    )
    return (EnsureRoute(intent, decision, raises=False, urgent=True),)


def describe_alone(scene: Scene, version: VersionView) -> str:
    """What a person can do where nobody could take its users, and who gets no answer until then."""
    state = scene.state(version)
    if state is None or not state.stable or not 0 < state.weight < 100:
        return ALONE
    if scene.version(state.stable) is not None or scene.ready_pods(state.stable):
        return ALONE
    return f"{ALONE}; {100 - state.weight} % of the users are those of {state.stable}, which was deleted: they get no answer"


def nobody_else(scene: Scene, version: VersionView, reason: str) -> Step:
    """It would end for this reason, but nobody could take its users: told once, and a person decides."""
    message = f"{reason}: {describe_alone(scene, version)}"
    step = wait(scene, version, reasons.NO_FALLBACK, message, 30.0)
    if not step.acts or version.status.reason == reasons.NO_FALLBACK:
        return step
    return Step((*step.acts, announce(version, reasons.NO_FALLBACK, message, warning=True)), step.after)


def unmoved(scene: Scene, version: VersionView) -> str:
    """What to do about users who cannot be moved, because a person has the route; empty where there is nothing to do."""
    if not scene.unmanaged or not scene.weight_of(version.name):
        return ""
    stable = fallback_of(scene, version)
    return f"; {scene.taken}: set the weight of {version.name} in the HTTPRoute to 0 in favour of {stable} yourself"


def end_rollout(
    scene: Scene, version: VersionView, phase: Phase, reason: str, message: str, *,
    verdict: str = "", request: str = "", verb: str = "", after_route: bool = False,
) -> Step:  # fmt: skip
    """End a canary or bake: RolledBack is quarantined, Superseded is not.

    Args:
        after_route: the route is down already, only the record is missing.
    """
    state = scene.state(version)
    segment = state.segment if state is not None else 0
    route: tuple[Act, ...] | None = ()
    if not after_route:
        route = route_down(scene, version, segment, verdict=verdict, reason=reason, outcome=phase, request=request)
    if route is None:
        return nobody_else(scene, version, reason)
    bad = phase == "RolledBack"
    message += unmoved(scene, version)
    ended = _ended(scene, state, reason, message, verdict) if state is not None else None
    quarantine = {"quarantined": True} if bad else {}
    done = move(
        scene,
        version,
        phase,
        reason,
        message,
        state=ended,
        condition=request_condition(scene, verb, request),
        **quarantine,
    )
    return Step((*route, done, announce(version, reason, message, warning=bad)))


def park(
    scene: Scene, version: VersionView, state: RolloutState, reason: str, message: str, *, after_route: bool = False
) -> Step:
    """Weight 0 now; the steps start once more after stable and pods were well for stableHealthSeconds."""
    route: tuple[Act, ...] | None = ()
    if state.promoted:
        message = f"{message}; its Promote ends with that"
    if not after_route:
        route = route_down(scene, version, state.segment, verdict=reason, reason=reason, outcome="Parked")
    if route is None:
        return nobody_else(scene, version, reason)
    message += unmoved(scene, version)
    parked = state.unheld(
        weight=0, step=-1, clock_start=None, held_seconds=0.0, banked=None, parked_since=scene.now, ready_at=None, promoted=False,
        strikes=state.strikes + (reason == reasons.CANDIDATE_NOT_READY),
        breaches=state.breaches + (reason == reasons.BOTH_BREACH),
        verdict="BothBreach" if reason == reasons.BOTH_BREACH else "",
        verdict_message=clipped(message),
    )  # fmt: skip
    parked = note(scene, parked, reason, message, 0)
    done = move(scene, version, "Canary", reason, message, state=parked)
    return Step((*route, done, announce(version, reason, message, warning=True)))


def recover(scene: Scene, version: VersionView, state: RolloutState) -> Step | None:
    """A route below the recorded intent: never raised again without a newer intent, but recorded."""
    route = scene.world.route
    if state.weight == 0 or scene.unmanaged or not fallback_of(scene, version):
        return None
    if route is None:
        message = "the HTTPRoute is gone; all traffic goes to stable when it is written again"
        return end_rollout(scene, version, "RolledBack", reasons.RECOVERED, message)
    decision = route.decision
    mine = decision.get("version") == version.name and _segment(decision) == state.segment
    if route.intent.of(version.name) >= state.weight or not (mine or _lowered_by_hand(route, version)):
        return None
    reason, outcome = str(decision.get("reason", "")), decision.get("outcome")
    request = str(decision.get("request", ""))
    if outcome == "Parked":
        return park(scene, version, state, reason, "recorded after the route had been lowered", after_route=True)
    if outcome == "Superseded":
        return end_rollout(
            scene, version, "Superseded", reason, "recorded after the route had been lowered",
            request=request, after_route=True,
        )  # fmt: skip
    message = f"the route was found lowered ({reason or 'by somebody else'})"
    return end_rollout(
        scene, version, "RolledBack", reasons.RECOVERED, message, verdict=str(decision.get("verdict", "")),
        request=request, after_route=outcome == "RolledBack" and route.intent.weight == 0,
    )  # fmt: skip


def _lowered_by_hand(route: RouteView, version: VersionView) -> bool:
    """Whether it has less than its route was last written with: also where a later raise was recorded and not yet written."""
    decision, weight = route.decision, route.decision.get("weight")
    own = (decision.get("version"), decision.get("candidate")) == (version.name, version.name)
    return own and isinstance(weight, int) and route.intent.of(version.name) < weight


def is_stale(scene: Scene, version: VersionView, state: RolloutState | None) -> bool:
    """Whether the route speaks of a newer segment than the record that was read: then the record is an old one."""
    route = scene.world.route
    if route is None or route.decision.get("version") != version.name:
        return False
    # by a clock that was a little ahead too
    young = abs(scene.now - clock.to_seconds(str(route.decision.get("at", "")))) < STALE_SECONDS
    return young and _segment(route.decision) > (state.segment if state is not None else 0)


def _ended(scene: Scene, state: RolloutState, reason: str, message: str, verdict: str) -> RolloutState:
    evidence = scene.memory.evidence
    banked = evidence if evidence is not None and evidence.segment == state.segment else state.banked
    ended = state.unheld(
        weight=0, clock_start=None, parked_since=None, banked=banked,
        verdict=verdict if verdict in ("Fail", "BothBreach", "NoData", "MetricsUnavailable", "Undecided") else "",
        verdict_message=clipped(message),
    )  # fmt: skip
    return note(scene, ended, reason, message, 0)


def _segment(decision: object) -> int:
    value = decision.get("segment", 0) if hasattr(decision, "get") else 0
    return value if isinstance(value, int) else 0
