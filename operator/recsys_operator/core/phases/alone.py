"""The only version left: its stable version was deleted, and no other one is loaded that could take its users.

pods of stable are ready   -> they still answer, or the list of versions is an old one: nothing yet
a ready pod, no Fail       -> all users at once, and the bake: those of the deleted version got no answer
Fail, fewer ready pods     -> it keeps what it has, and says what a person can do

A window or a pause does not stop that, as it stops no rollback. Nothing can be taken from it: a bad answer is told, and a
person decides (Promote), or pins a version that was served before.
"""

from recsys_operator.core import reasons
from recsys_operator.core.phases.harm import describe_shortage, shown_fail
from recsys_operator.core.phases.promotion import take_all
from recsys_operator.core.phases.rollback import describe_alone, fallback_of
from recsys_operator.core.phases.subject import state_of
from recsys_operator.core.records import Step, move, wait
from recsys_operator.core.scene import Scene
from recsys_operator.core.world import VersionView


def take_over(scene: Scene, version: VersionView) -> Step | None:
    """Users who were with the deleted version come to the one that answers; its pods for them are started at once."""
    state = state_of(scene, version)
    if state.weight == 100 or scene.unmanaged or fallback_of(scene, version) or not scene.ready_pods(version.name):
        return None
    if scene.ready_pods(state.stable):
        return None
    if shown_fail(scene, version, state) is not None and state.overruled != state.segment:
        return None
    gone = state.stable or "the stable version"
    message = (
        f"{gone} was deleted and no previous version is loaded: {version.name} has all users now, and there is nothing to "
        "roll back to until another version is stable; to have an older one instead, create a Pin action that names it"
    )
    return take_all(scene, version, state, message)


def short_of_pods(scene: Scene, version: VersionView) -> Step | None:
    """Fewer ready pods than its weight needs, and nobody to take its users: told while it lasts."""
    state = state_of(scene, version)
    if state.weight == 0 or fallback_of(scene, version):
        return None
    if short := describe_shortage(scene, version, state):
        return wait(scene, version, reasons.CANDIDATE_NOT_READY, f"{short}; {describe_alone(scene, version)}", 5.0)
    if version.status.reason != reasons.CANDIDATE_NOT_READY:
        return None
    message = f"its pods are ready: {state.weight} % of the users"
    return Step((move(scene, version, version.status.phase, reasons.STEP, message),), 1.0)
