"""What is taken for lost when a pod or its process goes."""

import pytest

from recsys_operator.adapters.metrics.unread import UnreadPods


def pods_read(seconds: int, **rates: int) -> UnreadPods:
    """Pods that were read each second and had so many requests in each."""
    pods = UnreadPods()
    for at in range(seconds + 1):
        assert pods.advance(at, dict.fromkeys(rates, True), rates, {}) == 0.0
    return pods


@pytest.mark.parametrize(
    ("unread", "ready", "lost"),
    [
        (0, True, 7.0),
        (4, True, 35.0),
        (4, False, 7.0),
    ],
    ids=["gone between two readings", "unreadable and then gone", "drained: it had no traffic when it went"],
)
def test_a_pod_that_goes_has_lost_its_rate_for_as_long_as_it_served_unread(
    unread: int, ready: bool, lost: float
) -> None:
    pods = pods_read(20, a=7, b=3)
    at = 20
    found = 0.0
    for _ in range(unread):
        at += 1
        found += pods.advance(at, {"a": ready, "b": True}, {"b": 3}, {})
    found += pods.advance(at + 1, {"b": True}, {"b": 3}, {})
    assert found == pytest.approx(lost)
    assert pods.advance(at + 2, {"b": True}, {"b": 3}, {}) == 0.0, "once"


def test_a_process_that_is_replaced_has_lost_its_end_and_what_the_next_one_counted_unseen() -> None:
    pods = pods_read(20, a=7)
    assert pods.advance(21, {"a": True}, {}, {"a": 2}) == pytest.approx(9.0)
    assert pods.advance(22, {"a": True}, {"a": 7}, {}) == 0.0


def test_a_late_reading_loses_nothing() -> None:
    pods = pods_read(20, a=7)
    assert pods.advance(26, {"a": True}, {}, {}) == 0.0
    assert pods.advance(29, {"a": True}, {"a": 63}, {}) == 0.0
    assert pods.advance(30, {}, {}, {}) == pytest.approx(7.0)


def test_the_rate_is_that_of_the_last_readings() -> None:
    pods = pods_read(60, a=100)
    for at in range(61, 121):
        pods.advance(at, {"a": True}, {"a": 10}, {})
    assert pods.advance(121, {}, {}, {}) == pytest.approx(10.0, rel=0.05)


def test_a_pod_that_was_never_read_has_the_rate_of_the_others() -> None:
    for gone in (True, False):
        pods = pods_read(20, a=8, b=4)
        there = {"a": True, "b": True}
        for at in range(21, 26):
            assert pods.advance(at, {**there, "new": True}, {"a": 8, "b": 4}, {}) == 0.0
        new = {} if gone else {"new": True}
        read = {} if gone else {"new": 0}
        assert pods.advance(26, there | new, {"a": 8, "b": 4} | read, {}) == pytest.approx(30.0)


def test_what_was_counted_before_the_watch_is_not_lost() -> None:
    pods = UnreadPods()
    assert pods.advance(0, {"a": True}, {"a": 0}, {}) == 0.0
    assert pods.advance(1, {}, {}, {}) == 0.0, "nothing says how many it had"


def test_pods_that_are_gone_are_not_remembered() -> None:
    pods = UnreadPods()
    for at in range(1000):
        pods.advance(at, {f"pod-{at}": True}, {f"pod-{at}": 0}, {})
    assert len(pods._pods) == 1
