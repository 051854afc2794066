"""Bootstrap intervals over users (Efron 1979, percentile method)."""

import numpy as np
import numpy.typing as npt

from recsys_api.run_spec import MetricValue

Floats = npt.NDArray[np.float64]
RESAMPLES = 2000
MIN_USERS = 30
"""Fewer users than this cannot carry a percentile bootstrap."""
_CHUNK_DRAWS = 1_000_000


def resampled_means(values_NM: Floats, seed: int, resamples: int = RESAMPLES) -> Floats:
    """Means of M columns over resampled users, [resamples, M]. The same seed and N draw the same users."""
    users = len(values_NM)
    generator = np.random.default_rng(seed)
    chunk = max(1, _CHUNK_DRAWS // users)
    means = [
        _drawn_counts(generator, users, min(chunk, resamples - start)) @ values_NM / users
        for start in range(0, resamples, chunk)
    ]
    return np.concatenate(means)


def _drawn_counts(generator: np.random.Generator, users: int, resamples: int) -> Floats:
    """How often each user was drawn, [resamples, N]."""
    draws = generator.integers(0, users, (resamples, users), dtype=np.int32).astype(np.int64)
    draws += np.arange(resamples)[:, None] * users
    return np.bincount(draws.ravel(), minlength=resamples * users).reshape(resamples, users).astype(np.float64)


def interval(values_N: Floats, seed: int) -> tuple[float, float]:
    """95 % interval of the mean."""
    low, high = np.percentile(resampled_means(values_N[:, None], seed)[:, 0], (2.5, 97.5))
    return float(low), float(high)


def with_intervals(values: dict[str, Floats], seed: int) -> dict[str, MetricValue]:
    """Mean, interval and n of every metric; nothing where there are no users."""
    matrix_NM = np.column_stack(list(values.values())) if values else np.zeros((0, 0))
    if not len(matrix_NM):
        return {}
    low_M, high_M = np.percentile(resampled_means(matrix_NM, seed), (2.5, 97.5), axis=0)
    mean_M = matrix_NM.mean(axis=0)
    return {
        name: MetricValue(value=float(mean), low=float(low), high=float(high), n=len(matrix_NM))
        for name, mean, low, high in zip(values, mean_M, low_M, high_M, strict=True)
    }
