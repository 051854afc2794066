"""Events that refer to an answer: verified, deduplicated, counted under the version that gave the answer."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from recsys_serving.requests import EventRequest
from recsys_serving.tokens import TokenError, TokenSigner

MAX_AGE_SECONDS = 86_400
_CLOCK_SKEW_SECONDS = 300


@dataclass(frozen=True)
class Outcome:
    """Whether an event counts, for which version, and why not."""

    accepted: bool
    version: str
    reason: str = ""


class EventLedger:
    """Decides about events; remembers the newest `capacity` of them to drop duplicates."""

    def __init__(self, signer: TokenSigner, *, version: str, now: Callable[[], float], capacity: int = 200_000) -> None:
        self._signer, self._version, self._now, self._capacity = signer, version, now, capacity
        self._known: OrderedDict[tuple[str, str, bytes, bytes], None] = OrderedDict()

    def accept(self, event: EventRequest) -> Outcome:
        """Judge one event."""
        try:
            exposure = self._signer.verify(event.token)
        except TokenError:
            return Outcome(False, self._version, "InvalidToken")
        age = self._now() - exposure.seconds
        if not -_CLOCK_SKEW_SECONDS <= age <= MAX_AGE_SECONDS:
            return Outcome(False, exposure.version, "Expired")
        item = self._signer.item_hash(event.item)
        if item not in exposure.item_hashes:
            return Outcome(False, exposure.version, "ItemNotShown")
        key = (event.type, exposure.version, item, event.token[-22:].encode())
        if not self._remember(key):
            return Outcome(False, exposure.version, "Duplicate")
        return Outcome(True, exposure.version)

    def _remember(self, key: tuple[str, str, bytes, bytes]) -> bool:
        if key in self._known:
            return False
        self._known[key] = None
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return True
