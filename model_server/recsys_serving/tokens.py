"""Attribution tokens: what was shown by which version, verifiable by any pod without state.

Layout before base64url: version of the layout (1 byte), source (1), time (uint32 s), length and bytes of the request
id, length and bytes of the version's name, number of items (uint16), 4 keyed hash bytes for each item in order of
position, and the first 16 bytes of HMAC-SHA256 over all of it. Everything is shown with propensity 1: nothing explores.
"""

import binascii
import hashlib
import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass

_LAYOUT = 1
_HEAD = struct.Struct("<BBI")
_MAC_BYTES = 16
_HASH_BYTES = 4
SOURCES = ("Model", "Popularity")


class TokenError(ValueError):
    """Not a token of ours."""


@dataclass(frozen=True)
class Exposure:
    """What a token says."""

    request_id: str
    version: str
    source: str
    seconds: int
    item_hashes: tuple[bytes, ...]


class TokenSigner:
    """Signs and verifies under one key (RECSYS_TOKEN_KEY, shared by all pods of a model)."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._hash_key = hmac.digest(key, b"items", "sha256")

    def sign(self, *, request_id: str, version: str, source: str, items: Sequence[str], seconds: int) -> str:
        """The token of an answer given at `seconds` since the epoch."""
        request, name = request_id.encode(), version.encode()
        parts = [
            _HEAD.pack(_LAYOUT, SOURCES.index(source), seconds),
            bytes((len(request),)) + request + bytes((len(name),)) + name + struct.pack("<H", len(items)),
            *map(self.item_hash, items),
        ]
        payload = b"".join(parts)
        return urlsafe_b64encode(payload + self._mac(payload)).rstrip(b"=").decode()

    def verify(self, token: str) -> Exposure:
        """What the token says, if this key signed it.

        Raises:
            TokenError: it is malformed or altered.
        """
        try:
            raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (binascii.Error, ValueError) as error:
            raise TokenError("not base64url") from error
        payload, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if not hmac.compare_digest(self._mac(payload), mac) or self._encode(raw) != token:
            raise TokenError("signature does not match")
        return _parse(payload)

    def item_hash(self, item: str) -> bytes:
        """Four bytes that stand for an item; keyed, so that they say nothing to others."""
        return hashlib.blake2b(item.encode(), digest_size=_HASH_BYTES, key=self._hash_key).digest()

    def _mac(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, payload, "sha256")[:_MAC_BYTES]

    @staticmethod
    def _encode(raw: bytes) -> str:
        return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _parse(payload: bytes) -> Exposure:
    layout, source, seconds = _HEAD.unpack_from(payload)
    if layout != _LAYOUT:
        raise TokenError(f"layout {layout} is unknown")
    request_id, at = _text(payload, _HEAD.size)
    version, at = _text(payload, at)
    (count,) = struct.unpack_from("<H", payload, at)
    hashes = payload[at + 2 :]
    items = tuple(hashes[start : start + _HASH_BYTES] for start in range(0, count * _HASH_BYTES, _HASH_BYTES))
    return Exposure(request_id, version, SOURCES[source], seconds, items)


def _text(payload: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + payload[at]
    return payload[at + 1 : end].decode(), end
