"""How fast a bad candidate loses its users, whatever is bad about it, also when the operator dies at the worst moment."""

from random import Random

import pytest
from tests.simulation.cluster import Cluster, Quality
from tests.simulation.invariants import Invariants
from tests.simulation.operators import Operator
from tests.unit.core.factories import build_spec

from recsys_operator.core.rollout_state import read_state

FAULTS = {
    "errors": Quality(bad=0.9),
    "slow": Quality(slow=0.9),
    "dead model": Quality(fallback=0.9),
    "crashing pods": Quality(crashes=0.5),
}
LONGEST_SECONDS = 12


def run_until(cluster: Cluster, operator: Operator, phase: str, seconds: int, number: int = 2) -> str:
    """The version of that number, which reached the phase."""
    for _ in range(seconds):
        operator.run()
        for version in cluster.versions.values():
            if version.spec.number == number and version.status.phase == phase:
                return version.name
        cluster.tick()
    raise AssertionError(f"no version reached {phase}: {[v.status.phase for v in cluster.versions.values()]}")


def build_cluster(fault: Quality, **policy: object) -> tuple[Cluster, Operator]:
    """A stable version serves, the next one is on its way and has the fault from its first user on."""
    cluster = Cluster(Random(1), rate=8.0)
    operator = Operator(cluster, Invariants(cluster), Random(2))
    cluster.apply_model(build_spec(rollout=policy))
    for _ in range(20):
        operator.run()
        cluster.tick()
    cluster.apply_model(build_spec(model={"embeddingDim": 8}, rollout=policy))
    name = run_until(cluster, operator, "Warming", 30)
    run_until(cluster, operator, "Canary", 60)
    cluster.qualities[name] = fault
    return cluster, operator


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_candidate_loses_its_users_within_seconds(fault: str) -> None:
    cluster, operator = build_cluster(FAULTS[fault])
    name = next(v.name for v in cluster.versions.values() if v.spec.number == 2)
    began = cluster.now
    while cluster.weight(name) > 0:
        assert cluster.now - began <= LONGEST_SECONDS, f"{fault}: it still has its users"
        cluster.tick()
        operator.run()
    run_until(cluster, operator, "RolledBack", 120)
    assert cluster.weight(name) == 0
    assert cluster.versions[name].status.quarantined


@pytest.mark.parametrize("after_acts", range(8))
def test_killed_after_any_act_of_a_rollback_the_outcome_is_the_same(after_acts: int) -> None:
    cluster, operator = build_cluster(FAULTS["errors"])
    name = next(v.name for v in cluster.versions.values() if v.spec.number == 2)

    class Dice(Random):
        left = after_acts

        def random(self) -> float:
            if cluster.now > began + 4:
                self.left -= 1
            return 0.0 if self.left == 0 else 1.0

    began = cluster.now
    operator.random, operator.crash_rate = Dice(), 0.5
    run_until(cluster, operator, "RolledBack", 120)
    assert cluster.weight(name) == 0
    assert cluster.versions[name].status.quarantined


def test_a_good_candidate_becomes_stable() -> None:
    cluster, operator = build_cluster(Quality())
    cluster.rate = 60.0
    name = run_until(cluster, operator, "Stable", 300)
    assert cluster.weight(name) == 100
    assert [v.status.phase for v in cluster.versions.values() if v.name != name] == ["Previous"]


def test_idle_nothing_is_written_for_a_day() -> None:
    cluster, operator = build_cluster(Quality())
    cluster.rate = 60.0
    run_until(cluster, operator, "Stable", 300)
    for _ in range(30):
        operator.run()
        cluster.tick()
    before = operator.acts
    for _ in range(24 * 12):
        cluster.now += 299
        cluster.tick()
        operator.run()
    phases = sorted(v.status.phase for v in cluster.versions.values())
    assert phases == ["Retired", "Stable"]
    assert operator.acts - before <= 6, "the previous version retires and its pods go, nothing else"


@pytest.mark.parametrize("policy", ["Hold", "Continue", "Rollback"])
@pytest.mark.parametrize("seconds_before", [0, 10])
def test_an_outage_of_the_metrics_never_leaves_a_step_whatever_its_policies_say(
    policy: str, seconds_before: int
) -> None:
    cluster, operator = build_cluster(
        Quality(), onMetricsUnavailable=policy, onHoldLimit="Advance", onUndecided="Advance", onUndecidedFinal="Advance"
    )
    name = next(v.name for v in cluster.versions.values() if v.spec.number == 2)
    for _ in range(seconds_before):
        cluster.tick()
        operator.run()
    cluster.outage, operator.invariants.outage_since = True, cluster.now
    for _ in range(120):
        cluster.tick()
        operator.run()
        assert cluster.weight(name) in (0, 25)
    assert cluster.versions[name].status.phase == "RolledBack"


def test_metrics_that_return_let_the_rollout_go_on() -> None:
    cluster, operator = build_cluster(Quality())
    cluster.rate = 60.0
    cluster.outage = True
    for _ in range(30):
        cluster.tick()
        operator.run()
    cluster.outage = False
    assert cluster.weight(run_until(cluster, operator, "Stable", 300)) == 100


def lose_a_pod(cluster: Cluster, name: str) -> None:
    """One of several dies, and nobody had read it for a while."""
    pods = [pod for pod in cluster.pods.values() if pod.version == name and pod.ready]
    if len(pods) > 2:
        cluster.kill_pod(pods[0].name, 9.0)


@pytest.mark.parametrize("fault", ["errors", "slow", "dead model"])
def test_a_bad_candidate_that_loses_its_own_evidence_loses_its_users_as_fast(fault: str) -> None:
    cluster, operator = build_cluster(FAULTS[fault])
    name = next(v.name for v in cluster.versions.values() if v.spec.number == 2)
    began = cluster.now
    while cluster.weight(name) > 0:
        assert cluster.now - began <= LONGEST_SECONDS, f"{fault}: it still has its users"
        lose_a_pod(cluster, name)
        cluster.tick()
        operator.run()
    assert cluster.versions[name].status.phase == "RolledBack"
    assert cluster.versions[name].status.reason == "SloFailed"


@pytest.mark.parametrize("dies", [True, False])
def test_what_dies_unseen_is_no_ground_for_a_pass(dies: bool) -> None:
    steps = [
        {"name": "first", "weight": 25, "minSamples": 5, "maxSeconds": 300},
        {"name": "all", "weight": 100, "minSamples": 5, "maxSeconds": 300},
    ]
    cluster, operator = build_cluster(Quality(), steps=steps)
    cluster.rate = 60.0
    name = next(v.name for v in cluster.versions.values() if v.spec.number == 2)
    for second in range(200):
        if dies and second % 10 == 0:
            lose_a_pod(cluster, name)
        cluster.tick()
        operator.run()
    state = read_state(cluster.versions[name].status)
    assert state is not None
    assert [left.by for left in state.left if left.step == "first"] == ([] if dies else ["Pass"])
    status = cluster.model.status.rollout if cluster.model is not None else None
    assert status is not None
    assert (status.lost_events > 300) == dies
