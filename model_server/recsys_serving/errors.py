"""What can go wrong before a version serves, and the exit code that says so.

ServingError
+-- SettingsError      64  an environment variable is missing or wrong
+-- ArtifactError      65  the artifact is incomplete, altered, or carries what it must not
+-- UnreadableError    66  the artifact's URI cannot be read
+-- DoesNotFitError    71  the tables are larger than the memory limit
"""

import sys
from collections.abc import Callable

from recsys_api.exit_codes import ExitCode


class ServingError(Exception):
    """One line for a person; `exit_code` for Kubernetes."""

    exit_code = ExitCode.DATA


class SettingsError(ServingError):
    """An environment variable is missing or wrong."""

    exit_code = ExitCode.MANIFEST


class ArtifactError(ServingError):
    """The artifact is not what its digest, its manifest or its golden answers say."""


class UnreadableError(ServingError):
    """The artifact's URI cannot be read."""

    exit_code = ExitCode.UNREADABLE


class DoesNotFitError(ServingError):
    """The tables are larger than the memory limit."""

    exit_code = ExitCode.OUT_OF_MEMORY


def run_main(name: str, main: Callable[[], int]) -> int:
    """Run `main` and turn a ServingError into one line on stderr and its exit code."""
    try:
        return main()
    except ServingError as error:
        line = " ".join(str(error).split())
        print(f"{name}: {line}", file=sys.stderr, flush=True)
        return int(error.exit_code)
