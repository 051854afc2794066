"""How a process of the trainer ends."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn, TextIO


def run(command: Callable[[], int]) -> NoReturn:
    """Run a command and end with what it returned, or with the code of what ended it, as SIGTERM does."""
    try:
        code = command()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    end(code)


@contextlib.contextmanager
def ended_by_ctrl_c() -> Iterator[None]:
    """Inside, Ctrl-C ends the process without a word, as before Python has started: nothing is there yet that could say one."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # ignored, as of what a shell runs in the background
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def say(text: str) -> None:
    """Print a result.

    Raises:
        SystemExit: 1 where it cannot be printed; why is told.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        _tell(sys.stdout, error)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left of it would be told again
        raise SystemExit(1) from None


def _tell(stream: TextIO, error: OSError) -> None:
    """Say why nothing can be written there, but of a pipe: who read it has seen enough."""
    if not isinstance(error, BrokenPipeError):
        with contextlib.suppress(OSError):
            os.write(2, f"error: {stream.name}: {error.strerror}; make room, or print to another place\n".encode())


def end(code: int) -> NoReturn:
    """End with an exit code, whatever threads of libraries still do.

    Arrow's read ahead from files of Python and free their buffers. One that does while the interpreter ends aborts the
    process, and a Job would see 134 in the place of the code that says whose mistake it was. What was printed and cannot
    be written makes of success 1.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # None: whoever started the process has closed it
                stream.flush()
        except OSError as error:
            code = code or 1
            _tell(stream, error)
    os._exit(code)
