"""How much of what others wrote is kept in a status: its fields and etcd have limits, and a refused write is one that never ends."""

import hashlib

MAX_MESSAGE = 1024
"""Characters: the words of a kubelet, a gateway or a manifest's error have no limit of their own."""
MAX_VALUE = 256
"""Of an annotation's value, which may be 256 KiB."""
_KEPT = 200
_HEX = 16


def clipped(message: str) -> str:
    """A message as a status holds it."""
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"


def remembered(value: str) -> str:
    """A value as a status holds it: of a long one the beginning, and a hash that tells it from others of that beginning."""
    if len(value) <= MAX_VALUE:
        return value
    return f"{value[:_KEPT]}…{hashlib.sha256(value.encode()).hexdigest()[:_HEX]}"
