"""What the benchmark makes of an observer's timeline."""

from typing import Any

from benchmarks.last_request import last_requests


def _route(at: float, **weights: int) -> dict[str, Any]:
    return {"kind": "route", "at": at, "weights": weights}


def _request(at: str, version: str) -> dict[str, Any]:
    start = f"2026-01-01T00:00:{at}Z"
    return {"kind": "access", "start_time": start, "path": "/v1/recommend", "x_recsys_version_requested": version}


def test_the_last_request_of_each_loss_counts_until_the_next_move_is_asked_for() -> None:
    zero = 1767225600.0
    timeline = [
        _route(zero, a=100), _request("01.000", "a"), _request("02.250", "a"), _route(zero + 2, b=100),
        _request("03.000", "b"), _request("03.980", "a"), _route(zero + 4, a=100), _request("05.000", "a"),
        _request("03.500", "b"),
    ]  # fmt: skip
    found = last_requests(timeline, asked=[zero - 0.1, zero + 1.9, zero + 3.9])
    assert [round(seconds, 3) for seconds in found] == [0.25, -0.5], "a's at 3.98 belongs to the move asked for at 3.9"
