"""What a person asks for and what becomes of it: the shapes that actions.py and promoting.py share."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from recsys_api.model_version import Condition
from recsys_operator.core.decision import Act
from recsys_operator.core.lineage import write_number
from recsys_operator.core.records import request_condition, with_condition
from recsys_operator.core.scene import EARLY, ROLLING, Scene
from recsys_operator.core.world import ActionView, ModelView, VersionView

ANNOTATION = "recsys.dev/action"


@dataclass(frozen=True)
class Request:
    """One wish, wherever it came from."""

    key: str
    """Unique and lasting: the action's uid, or the annotation's value and how many came before it."""
    verb: str
    version: str = ""
    by: str = ""
    why: str = ""
    action: ActionView | None = None

    @property
    def who(self) -> str:
        """Who asked, and why."""
        by = f" by {self.by}" if self.by else ""
        return f"requested{by}" + (f": {self.why}" if self.why else "")


@dataclass(frozen=True)
class Answer:
    """What carrying a request out means."""

    message: str
    acts: tuple[Act, ...] = ()
    refused: bool = False
    model: Mapping[str, object] = field(default_factory=dict)
    """Changes of the model's status."""
    finish: tuple[Act, ...] = ()
    """Says that it is done: after the record of what it changed, so that nothing is called done that a crash then loses."""


def refuse(message: str) -> Answer:
    """Not carried out, and why."""
    return Answer(message, refused=True)


def find_running(scene: Scene, request: Request) -> VersionView | None:
    """The version of a rollout: the named one, else the candidate, else the newest on its way."""
    on_the_way = [v for v in scene.versions if v.status.phase in EARLY | ROLLING | {"Warming"}]
    if request.version:
        return next((v for v in on_the_way if v.name == request.version), None)
    return scene.candidate or (on_the_way[-1] if on_the_way else None)


def refuse_running(request: Request) -> Answer:
    """Refused where `find_running` finds none."""
    return refuse(f"{request.version} is not being rolled out" if request.version else "no version is being rolled out")


def mark(scene: Scene, version: VersionView, request: Request) -> tuple[Condition, ...]:
    """The version's conditions, with the request that changes it."""
    condition = request_condition(scene, request.verb, request.key)
    assert condition is not None
    return with_condition(version.status.conditions, condition)


def asked_at(view: ActionView | ModelView) -> int:
    """Which write asked for it, to be held against `write_number` of others.

    Labels and annotations that somebody writes on it later ask for nothing. The API server keeps no resourceVersion of a
    creation: what was written on it before this process saw it first counts as that write.
    """
    return write_number(view.asked_version or view.resource_version)


def ended_since(scene: Scene, request: Request) -> VersionView | None:
    """What lost its users after a request that names no version: who asked for it has not seen that yet.

    One that was written for something else since is taken for one: stable is spared, and the answer says how to insist.
    """
    if request.version:
        return None
    asked = asked_at(request.action or scene.model)
    return next((v for v in scene.versions if _had_users(scene, v) and write_number(v.resource_version) >= asked), None)


def _had_users(scene: Scene, version: VersionView) -> bool:
    """Whether it was rolled out and ended."""
    state = scene.state(version) if version.status.phase == "Superseded" else None
    return version.status.phase == "RolledBack" or bool(state is not None and state.ledger)
