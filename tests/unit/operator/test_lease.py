"""Who acts, on a clock of its own and a cluster in memory."""

from tests.contract.operator.fake_cluster import FakeCluster
from tests.unit.operator.clocks import FakeClock

from recsys_operator.adapters.lease import Leadership

SECONDS = 8


def pod(cluster: FakeCluster, clock: FakeClock, holder: str) -> Leadership:
    """A pod that wants to lead."""
    return Leadership(cluster, clock, namespace="recsys-system", holder=holder, seconds=SECONDS)  # type: ignore[arg-type]


async def test_the_first_takes_the_lease_and_the_second_waits() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    assert await pod(cluster, clock, "a").try_acquire()
    assert not await pod(cluster, clock, "b").try_acquire()


async def test_a_restarted_container_of_the_same_pod_goes_on_at_once() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    await pod(cluster, clock, "a").try_acquire()
    assert await pod(cluster, clock, "a").try_acquire()


async def test_a_killed_leader_is_followed_when_its_lease_has_not_moved_for_its_duration() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    await pod(cluster, clock, "a").try_acquire()
    follower = pod(cluster, clock, "b")
    assert not await follower.try_acquire()
    clock.advance(SECONDS - 1)
    assert not await follower.try_acquire()
    clock.advance(2)
    assert await follower.try_acquire()


async def test_a_leader_that_renews_is_not_followed_whatever_its_clock_says() -> None:
    cluster, clock, slow = FakeCluster(), FakeClock(), FakeClock(start=0.0)
    leader, follower = pod(cluster, slow, "a"), pod(cluster, clock, "b")
    for _ in range(5):
        slow.advance(1)
        assert await leader.try_acquire()
        assert not await follower.try_acquire()
        clock.advance(SECONDS - 1)


async def test_a_released_lease_is_taken_at_once() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    leader = pod(cluster, clock, "a")
    await leader.try_acquire()
    await leader.release()
    assert await pod(cluster, clock, "b").try_acquire()


async def test_a_pod_that_lost_the_lease_does_not_give_it_away() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    old, new = pod(cluster, clock, "a"), pod(cluster, clock, "b")
    await old.try_acquire()
    await new.try_acquire()
    clock.advance(SECONDS + 1)
    await new.try_acquire()
    await old.release()
    lease = cluster.objects["Lease", "recsys-system", "recsys-operator"]
    assert lease["spec"]["holderIdentity"] == "b"


async def test_two_that_take_it_in_the_same_moment_are_not_both_leaders() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    first, second = pod(cluster, clock, "a"), pod(cluster, clock, "b")
    await first.try_acquire()
    await first.release()
    taken: list[bool] = []

    def meanwhile(verb: str, manifest: dict[str, object]) -> None:
        # the other pod's write arrives between our read and ours
        cluster.before_write = lambda verb, manifest: None
        lease = cluster.objects["Lease", "recsys-system", "recsys-operator"]
        cluster.put_raw(lease | {"spec": lease["spec"] | {"holderIdentity": "b"}})
        taken.append(True)

    cluster.before_write = meanwhile
    assert not await first.try_acquire()
    assert taken
    assert await second.try_acquire()
