"""What the control plane's benchmark computes from what its processes said."""

from typing import Any

import pytest
from benchmarks.control_plane.rollbacks import find_rollbacks, quantile_interval
from benchmarks.control_plane.traffic import Traffic


def seen(at: float, backends: list[str], decision: str = "") -> dict[str, Any]:
    return {"route": "m", "at": at, "backends": backends, "decision": decision}


def test_a_rollback_is_a_route_that_loses_its_candidate_for_a_fail() -> None:
    fail = '{"verdict": "Fail", "at": "1970-01-01T00:00:19.900Z"}'
    routes = [seen(10.0, ["a"]), seen(11.0, ["a", "b"]), seen(20.0, ["a"], fail), seen(21.0, ["a"], fail)]
    standins = [{"bad": "m", "at": 12.5}, {"page": 19.2}, {"page": 19.95}]
    (found,) = find_rollbacks(routes, standins, ())
    assert (found.breach, found.page, found.decided, found.zero) == (12.5, 19.2, 19.9, 20.0)


def test_a_candidate_that_lost_its_users_for_another_reason_is_no_rollback() -> None:
    routes = [seen(10.0, ["a"]), seen(11.0, ["a", "b"]), seen(20.0, ["a"], '{"verdict": "", "at": "x"}')]
    assert find_rollbacks(routes, [{"bad": "m", "at": 12.5}], ()) == []


@pytest.mark.parametrize(("n", "low", "high"), [(400, 391, 399), (300, 292, None), (50, 47, None)])
def test_the_interval_of_the_99th_percentile_is_by_order_statistics(n: int, low: int, high: int | None) -> None:
    assert quantile_interval([float(value) for value in range(n)], 0.99) == (low, high)


def test_requests_of_a_bad_candidate_fail_where_the_gateway_counts_it() -> None:
    def route(*versions: str) -> dict[str, Any]:
        return {"spec": {"rules": [{"backendRefs": [{"name": version}]} for version in versions]}}

    traffic = Traffic(0.0)
    assert not traffic.route(route("a"), 0.0)
    assert traffic.route(route("b", "a"), 1.0)
    traffic.turn(2.0)
    traffic.advance(3.0)
    assert dict(traffic.answers) == {"a": 3 * 380.0, "b": 40.0}
    # rule 0 was stable's for a second, then the candidate's for two, one of them bad
    assert traffic.by_position[0, 0] == pytest.approx([380 + 20 + 2, 18])
