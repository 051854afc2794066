"""Which version somebody wants to have all traffic, whatever is newer."""

from collections.abc import Sequence
from dataclasses import dataclass

from recsys_operator.core.world import VersionView


@dataclass(frozen=True)
class Pin:
    """Which version somebody wants to have all traffic."""

    wish: str
    """Name or digest, as asked for."""
    source: str
    version: VersionView | None
    """None: there is no such version, it is quarantined, or it has no artifact."""
    refused: str = ""
    """Why there is none, or what is waited for."""
    waits: bool = False
    """Whether it gets all traffic without anybody doing anything, once it has an artifact."""

    def is_of(self, version: VersionView) -> bool:
        """Whether this version is pinned, with or without an artifact."""
        return self.wish in (version.name, version.status.digest)


def resolve_pin(versions: Sequence[VersionView], wish: str, source: str) -> Pin:
    """The newest version of that name or digest, if it can have all traffic."""
    found = next((v for v in reversed(versions) if wish in (v.name, v.status.digest)), None)
    if found is None:
        return Pin(wish, source, None, f"there is no version with the name or digest {wish}")
    if why := never_pinned(found):
        return Pin(wish, source, None, why)
    if not found.status.digest:
        phase, message = found.status.phase, found.status.message
        stands = f"{phase}: {message}" if message else phase
        return Pin(wish, source, None, f"{found.name} is pinned and has no artifact yet ({stands})", waits=True)
    return Pin(wish, source, found)


def never_pinned(version: VersionView) -> str:
    """Why a version can have no users, however long somebody waits; empty where it can."""
    status = version.status
    if status.phase == "NoNewData":
        return f"{version.name} has no artifact, because its data is that of another version; pin that one"
    if status.phase == "Superseded" and not status.digest and not status.quarantined:
        return f"{version.name} was superseded before it had an artifact; put its spec back, or pin another version"
    if not status.quarantined and status.phase not in ("Failed", "Invalid"):
        return ""
    what = "was rolled back" if status.quarantined else f"is {status.phase}"
    return f"{version.name} {what}; create a Retry action that names it first"
