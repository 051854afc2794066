"""What the rules of a rollout speak of: the candidate's recorded state and its verdict."""

from recsys_operator.core.analysis.verdicts import Verdict
from recsys_operator.core.rollout_state import RolloutState
from recsys_operator.core.scene import Scene
from recsys_operator.core.world import VersionView


def state_of(scene: Scene, version: VersionView) -> RolloutState:
    """The state; `unreadable` has made sure that there is one."""
    state = scene.state(version)
    assert state is not None
    return state


def verdict_of(scene: Scene, version: VersionView) -> Verdict:
    """Where the candidate's segment stands."""
    assert scene.candidate == version, "one candidate is judged"
    return scene.verdict


def is_stable_sick(scene: Scene, state: RolloutState) -> bool:
    """Whether stable is outside its objectives now; False where it cannot be read."""
    health = scene.health
    if health is None or not health.is_fresh(scene.now):
        return False
    return bool(health.breached) and health.healthy_seconds() < state.policy.stable_health_seconds
