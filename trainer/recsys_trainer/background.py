"""One piece of work beside the training, in a thread: hashing and writing leave Python's lock to the steps meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable


class CancelledError(Exception):
    """Whoever asked for the work has given it up."""


class Background:
    """At most one work at a time."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._cancelled = threading.Event()

    @property
    def busy(self) -> bool:
        """Whether a work is going on."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, work: Callable[[], None]) -> None:
        """Begin a work; the one before it must be settled."""
        self._thread = threading.Thread(target=self._run, args=(work,), name="saving")
        self._thread.start()

    def settle(self) -> None:
        """Wait for the work.

        Raises:
            Exception: what ended it.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def cancel(self) -> None:
        """End the work where it next looks, whatever became of it."""
        self._cancelled.set()
        if self._thread is not None:
            self._thread.join()
        self._thread = self._error = None
        self._cancelled.clear()

    def look(self) -> None:
        """For the work, between its parts.

        Raises:
            CancelledError: it is to end.
        """
        if self._cancelled.is_set():
            raise CancelledError

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # it is raised where the work is settled
            self._error = error
