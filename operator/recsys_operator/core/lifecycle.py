"""decide: one frozen picture of a model in, the next acts out.

    Pending -> Preparing -> Training -> Evaluating -> Warming -> Canary(step i) -> Baking -> Stable -> Previous -> Retired
                  |            |            |            |            |              |
               Invalid      Failed      Rejected      Failed      RolledBack     RolledBack     (Superseded: overtaken)
               NoNewData                                          parked at 0 -> Canary(first step), once

The first version goes from Warming to Stable. A version that was served before goes from Previous to Stable in one route
change, or from Retired or Superseded to Warming; it is never trained again. Every arrow is a rule in `phases/`, one file
per phase; every wait says when it ends.

`rollback.mode`: Auto takes all traffic from a version that fails; under Manual a Fail holds the rollout, with an event,
until a person acts; under Disabled the same without the event. Pods that are not ready lose their traffic under all three.

Order within a pass: what people ask for and what takes weight away, then capacity, then everything that raises weight,
then records that nothing depends on. What changes something for a person has a pass of its own. The reconciler stops at
the first act that fails. The model's status is derived anew in each pass and written in one that writes nothing else,
unless it holds the answer to a person (`decision.may_wait`).
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from recsys_operator.core import records
from recsys_operator.core.actions import decide_request, pending_requests
from recsys_operator.core.analysis.evidence import Evidence, before, fold_evidence
from recsys_operator.core.analysis.health import Health, fold_health
from recsys_operator.core.analysis.takeover import take_over
from recsys_operator.core.decision import Act, Decision, EnsureRoute, RecordModel, RecordVersion
from recsys_operator.core.judgement import objectives_of
from recsys_operator.core.memory import Memory
from recsys_operator.core.model_status import derive_status
from recsys_operator.core.phases import (
    absence,
    bake,
    canary,
    cleanup,
    creation,
    evaluating,
    preparing,
    serving,
    serving_versions,
    training,
    warming,
)
from recsys_operator.core.phases.promotion import SETTLE_SECONDS
from recsys_operator.core.records import Step
from recsys_operator.core.requests import Answer
from recsys_operator.core.rollout_state import RolloutState
from recsys_operator.core.samples import VersionSecond
from recsys_operator.core.scene import ROLLING, Scene
from recsys_operator.core.unreadable import leave_alone
from recsys_operator.core.world import Trouble, VersionView, World

PHASES: dict[str, Callable[[Scene, VersionView], Step]] = {
    "Pending": preparing.decide_pending,
    "Preparing": preparing.decide_preparing,
    "Training": training.decide_training,
    "Evaluating": evaluating.decide_evaluating,
    "Warming": warming.decide_warming,
    "Canary": canary.decide_canary,
    "Baking": bake.decide_bake,
    "Stable": serving_versions.decide_stable,
    "Previous": serving_versions.decide_previous,
}
FIRST = ("Canary", "Baking", "Warming", "Previous", "Stable")
"""Versions with traffic come first, and whoever takes it over before the one that gives it up."""
SAMPLE_SECONDS = 1.0
"""Where samples are taken, each brings a pass."""
LONGEST_SECONDS = 300.0
"""Everything is looked at again after this long, whatever was missed."""


def decide(world: World, now: float, memory: object = None) -> Decision:
    """What is to be done.

    Args:
        world: the picture; nothing else is looked at.
        now: seconds since the epoch.
        memory: `Decision.memory` of this process's last decision about this model; None after a restart.
    """
    known = memory if isinstance(memory, Memory) else Memory(since=now, first=True)
    known = replace(known, since=min(known.since, now))
    if world.model is None or world.model.deleting:
        step = cleanup.decide_model_gone(world, now)
        return Decision(step.acts, memory=known, requeue_after=step.after)
    if (said := leave_alone(world, world.model)) is not None:
        return Decision(said.acts, memory=known, requeue_after=said.after)
    scene = Scene(world, now, known)
    scene = replace(scene, memory=_fold(scene, known))
    return _decide(scene)


def tell_trouble(world: World, now: float, trouble: Trouble, memory: object = None) -> tuple[Act, ...]:
    """What is to be recorded when an act was refused: nothing but the model's status, which says so until a pass ends well."""
    if world.model is None or world.model.deleting or leave_alone(world, world.model) is not None:
        return ()
    known = memory if isinstance(memory, Memory) else Memory()
    return _record_model(Scene(replace(world, trouble=trouble), now, known), (), Answer(""))


def _decide(scene: Scene) -> Decision:
    requests = pending_requests(scene)
    answer = decide_request(scene, requests[0]) if requests else Answer("")
    # what only the model's status remembers is written before it is called done
    early, late = ((), answer.finish) if answer.model else (answer.finish, ())
    steps = [Step((*answer.acts, *early), 0.0 if len(requests) > 1 else None)]
    touched = _touched(answer.acts)
    for version in _in_order(scene):
        if version.name in touched:
            continue
        step = _phase_step(scene, version)
        steps.append(step)
        touched |= _touched(step.acts)
    if not _writes_route(steps):
        steps.append(serving_versions.decide_traffic(scene))
    capacity = [serving.decide_keys(scene), *(serving.decide_serving(scene, version) for version in scene.versions)]
    rest = [creation.decide_creation(scene), creation.decide_pruning(scene), cleanup.decide_expired_actions(scene)]
    rest += [cleanup.decide_old_evaluations(scene, version) for version in scene.versions]
    if not _writes_route(steps):
        rest.append(serving_versions.decide_stable_service(scene))
    if answer.model or answer.acts:
        # it waits for nothing that may be refused, and the rest is decided on it: another pass follows at once
        steps, capacity, rest = [step for step in steps if step is steps[0] or _is_urgent(step)], [], []
    acts = serving_versions.follow_route(scene, _ordered(scene, steps, capacity, rest))
    after = min([step.after for step in (*steps, *capacity, *rest) if step.after is not None], default=LONGEST_SECONDS)
    after = min(max(0.0, after), LONGEST_SECONDS)
    return Decision(
        acts=(*acts, *_record_model(scene, acts, answer), *late), sample=_sample(scene),
        memory=absence.remember_pass(scene, _projected(scene, acts, answer), SAMPLE_SECONDS if _sample(scene) else after),
        requeue_after=after, observations=_observe(scene),
    )  # fmt: skip


def _phase_step(scene: Scene, version: VersionView) -> Step:
    """The step of one version: overtaken or judged anew, else what its phase says."""
    if (step := creation.decide_overtaken(scene, version)) is not None:
        return step
    if version.status.phase == "Warming" and (step := evaluating.decide_gates_changed(scene, version)) is not None:
        return step
    return PHASES.get(version.status.phase, serving_versions.decide_ended)(scene, version)


def _in_order(scene: Scene) -> list[VersionView]:
    rank = {phase: place for place, phase in enumerate(FIRST)}
    return sorted(scene.versions, key=lambda v: (rank.get(v.status.phase, len(FIRST)), v.spec.number))


def _ordered(scene: Scene, steps: list[Step], capacity: list[Step], rest: list[Step]) -> tuple[Act, ...]:
    """Safety, capacity, progress, the rest; records that change nothing are dropped."""
    safe = [step for step in steps if _is_urgent(step)]
    others = [step for step in steps if not _is_urgent(step)]
    acts = [act for step in (*safe, *capacity, *others, *rest) for act in step.acts]
    statuses = {version.name: version.status for version in scene.versions}
    return tuple(a for a in acts if not (isinstance(a, RecordVersion) and records.changes_nothing(a, statuses)))


def _is_urgent(step: Step) -> bool:
    return any(isinstance(act, EnsureRoute) and act.urgent for act in step.acts)


def _writes_route(steps: Iterable[Step]) -> bool:
    return any(isinstance(act, EnsureRoute) for step in steps for act in step.acts)


def _touched(acts: Iterable[Act]) -> set[str]:
    return {act.name for act in acts if isinstance(act, RecordVersion)}


def _record_model(scene: Scene, acts: tuple[Act, ...], answer: Answer) -> tuple[Act, ...]:
    """The derived status as it is after this pass's records, if it differs."""
    after = _projected(scene, acts, answer)
    candidate = after.candidate
    state = after.state(candidate) if candidate is not None else None
    intent = state.weight if state is not None else 0
    written = any(isinstance(act, EnsureRoute) for act in acts)
    weight = intent
    if candidate is not None and not written:
        given = scene.weight_of(candidate.name)
        weight = given if scene.unmanaged else min(intent, given)
    status = derive_status(after, weight)
    if status == scene.model.status:
        return ()
    return (RecordModel(scene.model.resource_version, status, derived=not answer.model),)


def _projected(scene: Scene, acts: tuple[Act, ...], answer: Answer) -> Scene:
    changed = {act.name: act.status for act in acts if isinstance(act, RecordVersion)}
    versions = tuple(replace(v, status=changed.get(v.name, v.status)) for v in scene.world.versions)
    model = replace(scene.model, status=scene.model.status.model_copy(update=dict(answer.model)))
    return Scene(replace(scene.world, versions=versions, model=model), scene.now, scene.memory)


def _fold(scene: Scene, memory: Memory) -> Memory:
    """Add the new seconds to what is known about the candidate's segment and about stable's health."""
    candidate = scene.candidate
    state = scene.state(candidate) if candidate is not None else None
    evidence = None
    if candidate is not None and state is not None and state.weight > 0:
        evidence = _fold_evidence(scene, memory, candidate, state)
    health = _fold_health(scene, memory.health, state)
    return replace(memory.after(_until(scene), scene.now), first=False, evidence=evidence, health=health)


def _fold_evidence(scene: Scene, memory: Memory, candidate: VersionView, state: RolloutState) -> Evidence:
    known, world = _known_evidence(scene, memory.evidence, candidate, state), scene.world
    if memory.first:
        known = known.model_copy(update={"inherited": True})
    objectives, since = objectives_of(state), world.samples_since or 0.0
    if known.inherited and world.begun is not None:
        # seconds since then that are no longer kept are lost with what came before them
        whole = bool(world.seconds) and world.seconds[0].at <= world.begun.at
        known = known if whole else known.model_copy(update={"entries": None})
        known = take_over(known, state.stable, objectives, world.begun, min(since, scene.now))
    waits = known.inherited and known.entries is not None
    return fold_evidence(known, state.stable, objectives, _until(scene), 0.0 if waits else since)


def _until(scene: Scene) -> list[VersionSecond]:
    """The seconds up to now: a clock that was set back has left others."""
    return [second for second in scene.world.seconds if second.at <= scene.now]


def _known_evidence(scene: Scene, remembered: Evidence | None, candidate: VersionView, state: RolloutState) -> Evidence:
    latest = scene.now + SETTLE_SECONDS
    own = [
        known
        for known in (remembered, state.banked)
        if known is not None and (known.version, known.segment) == (candidate.name, state.segment)
    ]
    # an intent that was recorded anew has begun later: what was seen before is no evidence
    begun = max((k for k in own if k.since <= latest), key=lambda known: known.since, default=None)
    fresh = Evidence(version=candidate.name, segment=state.segment, since=state.segment_at + SETTLE_SECONDS)
    found = begun or next(iter(own), fresh)
    looked = found.looked_at(own[-1]) if own and own[-1].since == found.since else found
    return before(looked, scene.now, latest)


def _fold_health(scene: Scene, health: Health | None, state: RolloutState | None) -> Health | None:
    waiting = next((scene.state(v) for v in scene.versions if v.status.phase == "Warming" and scene.state(v)), None)
    rollout = state or waiting
    if scene.stable is None or rollout is None:
        return None
    if health is not None and health.folded_until > scene.now:
        health = None
    return fold_health(health, scene.stable.name, objectives_of(rollout), _until(scene))


def _sample(scene: Scene) -> tuple[str, ...]:
    """Stable and candidate while one is compared with the other; a candidate whose stable version was deleted alone."""
    rolled = [v for v in scene.versions if v.status.phase in ROLLING]
    rolled += [v for v in scene.versions if v.status.phase == "Warming" and warming.begun(scene, v)]
    if not rolled or (scene.stable is None and rolled[0].status.phase not in ROLLING):
        return ()
    return tuple(version.name for version in (scene.stable, rolled[0]) if version is not None)


def _observe(scene: Scene) -> dict[str, float]:
    candidate = scene.candidate
    state = scene.state(candidate) if candidate is not None else None
    return {
        "candidate_weight_percent": float(scene.weight_of(candidate.name)) if candidate is not None else 0.0,
        "rollout_segment": float(state.segment) if state is not None else 0.0,
        "rollbacks": float(sum(version.status.quarantined for version in scene.versions)),
        "paused": float(bool(scene.paused)),
        "unmanaged": float(scene.unmanaged),
        "versions": float(len(scene.versions)),
    }
