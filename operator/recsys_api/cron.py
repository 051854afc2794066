"""What a cron schedule of five fields names (`patterns.CRON`), and whether it ever comes.

As in cron, when both day of month and day of week are restricted, either of them is enough. A range may go over the end,
as hours 22-6 or Friday to Monday in 5-1.
"""

from calendar import monthrange
from dataclasses import dataclass
from functools import lru_cache

_SUNDAY_TOO = 7
"""Of weekdays 0 to 6."""
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, _SUNDAY_TOO))
_LEAP_YEAR = 2000


@dataclass(frozen=True)
class Cron:
    """Allowed values of each field; Sunday is 0."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool
    """Whether a day needs to be among `days` or `weekdays` alone, not among both."""

    def has_day(self, day: int, weekday: int) -> bool:
        """Whether a day of one of its months is meant."""
        by_date, by_week = day in self.days, weekday in self.weekdays
        return by_date or by_week if self.either else by_date and by_week

    def ever_comes(self) -> bool:
        """Whether one of its months has one of its days: no 30 February, no 31 April."""
        return self.either or any(min(self.days) <= monthrange(_LEAP_YEAR, month)[1] for month in self.months)


@lru_cache(maxsize=1024)
def parse(schedule: str) -> Cron:
    """The fields of a schedule.

    Raises:
        ValueError: for anything but five fields.
    """
    fields = schedule.split()
    if len(fields) != len(_RANGES):
        raise ValueError(f"schedule {schedule!r} has {len(fields)} fields; write minute hour day month weekday")
    minutes, hours, days, months, week = (_field(text, *limits) for text, limits in zip(fields, _RANGES, strict=True))
    weekdays = frozenset(day % 7 for day in week)
    return Cron(minutes, hours, days, months, weekdays, either="*" not in (fields[2], fields[4]))


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
