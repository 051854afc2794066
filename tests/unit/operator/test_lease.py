"""Who acts, on a clock of its own and a cluster in memory."""

import asyncio
from typing import Any

import pytest
from tests.contract.operator.fake_cluster import FakeCluster
from tests.unit.operator.clocks import FakeClock

from recsys_operator.adapters.lease import Leadership, LeaseLostError
from recsys_operator.clock import SystemClock
from recsys_operator.errors import Unavailable
from recsys_operator.ports import Clock
from recsys_operator.resources.kinds import Manifest

SECONDS = 8


def pod(cluster: FakeCluster, clock: Clock, holder: str, seconds: int = SECONDS) -> Leadership:
    """A pod that wants to lead."""
    return Leadership(cluster, clock, namespace="recsys-system", holder=holder, seconds=seconds)  # type: ignore[arg-type]


class Silent(FakeCluster):
    """An API server that stops answering, or answers late."""

    silent = False
    late: FakeClock | None = None

    async def read(self, kind: str, namespace: str, name: str, **more: Any) -> Manifest | None:
        """No answer."""
        if self.silent:
            await asyncio.Event().wait()
        return await super().read(kind, namespace, name, **more)

    async def replace(self, manifest: Manifest) -> Manifest:
        """Written at once, answered late."""
        made = await super().replace(manifest)
        if self.late is not None:
            self.late.advance(SECONDS)
        return made


async def test_a_leader_does_not_wait_for_an_api_server_that_is_silent() -> None:
    cluster = Silent()
    leader = pod(cluster, SystemClock(), "a", seconds=1)
    await leader.try_acquire()
    cluster.silent = True
    async with asyncio.timeout(5.0):
        with pytest.raises(LeaseLostError):
            await leader.keep()


async def test_a_leader_whose_lease_another_pod_has_ends_at_once() -> None:
    cluster, clock = FakeCluster(), FakeClock()
    leader = pod(cluster, clock, "a", seconds=1)
    await leader.try_acquire()
    lease = cluster.objects["Lease", "recsys-system", "recsys-operator"]
    cluster.put_raw(lease | {"spec": lease["spec"] | {"holderIdentity": "b"}})
    async with asyncio.timeout(5.0):
        with pytest.raises(LeaseLostError):
            await leader.keep()


async def test_a_renewal_counts_from_when_it_was_asked_for() -> None:
    """A successor counts from when it was written, which is before the answer."""
    cluster, clock = Silent(), FakeClock()
    leader = pod(cluster, clock, "a", seconds=1)
    await leader.try_acquire()
    cluster.late = clock
    await leader.try_acquire()

    def refuse(verb: str, manifest: Manifest) -> None:
        raise Unavailable(f"{verb} Lease", "out of order", 503)

    cluster.before_write = refuse
    async with asyncio.timeout(5.0):
        with pytest.raises(LeaseLostError):
            await leader.keep()


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


async def test_who_takes_the_lease_knows_when_an_operator_was_last_there() -> None:
    """By the clock of that one, to the second in which it gave it back or to its last renewal."""
    cluster, clock, other = FakeCluster(), FakeClock(), FakeClock(start=5_000.0)
    first = pod(cluster, clock, "a")
    assert await first.try_acquire()
    assert first.attended_until is None
    clock.advance(100)
    assert await first.try_acquire()
    assert first.attended_until is None, "it has itself been there"
    clock.advance(SECONDS / 4)
    ended = clock.now()
    await first.release()
    clock.advance(3600)
    restarted, follower = pod(cluster, clock, "a"), pod(cluster, other, "b")
    assert await restarted.try_acquire()
    assert restarted.attended_until == ended
    killed = clock.now()
    assert not await follower.try_acquire()
    other.advance(SECONDS + 1)
    assert await follower.try_acquire()
    assert await follower.try_acquire()
    assert follower.attended_until == killed


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
