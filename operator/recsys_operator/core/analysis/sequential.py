"""Sequential tests that may be looked at after every second: e-processes and confidence sequences.

An e-process is a nonnegative process whose expectation never exceeds 1 under the null hypothesis, at any stopping time
(Ville 1939; Ramdas et al., "Game-theoretic statistics and safe anytime-valid inference", 2023): rejecting when it reaches
1/alpha is wrong with probability alpha at most, however often one looks. The unit is one second of one version, because
requests within a second are not independent; a second's likelihood ratio is capped, which keeps the process valid.

    Fail      M_t = (M_{t-1} + pi_t) * LR_t for each rate of a fixed grid, pi_t proportional to 1/(t ln^2(t+1)): a mixture
              over the second in which the fault began, so that constant memory finds late faults fast
    Pass      an upper confidence bound of the bad rate, valid at all times: Robbins' (1970) mixture with a Beta prior
"""

import math
from functools import lru_cache

CAP = 5.0
"""Largest likelihood ratio of one second: the burst tolerance. No verdict rests on fewer seconds than it implies."""
LOG_CAP = math.log(CAP)

RATE_FRACTIONS = (0.1, 0.25, 0.45, 0.7, 0.95)
"""Alternatives of the objective's test: the rate m^(1 - f) lies between the limit m and 1 on a logarithmic scale."""
BET_FRACTIONS = (0.1, 0.3, 0.6, 0.95)
"""Bets of the comparison with stable, as shares of the largest bet that cannot lose everything."""
NOTHING = -700.0
"""Logarithm that stands for zero, so that states can be written as JSON."""

_START_TOTAL = 3.40
"""At least the sum of 1/(t ln^2(t+1)) over all t >= 1 (a test computes it), so that all starts together weigh 1 at most."""


def log_start_weight(second: int) -> float:
    """ln pi_t: how likely, before looking, a fault is to begin in the `second`-th second (1 is the first)."""
    return -math.log(second) - 2.0 * math.log(math.log(second + 1.0)) - math.log(_START_TOTAL)


def objective_grid(limit: float) -> tuple[float, ...]:
    """Bad rates above `limit` that the test is sharp for; `limit` is strictly between 0 and 1."""
    return tuple(limit ** (1.0 - fraction) for fraction in RATE_FRACTIONS)


def update_objective(logs: tuple[float, ...], second: int, n: int, bad: int, limit: float) -> tuple[float, ...]:
    """One second of the e-process against `bad rate <= limit`.

    Args:
        logs: ln M per rate of `objective_grid(limit)`; empty before the first second.
        second: 1 for the first second with data.
        n: valid events of the second; `bad` of them were bad.
    """
    start = log_start_weight(second)
    before = logs or (NOTHING,) * len(RATE_FRACTIONS)
    gains = [_log_ratio(n, bad, rate, limit) for rate in objective_grid(limit)]
    return tuple(_grow(log, start, gain) for log, gain in zip(before, gains, strict=True))


def update_difference(
    logs: tuple[float, ...], second: int, share: float, stable_share: float, margin: float
) -> tuple[float, ...]:
    """One second of the e-process against `bad rate - stable's bad rate <= margin`, by betting on the second's shares.

    A bet lambda multiplies by 1 + lambda * (share - stable_share - margin): its expectation is 1 at most under the null
    hypothesis whatever the dependence within the second (Waudby-Smith and Ramdas 2023), and below CAP by construction.
    """
    start = log_start_weight(second)
    before = logs or (NOTHING,) * len(BET_FRACTIONS)
    gain = share - stable_share - margin
    bets = [math.log1p(fraction / (1.0 + margin) * gain) for fraction in BET_FRACTIONS]
    return tuple(_grow(log, start, bet) for log, bet in zip(before, bets, strict=True))


def log_evidence(logs: tuple[float, ...]) -> float:
    """ln of the mean over the grid: compare it with ln(1/alpha)."""
    return _log_sum(logs) - math.log(len(logs)) if logs else NOTHING


def upper_bound(n: int, bad: int, alpha: float, scale: float) -> float:
    """Upper confidence bound of the bad rate that holds at all n together with probability 1 - alpha.

    Args:
        scale: the rate that the bound is to be sharp for: the Beta(1, 1/scale) prior's mean is about that.
    """
    return _bound(n, bad, alpha, scale, upper=True)


def lower_bound(n: int, bad: int, alpha: float, scale: float) -> float:
    """Lower confidence bound of the bad rate; see `upper_bound`."""
    return _bound(n, bad, alpha, scale, upper=False)


def is_below(n: int, bad: int, alpha: float, limit: float) -> bool:
    """Whether `upper_bound(n, bad, alpha, limit)` is below `limit`, without looking for the bound itself."""
    return n > 0 and bad < limit * n and _log_mixture(n, bad, limit, limit) > math.log(1.0 / alpha)


@lru_cache(maxsize=4096)
def needed_events(bad: int, alpha: float, limit: float, ceiling: int = 10**9) -> int:
    """Smallest n at which `bad` bad events are shown to be below `limit`; `ceiling` where even that is too few."""
    low, high = max(1, bad), max(2, 2 * bad)
    while not is_below(high, bad, alpha, limit):
        if high >= ceiling:
            return ceiling
        low, high = high, high * 2
    while low < high:
        middle = (low + high) // 2
        if is_below(middle, bad, alpha, limit):
            high = middle
        else:
            low = middle + 1
    return high


@lru_cache(maxsize=4096)
def detectable_rate(n: int, seconds: int, alpha: float, limit: float) -> float:
    """Smallest bad rate that the objective's test would have found in n events over `seconds` with about 90 % power; 1 if none.

    Normal approximation of the logarithm of the likelihood ratio of n independent events.
    """
    needed = math.log(len(RATE_FRACTIONS) / alpha) - log_start_weight(1)
    if n <= 0 or seconds * LOG_CAP < needed:
        return 1.0
    for step in range(1, 400):
        rate = limit ** (1.0 - step / 400)
        good, bad = math.log((1 - rate) / (1 - limit)), math.log(rate / limit)
        mean = n * (rate * bad + (1 - rate) * good)
        deviation = math.sqrt(n * rate * (1 - rate)) * (bad - good)
        if mean - 1.2816 * deviation >= needed:
            return float(rate)
    return 1.0


def _grow(log: float, start: float, gain: float) -> float:
    return max(NOTHING, _log_sum((log, start)) + min(gain, LOG_CAP))


def _log_ratio(n: int, bad: int, rate: float, limit: float) -> float:
    return bad * math.log(rate / limit) + (n - bad) * math.log((1.0 - rate) / (1.0 - limit))


def _log_sum(logs: tuple[float, ...]) -> float:
    top = max(logs)
    return top + math.log(math.fsum(math.exp(log - top) for log in logs))


def _log_mixture(n: int, bad: int, rate: float, scale: float) -> float:
    """ln of the Beta mixture's likelihood ratio against `rate`."""
    a, b = 1.0, 1.0 / scale
    mixed = _log_beta(a + bad, b + n - bad) - _log_beta(a, b)
    good = n - bad
    return mixed - (bad * math.log(rate) if bad else 0.0) - (good * math.log1p(-rate) if good else 0.0)


def _bound(n: int, bad: int, alpha: float, scale: float, *, upper: bool) -> float:
    if n == 0:
        return 1.0 if upper else 0.0
    limit = math.log(1.0 / alpha)
    middle = bad / n
    inside, outside = middle, 1.0 - 1e-12 if upper else 1e-12
    if (bad == n and upper) or (bad == 0 and not upper):
        return 1.0 if upper else 0.0
    for _ in range(50):
        rate = (inside + outside) / 2
        if _log_mixture(n, bad, rate, scale) < limit:
            inside = rate
        else:
            outside = rate
    return outside


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
