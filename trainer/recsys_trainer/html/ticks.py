"""Where the axis of a chart has marks, and what stands at them."""

import math

LARGE, SMALL = 1e5, 1e-4
"""Numbers from here on, and steps below, have an exponent."""


def ticks(low: float, high: float, *, whole: bool = False) -> list[tuple[float, str]]:
    """(value, text) of two to five round values between `low` and `high`; each text is its value, so that no two are the same.

    Args:
        whole: no fractions, as of epochs.
    """
    step = _step((high - low) / 5)
    if whole:
        step = max(1.0, step)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(at * step, _text(at, step)) for at in range(first, last + 1)]


def _step(least: float) -> float:
    """1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next((factor * power for factor in (1, 2, 5) if factor * power >= least), 10 * power)


def _text(at: int, step: float) -> str:
    value, digits = at * step, max(0, -math.floor(math.log10(step) + 1e-9))
    if abs(value) < LARGE and step >= SMALL:
        return f"{value:.{digits}f}"
    return f"{value:.{len(str(abs(at))) + 1}g}"
