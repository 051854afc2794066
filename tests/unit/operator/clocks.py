"""A clock that tests set."""


class FakeClock:
    """`ports.Clock`."""

    def __init__(self, start: float = 1_000_000.0) -> None:
        self.time = start
        self.set_by = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.time + self.set_by

    def monotonic(self) -> float:
        """The same, but that nobody sets it."""
        return self.time

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds

    def step(self, seconds: float) -> None:
        """Somebody sets the time."""
        self.set_by += seconds
