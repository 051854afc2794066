"""What people and other controllers do to a rollout from outside, each in the middle of a canary."""

from collections.abc import Callable

import pytest
from tests.simulation.cluster import Cluster, Quality
from tests.simulation.operators import Operator
from tests.simulation.test_detection import FAULTS, build_cluster, run_until
from tests.unit.core.factories import build_spec

SCALED = {"replicas": None, "autoscaling": {"minReplicas": 2, "maxReplicas": 8}}


def candidate_of(cluster: Cluster) -> str:
    return next(v.name for v in cluster.versions.values() if v.spec.number == 2)


def stable_of(cluster: Cluster) -> str:
    return next(v.name for v in cluster.versions.values() if v.status.phase == "Stable")


def pass_seconds(
    cluster: Cluster, operator: Operator, seconds: int, meanwhile: Callable[[], None] = lambda: None
) -> None:
    """So many seconds in which an operator is there, with something in each."""
    for _ in range(seconds):
        cluster.tick()
        while cluster.now < operator.down_until:
            cluster.tick()
        meanwhile()
        operator.run()
        operator.invariants.check_answers(idle=cluster.now < operator.down_until)


@pytest.mark.parametrize("crash_rate", [0.0, 0.2])
@pytest.mark.parametrize("paused", [False, True])
def test_a_deleted_stable_version_leaves_nobody_without_an_answer(crash_rate: float, paused: bool) -> None:
    cluster, operator = build_cluster(Quality())
    cluster.rate, cluster.paused, operator.crash_rate = 60.0, paused, crash_rate
    name, gone = candidate_of(cluster), stable_of(cluster)
    operator.invariants.deleted.add(gone)
    cluster.delete_version(gone)
    pass_seconds(cluster, operator, 60)
    assert (cluster.weight(name), cluster.ready(name)) == (100, 4)
    assert cluster.route is not None
    assert cluster.route.intent.stable == name, "the route speaks of no version that is not there"
    cluster.paused, operator.crash_rate = False, 0.0
    run_until(cluster, operator, "Stable", 300)
    assert cluster.versions[name].status.phase == "Stable"


@pytest.mark.parametrize("fault", ["errors", "slow"])
def test_a_bad_version_that_is_the_only_one_keeps_its_users_until_a_person_decides(fault: str) -> None:
    cluster, operator = build_cluster(FAULTS[fault])
    name, gone = candidate_of(cluster), stable_of(cluster)
    operator.invariants.deleted.add(gone)
    cluster.delete_version(gone)
    pass_seconds(cluster, operator, 120)
    version = cluster.versions[name]
    assert (version.status.phase, version.status.reason) == ("Baking", "NothingToFallBackTo")
    assert [event.reason for event in cluster.events if event.warning] == ["StableGone", "NothingToFallBackTo"]
    operator.invariants.promoted.add(name)
    cluster.create_action("Promote", name)
    pass_seconds(cluster, operator, 5)
    assert cluster.versions[name].status.phase == "Stable"


def test_the_deployment_of_stable_is_made_again() -> None:
    cluster, operator = build_cluster(Quality())
    cluster.rate = 60.0
    stable = stable_of(cluster)
    cluster.delete_serving(stable)
    pass_seconds(cluster, operator, 5)
    assert cluster.ready(stable) == 4
    run_until(cluster, operator, "Stable", 300)


@pytest.mark.parametrize("by_spec", [False, True], ids=["annotation", "spec"])
@pytest.mark.parametrize("by_hand", [None, 0, 100])
def test_a_route_that_a_person_has_is_not_written_and_nothing_ends_meanwhile(
    by_hand: int | None, by_spec: bool
) -> None:
    cluster, operator = build_cluster(Quality(), onNoData="Rollback", onUndecided="Rollback")
    name = candidate_of(cluster)
    pass_seconds(cluster, operator, 5)
    cluster.take_route(by_spec=by_spec)
    operator.invariants.by_hand = True
    if by_hand is not None:
        cluster.weigh_by_hand(by_hand)
    weight = cluster.weight(name)
    pass_seconds(cluster, operator, 600)
    status = cluster.versions[name].status
    assert (cluster.weight(name), status.phase, status.reason) == (weight, "Canary", "Unmanaged")
    cluster.give_route_back()
    pass_seconds(cluster, operator, 2)
    assert cluster.weight(name) == (0 if by_hand == 0 else 25)


@pytest.mark.parametrize("crash_rate", [0.0, 0.02])
def test_autoscalers_that_change_their_minds_keep_no_good_version_from_becoming_stable(crash_rate: float) -> None:
    cluster, operator = build_cluster(Quality())
    cluster.rate, operator.crash_rate = 60.0, crash_rate
    cluster.apply_model(build_spec(model={"embeddingDim": 8}, serving=SCALED))

    def scale() -> None:
        if cluster.now % 7 == 0:
            for version in cluster.serving:
                cluster.autoscale(version)

    pass_seconds(cluster, operator, 300, scale)
    assert cluster.versions[candidate_of(cluster)].status.phase == "Stable"


@pytest.mark.parametrize("gap", ["down", "ahead", "back"])
@pytest.mark.parametrize(
    ("reason", "policy", "limit"), [("Undecided", "Rollback", 30), ("ApprovalRequired", "Advance", 30 + 60)]
)
def test_a_step_and_its_hold_have_their_whole_time_whatever_happens_to_operator_and_clock(
    gap: str, reason: str, policy: str, limit: int
) -> None:
    steps = [
        {"name": "first", "weight": 25, "minSamples": 5, "maxSeconds": 30, "approval": "Required"},
        {"name": "all", "weight": 100, "minSamples": 5, "maxSeconds": 30},
    ]
    cluster, operator = build_cluster(Quality(), onUndecided=policy, steps=steps)
    name, watched = candidate_of(cluster), 0
    for again in range(limit + 60):
        if again % 20 == 10:
            if gap == "down":
                operator.restart()
                operator.down_until = cluster.now + 300
            else:
                cluster.skew += 300.0 if gap == "ahead" else -300.0
        while cluster.now < operator.down_until:
            cluster.tick()
        pass_seconds(cluster, operator, 1)
        watched += 1
        version = cluster.versions[name]
        if version.status.phase != "Canary":
            break
    assert (version.status.phase, version.status.reason) == ("RolledBack", reason)
    assert limit <= watched <= limit + 30, watched


@pytest.mark.parametrize("jump", [-300.0, -5.0, 5.0, 9.0, 300.0])
@pytest.mark.parametrize("fault", [None, "errors"])
@pytest.mark.parametrize("policy", ["Hold", "Rollback"])
def test_a_clock_that_is_set_ends_no_good_version_and_hides_no_bad_one(
    jump: float, fault: str | None, policy: str
) -> None:
    cluster, operator = build_cluster(Quality(), onMetricsUnavailable=policy, onNoData=policy)
    cluster.rate, name = 60.0, candidate_of(cluster)
    pass_seconds(cluster, operator, 3)
    cluster.skew = jump
    if fault is None:
        run_until(cluster, operator, "Stable", 300)
        return
    cluster.qualities[name] = FAULTS[fault]
    pass_seconds(cluster, operator, 15)
    assert (cluster.weight(name), cluster.versions[name].status.phase) == (0, "RolledBack")


@pytest.mark.parametrize("skew", [-300.0, 0.0, 300.0])
def test_two_people_who_ask_for_the_same_rollback_get_one_whatever_the_clock_says(skew: float) -> None:
    cluster, operator = build_cluster(Quality())
    first = stable_of(cluster)
    cluster.rate = 60.0
    second = run_until(cluster, operator, "Stable", 300)
    cluster.apply_model(build_spec(model={"embeddingDim": 16}))
    canary = run_until(cluster, operator, "Canary", 100, number=3)
    cluster.skew = skew
    for _ in range(2):
        cluster.create_action("Rollback")
    pass_seconds(cluster, operator, 5)
    phases = {name: version.status.phase for name, version in cluster.versions.items()}
    assert phases == {first: "Previous", second: "Stable", canary: "RolledBack"}
    assert sorted(action.status.phase for action in cluster.actions.values()) == ["Done", "Refused"]
    cluster.create_action("Rollback")
    pass_seconds(cluster, operator, 5)
    assert cluster.versions[first].status.phase == "Stable", "who has seen that asks for stable"
