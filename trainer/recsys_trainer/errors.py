"""What can go wrong for a reason that a person can act on.

TrainerError
├── ManifestError      64  the RecommenderModel asks for something that cannot be
├── DataError          65  the interactions are not what the manifest says
├── UnreadableError    66  a URI cannot be read or written: missing, refused, no driver
├── DivergedError      70  a weight, loss or score is not finite
├── OutOfMemoryError   71  the tables cannot fit, or a disk is full
├── UnavailableError    1  the store does not answer; trying again may help
└── PeerError           1  another process of a training is gone; trying again goes on from its checkpoint

Everything else is a bug and ends with a traceback and exit code 1.
"""

import errno
from typing import ClassVar

from recsys_api.exit_codes import ExitCode

MAX_LINE = 1000


def one_line(text: str, limit: int = MAX_LINE) -> str:
    """`text` without line breaks, cut to `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def is_full_disk(error: BaseException) -> bool:
    """Whether no space was left, none of a quota, or a file may not become so large (`ulimit -f`)."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class TrainerError(Exception):
    """The message is the one line that a person reads in status: where, what, and what to do."""

    exit_code: ClassVar[int] = 1

    @property
    def line(self) -> str:
        """The message as one line."""
        return one_line(str(self))

    @property
    def lines(self) -> list[str]:
        """What a terminal shows: all that is to be changed, where that is more than the one line."""
        return [self.line]


class ManifestError(TrainerError):
    """The manifest must be changed.

    Args:
        message: the first thing.
        others: things beside it.
    """

    exit_code = ExitCode.MANIFEST

    def __init__(self, message: str, *others: str) -> None:
        super().__init__(message)
        self._others = others

    @property
    def lines(self) -> list[str]:
        """One for each thing."""
        return [self.line, *map(one_line, self._others)]


class DataError(TrainerError):
    """The data must be changed, or what the manifest says about it."""

    exit_code = ExitCode.DATA

    @classmethod
    def at(cls, file: str, column: str, what: str, fix: str) -> "DataError":
        """The error in the order in which a person looks: file, column, what, fix."""
        where = f"{file}: column {column}" if column else file
        return cls(f"{where}: {what}; {fix}")


class UnreadableError(TrainerError):
    """A URI cannot be read or written."""

    exit_code = ExitCode.UNREADABLE


class DivergedError(TrainerError):
    """Something that should be a number is not finite."""

    exit_code = ExitCode.DIVERGED


class OutOfMemoryError(TrainerError):
    """The tables do not fit, or a disk is full."""

    exit_code = ExitCode.OUT_OF_MEMORY


class UnavailableError(TrainerError):
    """The store does not answer; a retry may help, so the exit code is not a user error's."""


class PeerError(TrainerError):
    """Another process of a training is gone or has not come; the exit code that counts is its own."""
