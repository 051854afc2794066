"""What the probes see: warmed once, event loop alive, not draining. Triton being away later changes none of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass


class LoopWatch:
    """How late the event loop runs its timers."""

    def __init__(self, now: Callable[[], float], *, period_seconds: float = 0.5, limit_seconds: float = 10.0) -> None:
        self._now, self._period_seconds, self._limit_seconds = now, period_seconds, limit_seconds
        self._ticked_at = now()
        self.lag_seconds = 0.0

    @property
    def alive(self) -> bool:
        """Whether the last timer was late by less than the limit."""
        return self.lag_seconds < self._limit_seconds

    def tick(self) -> None:
        """A timer fired."""
        now = self._now()
        self.lag_seconds = max(0.0, now - self._ticked_at - self._period_seconds)
        self._ticked_at = now

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            await asyncio.sleep(self._period_seconds)
            self.tick()


@dataclass
class Health:
    """State behind /healthz and /readyz."""

    watch: LoopWatch
    warmed: bool = False
    draining: bool = False
    problem: str = "warming up"

    def readiness(self) -> tuple[int, str]:
        """Status code and reason of /readyz."""
        if self.draining:
            return 503, "draining"
        if not self.warmed:
            return 503, self.problem
        return self.liveness()

    def liveness(self) -> tuple[int, str]:
        """Status code and reason of /healthz."""
        if not self.watch.alive:
            return 503, f"event loop is {self.watch.lag_seconds:.1f} s late"
        return 200, "ok"
