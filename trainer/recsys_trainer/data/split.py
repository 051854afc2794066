"""Which interactions train, which choose the epoch, which judge: recommending rules 2."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from recsys_api.recommender_model import Split
from recsys_trainer.data.interactions import TEST, TRAIN, VALIDATION, Interactions, Parts
from recsys_trainer.errors import DataError

__all__ = ["TEST", "TRAIN", "VALIDATION", "Parts", "refuse_empty_parts", "split_parts"]


def split_parts(data: Interactions, split: Split, seed: int) -> Parts:
    """The part of every interaction: 0 train, 1 validation, 2 test, uint8 [I].

    Raises:
        DataError: a part would be empty.
    """
    parts = _STRATEGIES[split.strategy](data, split, seed)
    refuse_empty_parts(parts, split.strategy)
    return parts


def refuse_empty_parts(parts: Parts, strategy: str) -> None:
    """Refuse what cannot be trained, stopped or judged.

    Raises:
        DataError: naming the part.
    """
    for part, name in ((TRAIN, "training"), (VALIDATION, "validation"), (TEST, "test")):
        if not (parts == part).any():
            raise DataError.at(
                "data.split", "", f"the {name} part of {len(parts)} interactions is empty", _FIX[strategy]
            )


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


def _predefined(data: Interactions, split: Split, seed: int) -> Parts:
    """As they were found."""
    assert data.part_I is not None, "the reader knows the parts"
    return data.part_I


_STRATEGIES: dict[str, Callable[[Interactions, Split, int], Parts]] = {
    "Temporal": _temporal,
    "LeaveOneOut": _leave_one_out,
    "Random": _random,
    "Predefined": _predefined,
}
_FIX = {
    "Temporal": "too many interactions share one time: use finer timestamps or strategy Random",
    "LeaveOneOut": "no user has three interactions: use strategy Temporal or Random",
    "Random": "raise data.split.testFraction and validationFraction, or add data",
    "Predefined": "write interactions into it that no earlier part has",
}
