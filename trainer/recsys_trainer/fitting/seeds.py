"""Seeds that numbers determine: the hash of numpy's SeedSequence (after O'Neill 2015), which needs no numpy here."""

from itertools import pairwise

MASK, POOL = 2**32 - 1, 4


def _constants(start: int, factor: int, count: int) -> list[tuple[int, int]]:
    """(what a word is mixed with, what it is multiplied by) for one word after the other."""
    powers = [start]
    for _ in range(count):
        powers.append(powers[-1] * factor & MASK)
    return list(pairwise(powers))


_GIVING = _constants(0x8B51F9DD, 0x58F38DED, 2)
_ABSORBING = _constants(0x43B0D7E5, 0x931E8875, 64)


def derived(*numbers: int) -> int:
    """A seed of 63 bits that the numbers determine: each at least 0, at most 16 words of 32 bits together."""
    words = [word for number in numbers for word in _words(number)]
    constants = iter(_ABSORBING)
    pool = [_hashed(word, *next(constants)) for word in (words + [0] * POOL)[:POOL]]
    for source in range(POOL):
        for target in range(POOL):
            if source != target:
                pool[target] = _mixed(pool[target], _hashed(pool[source], *next(constants)))
    for word in words[POOL:]:
        pool = [_mixed(own, _hashed(word, *next(constants))) for own in pool]
    low, high = (_hashed(word, *each) for word, each in zip(pool, _GIVING, strict=False))
    return (high << 32 | low) >> 1


def _words(number: int) -> list[int]:
    """Of 32 bits, the lowest first; 0 has one."""
    if number <= MASK:
        return [number]
    return [number >> place & MASK for place in range(0, number.bit_length(), 32)]


def _hashed(word: int, constant: int, factor: int) -> int:
    word = (word ^ constant) * factor & MASK
    return word ^ word >> 16


def _mixed(first: int, second: int) -> int:
    word = 0xCA01F9DD * first - 0x4973F715 * second & MASK
    return word ^ word >> 16
