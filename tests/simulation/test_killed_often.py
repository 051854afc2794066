"""An operator that never lives for long: a rollout ends as it does without kills, or safer."""

import itertools
from random import Random

import pytest
from tests.simulation.cluster import Quality
from tests.simulation.test_detection import FAULTS, build_cluster

from recsys_operator.core.rollout_state import RolloutState, read_state

STEPS = [
    {"name": "first", "weight": 25, "minSamples": 5, "maxSeconds": 240},
    {"name": "all", "weight": 100, "minSamples": 5, "maxSeconds": 240},
]
POLICY = {
    "steps": STEPS,
    "bakeSeconds": 60,
    "onUndecided": "Rollback",
    "onUndecidedFinal": "Rollback",
    "stableHealthSeconds": 0,
}
"""What is not proven is rolled back."""
ENDS = ("Stable", "RolledBack", "Superseded")


class Life:
    """A rollout under an operator that is killed every few seconds."""

    def __init__(
        self, seed: int, quality: Quality, *, gateway: bool = True, longest: int = 10, rate: float = 60.0
    ) -> None:
        self.random = Random(seed)
        self.cluster, self.operator = build_cluster(quality, **POLICY)
        self.cluster.rate, self.cluster.gateway = rate, gateway
        self.name = next(v.name for v in self.cluster.versions.values() if v.spec.number == 2)
        self.longest = longest
        self.kills = 0
        self._left = 0

    @property
    def phase(self) -> str:
        """Of the candidate."""
        return self.cluster.versions[self.name].status.phase

    @property
    def state(self) -> RolloutState:
        """Of its rollout."""
        found = read_state(self.cluster.versions[self.name].status)
        assert found is not None
        return found

    def second(self) -> None:
        """One second; the process may end after it."""
        self.cluster.tick()
        self.operator.run()
        self._left -= 1
        if self._left <= 0 and self.longest:
            self.kill()

    def kill(self) -> None:
        """Another process begins at once, or a second or two later."""
        self.operator.memory, self.operator.seen = None, {}
        self.operator.down_until = self.cluster.now + self.random.choice([0, 1, 2])
        self.cluster.watch(())
        self.kills += 1
        self._left = self.random.randint(3, self.longest)

    def end(self, seconds: int = 600) -> str:
        """How it ends."""
        for _ in range(seconds):
            self.second()
            if self.phase in ENDS:
                return self.phase
        raise AssertionError(f"{self.phase} after {seconds} s")


@pytest.mark.parametrize("gateway", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_a_good_candidate_becomes_stable_whatever_kills_the_operator(seed: int, gateway: bool) -> None:
    life = Life(seed, Quality(), gateway=gateway)
    assert life.end() == "Stable"
    assert life.kills > 20
    assert [left.by for left in life.state.left] == ["Pass", "Pass"]


@pytest.mark.parametrize("fault", ["errors", "slow", "dead model"])
@pytest.mark.parametrize("seed", range(3))
def test_a_bad_candidate_is_failed_within_a_few_lives(seed: int, fault: str) -> None:
    life = Life(seed, FAULTS[fault], longest=3, rate=8.0)
    assert life.end() == "RolledBack"
    assert life.cluster.versions[life.name].status.reason == "SloFailed"
    assert life.kills <= 20


def test_a_process_that_goes_on_from_another_one_writes_no_more_often() -> None:
    life = Life(3, Quality())
    written: dict[tuple[object, float], None] = {}
    while life.phase not in ENDS:
        life.second()
        # new pods are written down at once
        written[(life.state.segment, *life.state.pods), life.state.banked_at] = None
    times = list(written)
    within = [(a[1], b[1]) for a, b in itertools.pairwise(times) if a[0] == b[0]]
    assert len(within) > 3
    assert all(later - earlier >= 15 for earlier, later in within)


@pytest.mark.parametrize("seed", range(3))
def test_what_died_with_pods_between_two_processes_is_still_no_ground_for_a_pass(seed: int) -> None:
    life = Life(seed, Quality())
    for _ in range(200):
        life.second()
        pods = [pod for pod in life.cluster.pods.values() if pod.version == life.name and pod.ready]
        if life.operator.memory is None and len(pods) > 2:
            life.cluster.kill_pod(pods[0].name, 1.0)
    assert life.state.left == ()
    assert life.state.banked is None or life.state.banked.lost > 50
