"""Which interactions train, which choose the epoch, which judge: recommending rules 2."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from recsys_api.recommender_model import Split
from recsys_trainer.data.validation import Interactions
from recsys_trainer.errors import DataError

TRAIN, VALIDATION, TEST = 0, 1, 2
Parts = npt.NDArray[np.uint8]


def split_parts(data: Interactions, split: Split, seed: int) -> Parts:
    """The part of every interaction: 0 train, 1 validation, 2 test, uint8 [I].

    Raises:
        DataError: a part would be empty.
    """
    parts = _STRATEGIES[split.strategy](data, split, seed)
    for part, name in ((TRAIN, "training"), (VALIDATION, "validation"), (TEST, "test")):
        if not (parts == part).any():
            raise DataError.at(
                "data.split", "", f"the {name} part of {len(data)} interactions is empty", _FIX[split.strategy]
            )
    return parts


def _temporal(data: Interactions, split: Split, seed: int) -> Parts:
    """The newest interactions of all, ties at a boundary to the earlier part."""
    total = len(data)
    test_from = _boundary(data.timestamp_I, total - round(total * split.test_fraction))
    validation_from = _boundary(
        data.timestamp_I, total - round(total * (split.test_fraction + split.validation_fraction))
    )
    parts = np.zeros(total, dtype=np.uint8)
    parts[validation_from:] = VALIDATION
    parts[test_from:] = TEST
    return parts


def _boundary(times: npt.NDArray[np.int64], at: int) -> int:
    """The first position from `at` whose time is later than that of the interaction before `at`."""
    return int(np.searchsorted(times, times[at - 1], side="right")) if at > 0 else 0


def _leave_one_out(data: Interactions, split: Split, seed: int) -> Parts:
    """Each user's last interaction tests, the one before validates; users with fewer than three only train."""
    order = np.argsort(data.user_I, kind="stable")
    counts = np.bincount(data.user_I, minlength=len(data.users))
    from_end = np.repeat(np.cumsum(counts), counts) - 1 - np.arange(len(data))
    enough = np.repeat(counts, counts) >= 3
    parts = np.zeros(len(data), dtype=np.uint8)
    parts[order[enough & (from_end == 0)]] = TEST
    parts[order[enough & (from_end == 1)]] = VALIDATION
    return parts


def _random(data: Interactions, split: Split, seed: int) -> Parts:
    """Shares drawn with the training seed."""
    total = len(data)
    order = np.random.default_rng(seed).permutation(total)
    test = round(total * split.test_fraction)
    validation = round(total * split.validation_fraction)
    parts = np.zeros(total, dtype=np.uint8)
    parts[order[:test]] = TEST
    parts[order[test : test + validation]] = VALIDATION
    return parts


_STRATEGIES: dict[str, Callable[[Interactions, Split, int], Parts]] = {
    "Temporal": _temporal,
    "LeaveOneOut": _leave_one_out,
    "Random": _random,
}
_FIX = {
    "Temporal": "too many interactions share one time: use finer timestamps or strategy Random",
    "LeaveOneOut": "no user has three interactions: use strategy Temporal or Random",
    "Random": "raise data.split.testFraction and validationFraction, or add data",
}
