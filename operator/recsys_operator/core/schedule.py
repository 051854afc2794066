"""Cron schedules (five fields, UTC), as pure arithmetic: the last time that is due, the next one that will be.

As in cron, when both day of month and day of week are restricted, either of them is enough.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

HORIZON_DAYS = 1470
"""Four years and some days: 29 February is found."""

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def last_time(schedule: str, now: float) -> float | None:
    """The latest time of the schedule that is not after `now` (seconds since the epoch); None where there is none."""
    return _search(schedule, now, -1)


def next_time(schedule: str, now: float) -> float | None:
    """The earliest time of the schedule after `now`."""
    return _search(schedule, now, 1)


def _search(schedule: str, now: float, direction: int) -> float | None:
    minutes, hours, days, months, weekdays = _parse(schedule)
    restricted = tuple(field != "*" for field in (schedule.split()[2], schedule.split()[4]))
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for offset in range(HORIZON_DAYS):
        day = today + timedelta(days=direction * offset)
        if day.month not in months or not _day_matches(day, days, weekdays, restricted):
            continue
        times = sorted((day + timedelta(hours=h, minutes=m)).timestamp() for h in hours for m in minutes)
        fitting = [at for at in times if (at <= now) == (direction < 0)]
        if fitting:
            return fitting[-1] if direction < 0 else fitting[0]
    return None


def _day_matches(day: datetime, days: frozenset[int], weekdays: frozenset[int], restricted: tuple[bool, ...]) -> bool:
    by_date, by_week = day.day in days, day.isoweekday() % 7 in weekdays
    return by_date or by_week if all(restricted) else by_date and by_week


@lru_cache(maxsize=1024)
def _parse(schedule: str) -> tuple[frozenset[int], ...]:
    """Allowed values per field; Sunday is 0.

    Raises:
        ValueError: for anything but five fields.
    """
    fields = schedule.split()
    if len(fields) != len(_RANGES):
        raise ValueError(f"schedule {schedule!r} has {len(fields)} fields; write minute hour day month weekday")
    found = [_field(text, *limits) for text, limits in zip(fields, _RANGES, strict=True)]
    return (*found[:4], frozenset(value % 7 for value in found[4]))


def _field(text: str, low: int, high: int) -> frozenset[int]:
    values: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        start = low if first == "*" else int(first)
        end = high if first == "*" or (step and not last) else int(last or first)
        values.update(range(start, end + 1, int(step or 1)))
    return frozenset(values)
