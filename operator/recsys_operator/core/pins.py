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
    """None: there is no such version, or it is quarantined."""
    refused: str = ""


def resolve_pin(versions: Sequence[VersionView], wish: str, source: str) -> Pin:
    """The newest version of that name or digest, if it can have all traffic."""
    found = next((v for v in reversed(versions) if wish in (v.name, v.status.digest)), None)
    if found is None:
        return Pin(wish, source, None, f"there is no version with the name or digest {wish}")
    if found.status.quarantined:
        return Pin(wish, source, None, f"{found.name} was rolled back; a Retry action must name it first")
    if not found.status.digest:
        return Pin(wish, source, None, f"{found.name} has no artifact yet")
    if found.status.phase in ("Failed", "Invalid", "NoNewData"):
        return Pin(wish, source, None, f"{found.name} is {found.status.phase}; Retry it first")
    return Pin(wish, source, found)
