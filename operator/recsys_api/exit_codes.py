"""Exit codes of the trainer: 64 to 78 are the user's to fix and are never retried (podFailurePolicy FailJob)."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a Job's exit code means; `docs/contracts.md` section 2."""

    OK = 0
    MANIFEST = 64
    DATA = 65
    UNREADABLE = 66
    DIVERGED = 70
    OUT_OF_MEMORY = 71
    TERMINATED = 143
    """After SIGTERM, and a checkpoint where training can leave one; tried again within backoffLimit."""


USER_ERRORS = range(64, 79)
