"""Times in which no rollout starts and no weight is raised (`rollout.windows`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from recsys_api.spec.rollout import Window
from recsys_operator.core import schedule


@dataclass(frozen=True)
class Closed:
    """A time in which nothing may be raised."""

    name: str
    """Of the window that forbids it, or that opens next."""
    until: float | None
    """Seconds since the epoch; None where no Allow window ever opens."""


def closed(windows: Sequence[Window], now: float) -> Closed | None:
    """What forbids raises now; the Deny window that ends last, else the Allow window that opens first.

    Deny wins over Allow; where there are Allow windows, everything outside them is closed.
    """
    denying = [
        Closed(window.name, end) for window in windows if window.effect == "Deny" and (end := _end(window, now)) > now
    ]
    if denying:
        return max(denying, key=lambda found: found.until or 0.0)
    allowing = [window for window in windows if window.effect == "Allow"]
    if not allowing or any(_end(window, now) > now for window in allowing):
        return None
    opening = [(at, window.name) for window in allowing if (at := schedule.next_time(window.schedule, now)) is not None]
    if not opening:
        return Closed(allowing[0].name, None)
    at, name = min(opening)
    return Closed(name, at)


@lru_cache(maxsize=256)
def closed_seconds(windows: tuple[Window, ...], start: float, end: float) -> float:
    """For how long they forbade raises between two times."""
    total, at = 0.0, start
    while at < end:
        found = closed(windows, at)
        if found is None:
            at = _next_change(windows, at, end)
            continue
        until = end if found.until is None else min(found.until, end)
        total, at = total + until - at, until
    return total


def _next_change(windows: Sequence[Window], at: float, end: float) -> float:
    """When an open time ends at the earliest; `end` where it does not before that."""
    denials = [schedule.next_time(window.schedule, at) for window in windows if window.effect == "Deny"]
    allowed = [_end(window, at) for window in windows if window.effect == "Allow"]
    return min([time for time in (*denials, max(allowed, default=None)) if time is not None], default=end)


def _end(window: Window, now: float) -> float:
    """When its last opening ends or ended."""
    begun = schedule.last_time(window.schedule, now)
    return begun + window.seconds if begun is not None else 0.0
