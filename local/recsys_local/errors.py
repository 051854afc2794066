"""Errors a person can act upon; the command line prints their text alone and exits with 1."""


class LocalError(Exception):
    """Something is missing or broken on this machine; the message says what and what to do."""


class PreflightError(LocalError):
    """The machine cannot run the cluster; one problem a line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class CommandError(LocalError):
    """A command that must succeed did not."""

    def __init__(self, command: list[str], code: int, output: str) -> None:
        tail = "\n".join(output.strip().splitlines()[-15:])
        super().__init__(f"`{' '.join(command[:6])}` ended with {code}" + (f":\n{tail}" if tail else ""))
        self.code = code
