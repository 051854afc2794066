"""User buckets: which of 10,000 slices of the users somebody belongs to, without telling the gateway who it is."""

import hashlib
import hmac

BUCKETS = 10_000
BUCKET_HEADER = "x-recsys-bucket"


def bucket_of(user_id: str, key: bytes) -> int:
    """The user's bucket, 0 to 9999: the first 8 bytes (big endian) of HMAC-SHA256(key, id) modulo 10,000."""
    digest = hmac.new(key, user_id.encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS


def bucket_header(user_id: str, key: bytes) -> str:
    """The value of the `x-recsys-bucket` header: always four digits."""
    return f"{bucket_of(user_id, key):04d}"
