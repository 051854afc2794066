"""Cron times, UTC."""

from datetime import UTC, datetime

import pytest

from recsys_api import cron
from recsys_operator.core import schedule


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("cron", "now", "last", "following"),
    [
        ("0 3 * * *", "2026-05-04T02:59:59", "2026-05-03T03:00", "2026-05-04T03:00"),
        ("0 3 * * *", "2026-05-04T03:00:00", "2026-05-04T03:00", "2026-05-05T03:00"),
        ("*/15 * * * *", "2026-05-04T10:14:00", "2026-05-04T10:00", "2026-05-04T10:15"),
        ("0 0 29 2 *", "2026-05-04T00:00:00", "2024-02-29T00:00", "2028-02-29T00:00"),
        ("30 6 * * 1-5", "2026-05-03T12:00:00", "2026-05-01T06:30", "2026-05-04T06:30"),
        ("0 0 * * 7", "2026-05-04T12:00:00", "2026-05-03T00:00", "2026-05-10T00:00"),
        ("0 22-6/4 * * *", "2026-05-04T00:00:00", "2026-05-03T22:00", "2026-05-04T02:00"),
        ("0 0 * * 5-1", "2026-05-05T00:00:00", "2026-05-04T00:00", "2026-05-08T00:00"),
        ("0 0 * * 5-1/2", "2026-05-04T00:00:00", "2026-05-03T00:00", "2026-05-08T00:00"),
        ("0 0 * * 7-1", "2026-05-05T00:00:00", "2026-05-04T00:00", "2026-05-10T00:00"),
        ("0 0 * 11-2 *", "2026-02-28T12:00:00", "2026-02-28T00:00", "2026-11-01T00:00"),
        ("0 12 1 * 1", "2026-05-02T00:00:00", "2026-05-01T12:00", "2026-05-04T12:00"),
    ],
)
def test_last_and_next_time(cron: str, now: str, last: str, following: str) -> None:
    assert schedule.last_time(cron, at(now)) == at(last)
    assert schedule.next_time(cron, at(now)) == at(following)


@pytest.mark.parametrize("month", range(1, 13))
def test_a_day_that_is_said_to_come_does_and_no_other(month: int) -> None:
    for day in (1, 28, 29, 30, 31):
        written = f"0 0 {day} {month} *"
        assert cron.parse(written).ever_comes() == (schedule.next_time(written, at("2026-05-04")) is not None)
