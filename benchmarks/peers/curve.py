"""A fit that is looked at now and then: its clock stands still meanwhile. Standard library only: peers import it."""

import time
from collections.abc import Callable
from typing import Any


class StopFitError(Exception):
    """The fit has gone on for long enough; not an error."""


class Curve:
    """What each look found, and the seconds of fitting until then."""

    def __init__(self, look: Callable[[], float], every: int, patience: int) -> None:
        self._look, self._every, self._patience = look, every, patience
        self._began, self._apart = time.perf_counter(), 0.0
        self._cpu_began, self._cpu_apart = time.process_time(), 0.0
        self.points: list[dict[str, Any]] = []

    def __call__(self, epoch: int) -> None:
        """After every epoch, counted from 1.

        Raises:
            StopFitError: the last looks found nothing better.
        """
        if epoch % self._every:
            return
        now, cpu = time.perf_counter(), time.process_time()
        spent = {"seconds": now - self._began - self._apart, "cpuSeconds": cpu - self._cpu_began - self._cpu_apart}
        self.points.append({"epoch": epoch, "ndcg": self._look(), **spent})
        self._apart += time.perf_counter() - now
        self._cpu_apart += time.process_time() - cpu
        values = [point["ndcg"] for point in self.points]
        if len(values) - 1 - values.index(max(values)) >= self._patience:
            raise StopFitError
