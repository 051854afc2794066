"""What people ask for: ModelActions and the annotation recsys.dev/action, each carried out once.

Precedence: the spec's pin, then the newest action, then the automatic. Rollback and Abort go before everything else that
waits. What came before what is told by resourceVersions, not by the clocks of several machines. A request marks the version
that it changed, in the same write, so that a crash before the action's own record does not carry it out twice; the
annotation's value is remembered in the model's status, with how many there were, because the same value can be asked for
again after another one. What only that status remembers is carried out beside nothing but what takes weight away, and called
done after it is written.

    Rollback   canary or bake: weight 0, RolledBack; else stable goes back to previous in one route change. Never blocked.
    Abort      weight 0, Superseded, not quarantined      Approve   the running step may be left
    Promote    100 % and bake; in the bake: Stable; a gate in doubt: passed (promoting.py)
    Retry      takes back a rollback, a failure or an abort   Retrain   another version of today's spec
    Pause, Resume, Pin, Unpin   kept in the model's status
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import get_args

from recsys_api.model_action import WITHOUT_VERSION, ModelActionStatus, Verb
from recsys_api.model_status import PinnedState
from recsys_api.model_version import Phase
from recsys_operator.core import clock, reasons
from recsys_operator.core.decision import Act, Announce, EnsureRoute, RecordAction
from recsys_operator.core.lineage import passed_gates
from recsys_operator.core.phases.creation import create_version
from recsys_operator.core.phases.rollback import describe_decision, end_rollout, fallback_of
from recsys_operator.core.pins import never_pinned
from recsys_operator.core.promoting import promote
from recsys_operator.core.records import announce, keep, move, request_condition, was_requested
from recsys_operator.core.requests import (
    ANNOTATION,
    Answer,
    Request,
    asked_at,
    ended_since,
    find_running,
    mark,
    refuse,
    refuse_running,
)
from recsys_operator.core.scene import ROLLING, Scene
from recsys_operator.core.text import clipped, remembered
from recsys_operator.core.world import RouteIntent, VersionView

VERBS: tuple[str, ...] = get_args(Verb)
URGENT = ("Rollback", "Abort", "Pause")


def pending_requests(scene: Scene) -> tuple[Request, ...]:
    """What is still to be carried out: towards safety first, then by age."""
    found = [
        Request(a.uid, a.spec.verb, a.spec.version or "", a.spec.requested_by or "", a.spec.reason or "", a)
        for a in sorted(scene.world.actions, key=lambda a: (asked_at(a), a.name))
        if a.status.phase == "Pending"
    ]
    if (annotated := _annotated(scene)) is not None:
        found.append(annotated)
    return tuple(sorted(found, key=lambda request: request.verb not in URGENT))


def decide_request(scene: Scene, request: Request) -> Answer:
    """Carry one request out, and finish its record."""
    if any(was_requested(version, request.key) for version in scene.versions):
        answer = Answer("carried out")
    elif request.verb not in HANDLERS:
        answer = refuse(f"{request.verb!r} is not a verb; use one of {', '.join(VERBS)}")
    elif request.verb in WITHOUT_VERSION and request.version:
        answer = refuse(f"version {request.version} would be ignored by {request.verb}; remove it")
    else:
        answer = HANDLERS[request.verb](scene, request)
    model = dict(answer.model)
    if request.action is None:
        value = remembered(scene.model.annotations[ANNOTATION])
        model |= {"last_action": value, "action_count": scene.model.status.action_count + 1}
    return replace(answer, model=model, finish=_finish(scene, request, answer))


def _annotated(scene: Scene) -> Request | None:
    value, before = scene.model.annotations.get(ANNOTATION, ""), scene.model.status
    known = remembered(value)
    if not value or known == before.last_action:
        return None
    wish = value.partition("#")[0]
    verb, _, version = wish.partition("/")
    return Request(
        f"annotation:{scene.model.uid}:{before.action_count}:{known}", verb.strip(), version.strip(), "annotation"
    )


def _finish(scene: Scene, request: Request, answer: Answer) -> tuple[Act, ...]:
    said = Announce(f"{request.verb[:40]}{'Refused' if answer.refused else 'Done'}", answer.message, answer.refused)
    if request.action is None:
        return (said,)
    status = ModelActionStatus(
        phase="Refused" if answer.refused else "Done",
        message=clipped(answer.message),
        finished_at=clock.to_text(scene.now),
    )
    return (RecordAction(request.action.name, request.action.resource_version, status), said)


def _rollback(scene: Scene, request: Request) -> Answer:
    candidate, stable = scene.candidate, scene.stable
    if candidate is not None and request.version in ("", candidate.name):
        return _end(scene, request, candidate, "RolledBack")
    if stable is None or request.version not in ("", stable.name):
        who = f"{request.version} has no" if request.version else "no version has"
        return refuse(f"{who} traffic that could be rolled back")
    if (other := ended_since(scene, request)) is not None:
        ended = "rolled back" if other.status.phase == "RolledBack" else "superseded"
        return refuse(f"{other.name} was {ended} after this was asked for; to roll {stable.name} back too, name it")
    if scene.previous is None:
        return refuse(f"no previous version of {stable.name} is loaded; use Pin with the version that you want")
    return _rollback_stable(scene, request, stable, scene.previous)


def _end(scene: Scene, request: Request, version: VersionView, phase: Phase) -> Answer:
    """End a canary or bake."""
    if not fallback_of(scene, version):
        return refuse(f"there is no version that the users of {version.name} could fall back to")
    bad = phase == "RolledBack"
    reason = reasons.REQUESTED if bad else reasons.ABORTED
    step = end_rollout(scene, version, phase, reason, request.who, request=request.key, verb=request.verb)
    return Answer(f"{version.name} was {'rolled back' if bad else 'aborted'}{_unmoved(scene)}", step.acts)


def _rollback_stable(scene: Scene, request: Request, stable: VersionView, previous: VersionView) -> Answer:
    state = scene.state(stable)
    intent = RouteIntent(previous.name)
    decision = describe_decision(
        scene, stable, intent, state.segment if state is not None else 0,
        reason=reasons.REQUESTED, outcome="RolledBack", request=request.key,
    )  # fmt: skip
    acts: list[Act] = [] if scene.unmanaged else [EnsureRoute(intent, decision, raises=False, urgent=True)]
    if scene.candidate is not None:
        acts.append(move(scene, scene.candidate, "Superseded", reasons.REQUESTED, f"{stable.name} was rolled back"))
    acts += [
        move(
            scene, stable, "RolledBack", reasons.REQUESTED, f"{request.who}{_unmoved(scene)}", quarantined=True,
            condition=request_condition(scene, request.verb, request.key),
        ),
        move(scene, previous, "Stable", reasons.RESTORED, f"{stable.name} was rolled back"),
        announce(stable, reasons.REQUESTED, f"rolled back to {previous.name}, {request.who}{_unmoved(scene)}", warning=True),
    ]  # fmt: skip
    return Answer(f"{stable.name} was rolled back to {previous.name}{_unmoved(scene)}", tuple(acts))


def _unmoved(scene: Scene) -> str:
    return f"; {scene.taken}: change the HTTPRoute's weights yourself" if scene.unmanaged else ""


def _abort(scene: Scene, request: Request) -> Answer:
    version = find_running(scene, request)
    if version is None:
        return refuse_running(request)
    if version.status.phase in ROLLING:
        return _end(scene, request, version, "Superseded")
    condition = request_condition(scene, request.verb, request.key)
    done = move(scene, version, "Superseded", reasons.ABORTED, request.who, condition=condition)
    return Answer(f"{version.name} was aborted", (done, announce(version, reasons.ABORTED, request.who)))


def _approve(scene: Scene, request: Request) -> Answer:
    version = scene.candidate
    state = scene.state(version) if version is not None else None
    if version is None or state is None or state.current is None or request.version not in ("", version.name):
        return refuse("no step of a rollout waits for an approval")
    if state.current.approval != "Required":
        return refuse(
            f"step {state.current.name} of {version.name} asks for no approval: it is left when its evidence or its time allows; "
            "a Promote does not wait"
        )
    approved = state.changed(approvals=tuple(dict.fromkeys((*state.approvals, state.current.name))))
    done = keep(version, approved, conditions=mark(scene, version, request))
    return Answer(f"step {state.current.name} of {version.name} is approved", (done,))


def _retry(scene: Scene, request: Request) -> Answer:
    version = scene.version(request.version) if request.version else _newest_ended(scene)
    if version is None:
        return refuse(f"there is no version {request.version or 'to retry'}")
    status = version.status
    if not (status.quarantined or status.phase in ("Failed", "Invalid", "Rejected", "Superseded")):
        return refuse(f"{version.name} is {status.phase}: there is nothing to retry")
    condition = request_condition(scene, request.verb, request.key)
    message = request.who
    if passed_gates(version):
        done = move(scene, version, "Superseded", reasons.RETRYING, message, condition=condition, quarantined=False)
    elif status.digest:
        attempts = _one_more(status.attempts, "evaluate")
        done = move(scene, version, "Evaluating", reasons.RETRYING, message, condition=condition, attempts=attempts,
                    quarantined=False)  # fmt: skip
    else:
        attempts = _one_more(_one_more(status.attempts, "prepare"), "train")
        done = move(scene, version, "Pending", reasons.RETRYING, message, condition=condition, attempts=attempts,
                    quarantined=False)  # fmt: skip
    return Answer(f"{version.name} is tried again", (done, announce(version, reasons.RETRYING, message)))


def _retrain(scene: Scene, request: Request) -> Answer:
    if scene.model.spec is None:
        return refuse(f"the spec is not valid: {scene.model.invalid}")
    return Answer("another version of the spec is made", create_version(scene, f"action/{request.key}"))


def _pause(scene: Scene, request: Request) -> Answer:
    return Answer("no weight is raised until Resume", model={"paused_by": request.by or request.key})


def _resume(scene: Scene, request: Request) -> Answer:
    if scene.model.spec is not None and scene.model.spec.rollout.paused:
        return Answer("resumed, but spec.rollout.paused is true: remove it there", model={"paused_by": ""})
    return Answer("weight may be raised again", model={"paused_by": ""})


def _pin(scene: Scene, request: Request) -> Answer:
    known = next((v for v in scene.versions if request.version in (v.name, v.status.digest)), None)
    if known is None or not request.version:
        return refuse(f"there is no version {request.version!r}; kubectl get modelversions shows them")
    if scene.pin is not None and scene.pin.source == "Spec":
        return refuse("spec.rollout.pinnedVersion is set and wins; change it there")
    if why := never_pinned(known):
        return refuse(why)
    pinned = PinnedState(version=known.name, phase="Pinning", source="Action")
    return Answer(f"{known.name} is pinned", model={"pinned": pinned})


def _unpin(scene: Scene, request: Request) -> Answer:
    if scene.pin is not None and scene.pin.source == "Spec":
        return refuse("spec.rollout.pinnedVersion is set; remove it there")
    return Answer("nothing is pinned", model={"pinned": None})


HANDLERS: Mapping[str, Callable[[Scene, Request], Answer]] = {
    "Rollback": _rollback, "Abort": _abort, "Promote": promote, "Approve": _approve, "Retry": _retry,
    "Retrain": _retrain, "Pause": _pause, "Resume": _resume, "Pin": _pin, "Unpin": _unpin,
}  # fmt: skip


def _newest_ended(scene: Scene) -> VersionView | None:
    ended = [v for v in scene.versions if v.status.quarantined or v.status.phase in ("Failed", "Invalid", "Rejected")]
    return ended[-1] if ended else None


def _one_more(attempts: Mapping[str, int], stage: str) -> dict[str, int]:
    return {**attempts, stage: max(1, attempts.get(stage, 1)) + 1}
