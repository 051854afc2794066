"""The work queue, on a clock of its own."""

import asyncio

from recsys_operator.queue import KeyedQueue, WorkQueue


def drain(queue: KeyedQueue, now: float = 0.0) -> list[str]:
    """Everything that is due, each key done at once."""
    found = []
    while (key := queue.take(now)) is not None:
        found.append(key)
        queue.done(key, now)
    return found


def test_a_key_added_many_times_is_given_out_once() -> None:
    queue = KeyedQueue()
    for _ in range(5):
        queue.add("a", 0.0)
    assert drain(queue) == ["a"]


def test_keys_come_in_order_of_adding() -> None:
    queue = KeyedQueue()
    for key in ("a", "b", "c"):
        queue.add(key, 0.0)
    assert drain(queue) == ["a", "b", "c"]


def test_urgent_keys_come_first() -> None:
    queue = KeyedQueue()
    queue.add("a", 0.0)
    queue.add("b", 0.0, urgent=True)
    assert drain(queue) == ["b", "a"]


def test_a_waiting_key_that_becomes_urgent_moves_ahead_and_comes_once() -> None:
    queue = KeyedQueue()
    for key in ("a", "b", "c"):
        queue.add(key, 0.0)
    queue.add("c", 0.0, urgent=True)
    assert drain(queue) == ["c", "a", "b"]


def test_a_key_is_never_worked_on_twice_at_once() -> None:
    queue = KeyedQueue()
    queue.add("a", 0.0)
    assert queue.take(0.0) == "a"
    queue.add("a", 1.0)
    assert queue.take(1.0) is None
    queue.done("a", 2.0)
    assert queue.take(2.0) == "a"


def test_what_was_added_urgently_while_it_was_worked_on_comes_back_urgently() -> None:
    queue = KeyedQueue()
    queue.add("a", 0.0)
    queue.take(0.0)
    queue.add("b", 0.0)
    queue.add("a", 0.0, urgent=True)
    queue.add("a", 0.0)
    queue.done("a", 0.0)
    assert drain(queue) == ["a", "b"]


def test_a_delayed_key_is_not_due_before_its_time() -> None:
    queue = KeyedQueue()
    queue.add_at("a", 5.0)
    assert queue.take(4.9) is None
    assert queue.next_due() == 5.0
    assert queue.take(5.0) == "a"


def test_of_two_delays_the_earlier_counts_and_comes_once() -> None:
    queue = KeyedQueue()
    queue.add_at("a", 5.0)
    queue.add_at("a", 2.0)
    queue.add_at("a", 9.0)
    assert drain(queue, 2.0) == ["a"]
    assert drain(queue, 10.0) == []


def test_back_off_doubles_up_to_its_limit_and_is_forgiven() -> None:
    queue = KeyedQueue()
    assert [queue.add_failed("a", 0.0, 0.5, 3.0) for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    queue.forgive("a")
    assert queue.add_failed("a", 0.0, 0.5, 3.0) == 0.5


def test_a_back_off_is_as_long_as_was_asked_for_but_not_beyond_its_limit() -> None:
    queue = KeyedQueue()
    assert [queue.add_failed("a", 0.0, 0.5, 3.0, asked) for asked in (2.0, 0.0, 2.5, 3600.0)] == [2.0, 1.0, 2.5, 3.0]


def test_an_event_ends_a_back_off_at_once() -> None:
    queue = KeyedQueue()
    queue.add_failed("a", 0.0, 100.0, 100.0)
    queue.add("a", 1.0)
    assert queue.take(1.0) == "a"


def test_depth_and_ages_are_told() -> None:
    queue = KeyedQueue()
    queue.add("a", 1.0)
    queue.add("b", 3.0)
    assert (queue.depth(), queue.oldest_seconds(4.0)) == (2, 3.0)
    queue.take(4.0)
    assert (queue.depth(), queue.oldest_seconds(4.0), queue.active_seconds(10.0)) == (1, 1.0, 6.0)


async def test_a_waiting_worker_is_woken_by_an_add() -> None:
    queue = WorkQueue(asyncio.get_running_loop().time)
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    assert await asyncio.wait_for(waiting, 1) == "a"


async def test_several_workers_share_the_keys() -> None:
    queue = WorkQueue(asyncio.get_running_loop().time)
    workers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    for key in ("a", "b", "c"):
        queue.add(key)
    assert sorted(await asyncio.wait_for(asyncio.gather(*workers), 1)) == ["a", "b", "c"]


async def test_a_delayed_key_wakes_a_worker_in_time() -> None:
    queue = WorkQueue(asyncio.get_running_loop().time)
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add_after("late", 5.0)
    queue.add_after("soon", 0.01)
    assert await asyncio.wait_for(waiting, 1) == "soon"


async def test_a_cancelled_worker_takes_no_wake_up_with_it() -> None:
    queue = WorkQueue(asyncio.get_running_loop().time)
    gone, left = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    queue.add("a")
    assert await asyncio.wait_for(left, 1) == "a"
