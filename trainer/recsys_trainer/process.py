"""How a process of the trainer ends."""

import os
import sys
from typing import NoReturn


def end(code: int) -> NoReturn:
    """End with an exit code, whatever threads of libraries still do.

    Arrow's read ahead from files of Python and free their buffers. One that does while the interpreter ends aborts the
    process, and a Job would see 134 in the place of the code that says whose mistake it was.
    """
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = code or 1
    os._exit(code)
