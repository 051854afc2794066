"""A time that nobody watched is taken off what a version waits for, and that is recorded (core/attendance.py).

Every rule reads states with it taken off already; this one writes that down where no other does in the same pass. Until it
is written for all versions the gap is remembered.
"""

from dataclasses import replace

from recsys_operator.core.attendance import Pass
from recsys_operator.core.memory import Memory
from recsys_operator.core.phases.subject import state_of
from recsys_operator.core.records import Step, keep
from recsys_operator.core.rollout_state import read_state
from recsys_operator.core.scene import Scene
from recsys_operator.core.world import VersionView


def note_gap(scene: Scene, version: VersionView) -> Step | None:
    """Write down what the waits have moved by."""
    return None if is_noted(scene, version) else Step((keep(version, state_of(scene, version)),), 0.0)


def is_noted(scene: Scene, version: VersionView) -> bool:
    """Whether the version's record has the gap in it, or has no limit that runs."""
    return scene.gap is None or scene.state(version) == read_state(version.status)


def remember_pass(scene: Scene, after: Scene, again_after: float) -> Memory:
    """What is known of this pass to the next one; `after` has its records in it, and while one of them lacks the gap
    before this pass, the pass before the gap is the last one."""
    if not all(is_noted(after, version) for version in after.versions):
        return scene.memory
    return replace(scene.memory, last_pass=Pass(scene.now, scene.world.monotonic, again_after))
