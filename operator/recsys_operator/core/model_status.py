"""RecommenderModel.status: derived from the versions, the route and the pods; nothing here is a truth of its own."""

import math

from recsys_api.model_status import PinnedState, RecommenderModelStatus, RolloutSummary, SloSummary
from recsys_api.model_version import Condition
from recsys_operator.core import clock, reasons
from recsys_operator.core.conditions import derive_conditions
from recsys_operator.core.judgement import judge_candidate
from recsys_operator.core.records import with_condition
from recsys_operator.core.requests import ANNOTATION
from recsys_operator.core.rollout_state import RolloutState
from recsys_operator.core.scene import EARLY, Scene
from recsys_operator.core.text import clipped
from recsys_operator.core.world import VersionView

SELECTOR = "recsys.dev/component=serving,recsys.dev/model="


def derive_status(scene: Scene, weight: int) -> RecommenderModelStatus:
    """The status of a scene whose versions are as this pass records them; `weight` is the candidate's."""
    before = scene.model.status
    candidate = scene.candidate
    reason, message = headline(scene)
    conditions: tuple[Condition, ...] = before.conditions
    for condition in derive_conditions(scene):
        conditions = _merged(conditions, condition)
    return before.model_copy(
        update={
            "observed_generation": scene.model.generation,
            "last_action": before.last_action if scene.model.annotations.get(ANNOTATION) else "",
            "stable": _name(scene.stable), "candidate": _name(candidate), "previous": _name(scene.previous),
            "wanted": _name(scene.wanted), "weight": weight, "reason": reason, "message": clipped(message),
            "replicas": sum(view.replicas for view in scene.world.serving.values()),
            "selector": f"{SELECTOR}{scene.world.name}", "conditions": conditions,
            "spec_hash": scene.spec_hash or before.spec_hash, "rollout": summarize(scene), "pinned": _pinned(scene),
        }
    )  # fmt: skip


def headline(scene: Scene) -> tuple[str, str]:
    """One word and a sentence: what matters most now."""
    if (trouble := scene.world.trouble) is not None:
        return trouble.reason, trouble.message
    if scene.model.spec is None:
        return reasons.INVALID_SPEC, scene.model.invalid
    if scene.unmanaged:
        return reasons.UNMANAGED, f"{scene.taken}: the route is observed, not written"
    if scene.pin is not None and scene.pin.version is None:
        return reasons.PINNED if scene.pin.waits else "PinNotFound", scene.pin.refused
    version = leading(scene)
    if version is None:
        return (reasons.SUSPENDED, "spec.suspend is true") if scene.suspended else ("Pending", "no version yet")
    waits = version.status.phase in ("Warming", "Canary", "Baking", "Evaluating") and version.status.reason
    word = version.status.reason if waits or not _on_its_way(version) else version.status.phase
    if _on_its_way(version) and version.status.reason in (*reasons.OF_JOBS, reasons.SUSPENDED):
        word = version.status.reason
    return word or version.status.phase, f"{version.name}: {version.status.message or version.status.phase}"


def leading(scene: Scene) -> VersionView | None:
    """The version that the headline speaks of: the candidate, else the newest of today's spec, else stable."""
    if scene.candidate is not None:
        return scene.candidate
    own = [v for v in scene.versions if v.spec.spec_hash == scene.spec_hash and v.status.phase != "Retired"]
    moving = [v for v in own if _on_its_way(v) or v.status.phase == "Warming"]
    if moving:
        return moving[-1]
    if scene.stable is not None and (not own or own[-1].status.phase in ("NoNewData", "Previous", "Superseded")):
        return scene.stable
    return own[-1] if own else scene.stable


def summarize(scene: Scene) -> RolloutSummary | None:
    """The running rollout, or the last one."""
    version = scene.candidate or _last_rolled(scene)
    state = scene.state(version) if version is not None else None
    if version is None or state is None or not state.ledger:
        return scene.model.status.rollout
    slos = _slos(scene, state)
    worst = max(slos, key=lambda slo: slo.needed, default=SloSummary(name=""))
    return RolloutSummary(
        step=state.current.name if state.current else "", segment=state.segment, n=worst.n, bad=worst.bad,
        needed=worst.needed, lost_events=math.ceil(state.banked.lost) if state.banked is not None else 0,
        verdict=state.verdict if state.verdict != "BothBreach" else "Fail",
        underpowered=state.underpowered, bucket_offset=state.bucket_offset,
        started_at=clock.to_text(state.started_at), slos=slos, events=state.events,
    )  # fmt: skip


def _slos(scene: Scene, state: RolloutState) -> tuple[SloSummary, ...]:
    if state.banked is None:
        return ()
    verdict = judge_candidate(state, state.banked, state.banked_at, state.banked_at)
    return tuple(
        SloSummary(
            name=line.name, n=line.n, bad=line.bad, needed=line.needed,
            verdict="Fail" if line.kind == "BothBreach" else line.kind,
        )
        for line in verdict.lines
    )  # fmt: skip


def _last_rolled(scene: Scene) -> VersionView | None:
    states = [
        (state.started_at, v.spec.number, v) for v in scene.versions if (state := scene.state(v)) and state.ledger
    ]
    return max(states, key=lambda entry: entry[:2])[2] if states else None


def _pinned(scene: Scene) -> PinnedState | None:
    pin = scene.pin
    if pin is None:
        return None
    if pin.version is None:
        return PinnedState(version=pin.wish, phase="Pinning" if pin.waits else "NotFound", source=pin.source)
    there = scene.stable is not None and scene.stable.name == pin.version.name
    return PinnedState(version=pin.version.name, phase="Pinned" if there else "Pinning", source=pin.source)


def _merged(conditions: tuple[Condition, ...], new: Condition) -> tuple[Condition, ...]:
    """Times move only when something was said anew: an unchanged condition stays byte for byte."""
    merged = with_condition(conditions, new)
    old = {condition.type: condition for condition in conditions}.get(new.type)
    fresh = next(condition for condition in merged if condition.type == new.type)
    return conditions if old == fresh else merged


def _on_its_way(version: VersionView) -> bool:
    return version.status.phase in EARLY


def _name(version: VersionView | None) -> str:
    return version.name if version is not None else ""
