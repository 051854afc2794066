"""SIGTERM and Ctrl-C: at once where nothing would be lost, after a checkpoint where training can leave one."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from recsys_api.exit_codes import ExitCode
from recsys_trainer.errors import PeerError
from recsys_trainer.progress import over

_TORCHRUN = "TORCHELASTIC_RUN_ID"
_ENDS = "note: Ctrl-C ends the step and saves; once more ends at once"


class Terminated(SystemExit):
    """SIGTERM arrived; the exit code makes the Job try again."""

    def __init__(self, *, saved: bool = False) -> None:
        super().__init__(int(ExitCode.TERMINATED))
        self.saved = saved


class Interrupted(KeyboardInterrupt):
    """Ctrl-C arrived; the state is saved."""


class Stop:
    """Whether SIGTERM or Ctrl-C has arrived while it was postponed."""

    asked = False
    interrupted = False
    """By Ctrl-C."""

    def end(self) -> Terminated | Interrupted:
        """What who was asked raises once the state is saved."""
        return Interrupted() if self.interrupted else Terminated(saved=True)


def terminate(number: int, frame: FrameType | None) -> None:
    """The handler that ends at once."""
    raise Terminated


def end_by_next() -> None:
    """From here Ctrl-C ends the process without a word: where it is ending already, Python would say where in tracebacks."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def postponed() -> Iterator[Stop]:
    """Inside, the first SIGTERM or Ctrl-C only asks; the second ends at once. Who leaves while asked must end by itself.

    torchrun's processes get Ctrl-C twice, from the terminal and from torchrun, and SIGTERM when it is pressed again.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.asked:
            if number == signal.SIGINT and _TORCHRUN in os.environ:
                return
            end_by_next()
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        stop.asked, stop.interrupted = True, number == signal.SIGINT
        if stop.interrupted:
            os.write(2, f"{over(sys.stderr)}{_ENDS}\n".encode())  # print may be what it interrupts

    before = {number: signal.signal(number, ask) for number in _postponable()}
    try:
        yield stop
    except PeerError:  # it was faster to end at the second Ctrl-C, which went to all
        if not stop.interrupted:
            raise
        raise KeyboardInterrupt from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if stop.interrupted:
            end_by_next()


def _postponable() -> list[signal.Signals]:
    """Ctrl-C only where it would end the process: of what runs in the background a shell has it ignored."""
    ends = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return [signal.SIGTERM, signal.SIGINT] if ends else [signal.SIGTERM]
