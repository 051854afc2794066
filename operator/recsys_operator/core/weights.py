"""Weights as ranges of user buckets, as regular expressions for a header match, and as pods.

The pattern is plain enough for RE2, PCRE and `re`: classes, repetitions and alternatives of four digits.
"""

import hashlib
import math

from recsys_api.buckets import BUCKETS
from recsys_operator.core.world import RouteIntent

DIGITS = 4


def bucket_offset(version_uid: str, rollout: int = 0) -> int:
    """First bucket of a rollout: drawn from the version's uid and the rollout's number, so other users try each one."""
    digest = hashlib.sha256(f"{version_uid}/{rollout}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS


def bucket_ranges(offset: int, weight: int) -> tuple[tuple[int, int], ...]:
    """Inclusive ranges of the buckets that `weight` percent of the users fall into; two where they wrap around."""
    length = weight * BUCKETS // 100
    if length <= 0:
        return ()
    last = offset + min(length, BUCKETS) - 1
    if last < BUCKETS:
        return ((offset, last),)
    return ((offset, BUCKETS - 1), (0, last - BUCKETS))


def in_range(bucket: int, offset: int, weight: int) -> bool:
    """Whether users of this bucket go to the candidate."""
    return (bucket - offset) % BUCKETS < weight * BUCKETS // 100


def range_regex(offset: int, weight: int) -> str:
    """The expression that matches exactly the four-digit buckets of the candidate.

    Raises:
        ValueError: at weight 0, which no expression can say in RE2; leave the rule out instead.
    """
    ranges = bucket_ranges(offset, weight)
    if not ranges:
        raise ValueError(f"weight {weight} has no buckets; leave the candidate's rule out")
    if weight >= 100:
        # all users are all users wherever the range begins: the route must read back as what it was written from
        return _any(DIGITS)
    parts = [part for low, high in ranges for part in _range_parts(low, high, DIGITS)]
    return "|".join(parts)


def needed_replicas(stable_replicas: int, weight: int) -> int:
    """Pods that a version needs for `weight` percent of the users: its share of stable's pods, at least one."""
    return max(1, math.ceil(stable_replicas * weight / 100))


def _range_parts(low: int, high: int, digits: int) -> list[str]:
    """Patterns for the numbers low..high of that many digits."""
    if digits == 0:
        return [""]
    block = 10 ** (digits - 1)
    first, last = low // block, high // block
    if low % block == 0 and high % block == block - 1:
        return [_digit(first, last) + _any(digits - 1)]
    if first == last:
        return [f"{first}{rest}" for rest in _range_parts(low % block, high % block, digits - 1)]
    parts: list[str] = []
    if low % block:
        parts += [f"{first}{rest}" for rest in _range_parts(low % block, block - 1, digits - 1)]
        first += 1
    tail: list[str] = []
    if high % block != block - 1:
        tail = [f"{last}{rest}" for rest in _range_parts(0, high % block, digits - 1)]
        last -= 1
    if first <= last:
        parts.append(_digit(first, last) + _any(digits - 1))
    return parts + tail


def _digit(low: int, high: int) -> str:
    return str(low) if low == high else f"[{low}-{high}]"


def _any(digits: int) -> str:
    return "[0-9]" * digits


def same_route(one: RouteIntent, other: RouteIntent) -> bool:
    """Whether two intents send every user to the same version."""
    return _normal(one) == _normal(other)


def _normal(intent: RouteIntent) -> RouteIntent:
    if not intent.candidate or intent.weight <= 0:
        return RouteIntent(intent.stable)
    offset = intent.bucket_offset if intent.weight < 100 else 0
    return RouteIntent(intent.stable, intent.candidate, intent.weight, offset)
