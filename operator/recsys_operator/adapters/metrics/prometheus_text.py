"""The few lines that we need of a Prometheus text page: one regular expression, no object for the other lines."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

__all__ = ["Sample", "samples_of"]

Sample = tuple[str, Mapping[str, str], float]
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\.)*)"')
_ESCAPE = re.compile(r'\\([\\"n])')


@lru_cache(maxsize=64)
def _lines(names: tuple[str, ...]) -> re.Pattern[str]:
    chosen = "|".join(map(re.escape, names))
    return re.compile(rf"^({chosen})(?:\{{([^\n]*)\}})?[ \t]+(\S+)", re.MULTILINE)


def samples_of(text: str, names: tuple[str, ...]) -> Iterator[Sample]:
    """(name, labels, value) of the samples with one of the names; NaN stays NaN.

    Raises:
        ValueError: a value of such a sample is not a number.
    """
    for match in _lines(names).finditer(text):
        name, labels, value = match.groups()
        yield name, _labels(labels or ""), float(value)


@lru_cache(maxsize=16384)
def _labels(text: str) -> Mapping[str, str]:
    # the same series come every second: their labels are read once
    found = dict(_LABEL.findall(text))
    if "\\" not in text:
        return found
    return {key: _ESCAPE.sub(lambda m: "\n" if m[1] == "n" else m[1], value) for key, value in found.items()}
