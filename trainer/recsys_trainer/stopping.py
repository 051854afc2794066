"""SIGTERM: at once where nothing would be lost, after a checkpoint where training can leave one."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from recsys_api.exit_codes import ExitCode


class Terminated(SystemExit):
    """SIGTERM arrived; the exit code makes the Job try again."""

    def __init__(self) -> None:
        super().__init__(int(ExitCode.TERMINATED))


class Stop:
    """Whether SIGTERM has arrived while it was postponed."""

    asked = False


def terminate(number: int, frame: FrameType | None) -> None:
    """The handler that ends at once."""
    raise Terminated


@contextmanager
def postponed() -> Iterator[Stop]:
    """Inside, the first SIGTERM only asks; the second ends at once. Who leaves while asked must end by itself."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.asked:
            raise Terminated
        stop.asked = True

    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, before)
