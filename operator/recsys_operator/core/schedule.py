"""Times of a cron schedule (UTC), as pure arithmetic: the last one that is due, the next one that will be."""

from datetime import UTC, datetime, timedelta

from recsys_api import cron

HORIZON_DAYS = 1470
"""Four years and some days: 29 February is found."""


def last_time(schedule: str, now: float) -> float | None:
    """The latest time of the schedule that is not after `now` (seconds since the epoch); None where there is none."""
    return _search(schedule, now, -1)


def next_time(schedule: str, now: float) -> float | None:
    """The earliest time of the schedule after `now`."""
    return _search(schedule, now, 1)


def _search(schedule: str, now: float, direction: int) -> float | None:
    meant = cron.parse(schedule)
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for offset in range(HORIZON_DAYS):
        day = today + timedelta(days=direction * offset)
        if day.month not in meant.months or not meant.has_day(day.day, day.isoweekday() % 7):
            continue
        times = sorted((day + timedelta(hours=h, minutes=m)).timestamp() for h in meant.hours for m in meant.minutes)
        fitting = [at for at in times if (at <= now) == (direction < 0)]
        if fitting:
            return fitting[-1] if direction < 0 else fitting[0]
    return None
