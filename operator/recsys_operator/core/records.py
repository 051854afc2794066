"""Building blocks of rules: a step (acts and when to look again) and the records that acts carry."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from recsys_api.model_status import RolloutEvent
from recsys_api.model_version import Condition, ModelVersionStatus, Phase
from recsys_operator.core import clock
from recsys_operator.core.decision import Act, Announce, RecordVersion
from recsys_operator.core.lineage import find_condition, next_phase_number
from recsys_operator.core.rollout_state import RolloutState
from recsys_operator.core.scene import Scene
from recsys_operator.core.text import clipped
from recsys_operator.core.world import VersionView

REQUESTED = "Requested"
"""Condition of a version: the last request (action or annotation) that was carried out on it."""


@dataclass(frozen=True)
class Step:
    """What a rule says: acts in order, and seconds until something has to be looked at again."""

    acts: tuple[Act, ...] = ()
    after: float | None = None


Rule = Callable[[Scene, VersionView], Step | None]
"""None: the rule has nothing to say, the next one is asked."""

NOTHING = Step()


def first(rules: tuple[Rule, ...], scene: Scene, version: VersionView) -> Step:
    """The answer of the first rule that has one."""
    for rule in rules:
        if (step := rule(scene, version)) is not None:
            return step
    return NOTHING


def record(version: VersionView, **changes: object) -> RecordVersion:
    """The version's status with these fields changed."""
    if "message" in changes:
        changes["message"] = clipped(str(changes["message"]))
    return RecordVersion(version.name, version.resource_version, version.status.model_copy(update=changes))


def move(
    scene: Scene, version: VersionView, phase: Phase, reason: str, message: str, *,
    state: RolloutState | None = None, condition: Condition | None = None, **changes: Any,
) -> RecordVersion:  # fmt: skip
    """The version in another phase (or the same one for another reason)."""
    if phase != version.status.phase:
        changes.setdefault("phase_since", clock.to_text(scene.now))
        changes["phase_number"] = next_phase_number(scene.world.versions)
    if state is not None:
        changes["rollout"] = state.dump()
    if condition is not None:
        changes["conditions"] = with_condition(version.status.conditions, condition)
    return record(version, phase=phase, reason=reason, message=message, **changes)


def wait(scene: Scene, version: VersionView, reason: str, message: str, after: float | None = None) -> Step:
    """Stay, and say why; nothing is written when it was said already."""
    if (version.status.reason, version.status.message) == (reason, clipped(message)):
        return Step((), after)
    return Step((record(version, reason=reason, message=message),), after)


def keep(version: VersionView, state: RolloutState, **changes: object) -> RecordVersion:
    """The version with another rollout state."""
    return record(version, rollout=state.dump(), **changes)


def announce(version: VersionView, reason: str, message: str, *, warning: bool = False) -> Announce:
    """An event about a version."""
    return Announce(reason=reason, message=message, warning=warning, version=version.name)


def note(scene: Scene, state: RolloutState, reason: str, message: str, weight: int) -> RolloutState:
    """The state with one more line of history."""
    event = RolloutEvent(at=clock.to_text(scene.now), reason=reason, message=message[:256], weight=weight)
    return state.with_event(event)


def build_condition(scene: Scene, kind: str, value: bool | None, reason: str, message: str = "") -> Condition:
    """A condition; None is Unknown."""
    status: Literal["True", "False", "Unknown"] = "Unknown" if value is None else "True" if value else "False"
    return Condition(
        type=kind, status=status, reason=reason, message=clipped(message),
        last_transition_time=clock.to_text(scene.now), observed_generation=scene.model.generation,
    )  # fmt: skip


def with_condition(conditions: tuple[Condition, ...], new: Condition) -> tuple[Condition, ...]:
    """The list with this condition; its transition time moves only when the status does."""
    old = find_condition(conditions, new.type)
    if old is not None and old.status == new.status:
        new = new.model_copy(update={"last_transition_time": old.last_transition_time})
    if old is None:
        return (*conditions, new)
    return tuple(new if condition.type == new.type else condition for condition in conditions)


def was_requested(version: VersionView, request: str) -> bool:
    """Whether this very request was carried out on the version already."""
    done = find_condition(version.status.conditions, REQUESTED)
    return done is not None and done.message == request


def request_condition(scene: Scene, verb: str, request: str) -> Condition | None:
    """The mark that a request leaves on the version; None for what nobody asked for."""
    return build_condition(scene, REQUESTED, True, verb, request) if request else None


def changes_nothing(act: RecordVersion, statuses: Mapping[str, ModelVersionStatus]) -> bool:
    """Whether a record says what is there already."""
    return statuses.get(act.name) == act.status
