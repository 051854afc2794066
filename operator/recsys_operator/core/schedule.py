"""Cron schedules (five fields, UTC), as pure arithmetic: the last time that is due, the next one that will be.

As in cron, when both day of month and day of week are restricted, either of them is enough. A range may go over the end,
as hours 22-6 or Friday to Monday in 5-1.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

HORIZON_DAYS = 1470
"""Four years and some days: 29 February is found."""

_SUNDAY_TOO = 7
"""Of weekdays 0 to 6."""
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, _SUNDAY_TOO))


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
        turn = 6 if high == _SUNDAY_TOO else high
        whole = range(start, end + 1) if start <= end else (*range(start, turn + 1), *range(low, end + 1))
        values.update(whole[:: int(step or 1)])
    return frozenset(values)
