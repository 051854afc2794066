"""How a process of the trainer ends."""

import contextlib
import os
import sys
from collections.abc import Callable
from typing import NoReturn


def run(command: Callable[[], int]) -> NoReturn:
    """Run a command and end with what it returned, or with the code of what ended it, as SIGTERM does."""
    try:
        code = command()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    end(code)


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
        except BrokenPipeError:
            code = code or 1  # who read it has seen enough
        except OSError as error:
            code = code or 1
            with contextlib.suppress(OSError):
                os.write(2, f"error: {stream.name}: {error.strerror}; make room, or print to another place\n".encode())
    os._exit(code)
