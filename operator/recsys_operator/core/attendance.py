"""Times that nobody watched: no operator ran, its process stood still or could write nothing, or its clock was set.

Limits of a rollout count what an operator watched. Between two passes of one process that is told by a clock that nobody
sets; between two processes by the Lease, which each renews every few seconds anyway. The starts of the waits that a version's
record holds move by such a gap, once: what was counted before it is counted still. A gap of at most BOUND_SECONDS counts
as watched, so that restarts in quick succession put no end off, and write nothing.
"""

from dataclasses import dataclass

from recsys_operator.core.rollout_state import RolloutState

BOUND_SECONDS = 15.0
"""No longer than evidence goes unwritten: a gap is worth no more writes than that."""
CLOCKS = (
    "ready_at", "clock_start", "hold_since", "missing_since", "waiting_since", "stopped_since", "unmanaged_since",
    "parked_since",
)  # fmt: skip
"""Starts of what a rollout waits for, and of what keeps these from counting."""


@dataclass(frozen=True)
class Pass:
    """The last pass of this process that ended well."""

    at: float
    """What its clock said."""
    monotonic: float
    """What the clock said that nobody sets."""
    again_after: float
    """Seconds after which the next one was due at the latest."""


@dataclass(frozen=True)
class Gap:
    """Between the last moment that was watched, as the clock stood then, and now, as it stands now."""

    last_pass: float
    """The last pass before it, by which it is known again."""
    until: float
    """The last moment."""
    now: float

    def moved(self, since: float) -> float:
        """A start with the gap taken off; what began within it begins now."""
        return self.now - max(0.0, self.until - since)


def find_gap(last: Pass | None, attended_until: float | None, monotonic: float, now: float) -> Gap | None:
    """The gap before this pass; None where there is none worth a record.

    Args:
        last: the process's last pass; None for its first one.
        attended_until: when the process before this one was last alive.
        monotonic: this pass's time on the clock that nobody sets.
    """
    if last is None:
        found = Gap(attended_until, attended_until, now) if attended_until is not None else None
    else:
        elapsed = max(0.0, monotonic - last.monotonic)
        still = elapsed > last.again_after + BOUND_SECONDS
        found = Gap(last.at, last.at + (last.again_after if still else elapsed), now)
    return found if found is not None and abs(found.now - found.until) > BOUND_SECONDS else None


def after_gap(state: RolloutState, gap: Gap | None) -> RolloutState:
    """The state with the gap taken off its waits, unless that was done."""
    if gap is None or state.gap_after == gap.last_pass:
        return state
    known = {name: getattr(state, name) for name in CLOCKS}
    moved = {name: gap.moved(since) for name, since in known.items() if since is not None}
    if not moved:
        return state
    return state.changed(gap_after=gap.last_pass, **moved)


def later(since: float, gap: Gap | None) -> float:
    """A start that has no record of gaps: only ever later, and not where it began in the gap, which is where it was put."""
    return since if gap is None or since >= gap.until else max(since, gap.moved(since))
