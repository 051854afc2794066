"""Times in which no rollout starts and no weight is raised (`rollout.windows`)."""

from collections.abc import Sequence
from dataclasses import dataclass

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


def _end(window: Window, now: float) -> float:
    """When its last opening ends or ended."""
    begun = schedule.last_time(window.schedule, now)
    return begun + window.seconds if begun is not None else 0.0
