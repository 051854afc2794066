"""What a pass goes on without (`core.decision.may_fail`): told when it begins, when it changes and when it ends."""

import logging
from dataclasses import dataclass

from recsys_operator.core.world import Trouble
from recsys_operator.errors import Conflict, OperatorError, policy_of

__all__ = ["Refusals", "level_of", "trouble_of"]

log = logging.getLogger(__name__)
MESSAGE_LIMIT = 1024
"""Characters of an error in status: an admission webhook may write pages."""


@dataclass(frozen=True)
class _Refusal:
    line: str
    level: int
    trouble: Trouble | None
    """None: no person has to act, so that no status says it."""


class Refusals:
    """The refusal that each key's passes go on without, within this process."""

    def __init__(self) -> None:
        self._known: dict[str, _Refusal] = {}

    def trouble(self, key: str) -> Trouble | None:
        """What the model's status is to say while it lasts."""
        known = self._known.get(key)
        return known.trouble if known is not None else None

    def begin(self, key: str, error: OperatorError, delay: float) -> bool:
        """Remember what an act was refused with; True where it is news, and was logged.

        Args:
            delay: seconds until it is tried again.
        """
        line = f"{policy_of(error).reason}: {error}"
        known = self._known.get(key)
        if known is not None and known.line == line:
            return False
        self._known[key] = _Refusal(line, level_of(error), trouble_of(error))
        log.log(level_of(error), "%s; all else goes on, next try in %.2f s", line, delay, extra={"model": key})
        return True

    def end(self, key: str) -> bool:
        """Nothing is refused any more; True where something was."""
        known = self._known.pop(key, None)
        if known is None:
            return False
        log.log(min(known.level, logging.INFO), "over: %s", known.line, extra={"model": key})
        return True


def level_of(error: Exception) -> int:
    """Of the line that tells of it: a conflict is everyday life."""
    return logging.DEBUG if isinstance(error, Conflict) else logging.WARNING


def trouble_of(error: Exception) -> Trouble | None:
    """What the model's status is to say; None where no person has to act."""
    policy = policy_of(error)
    return Trouble(policy.reason, str(error)[:MESSAGE_LIMIT]) if policy.tell else None
