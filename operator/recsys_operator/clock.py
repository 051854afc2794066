"""The real clock."""

import time

__all__ = ["SystemClock"]


class SystemClock:
    """`ports.Clock` of this machine."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds of a clock that nobody sets."""
        return time.monotonic()
