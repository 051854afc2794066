"""Which interactions train, which choose the epoch, which judge: no part learns from what another one is judged by."""

from collections.abc import Callable

import numpy as np

from recsys_api.spec.data import Split
from recsys_trainer.data.budget import BUDGET, Budget, count_values, new_array, slices
from recsys_trainer.data.interactions import TEST, TRAIN, VALIDATION, Interactions, Parts
from recsys_trainer.data.times import Seconds
from recsys_trainer.errors import DataError

__all__ = ["TEST", "TRAIN", "VALIDATION", "Parts", "refuse_empty_parts", "split_parts"]


def split_parts(data: Interactions, split: Split, budget: Budget = BUDGET) -> Parts:
    """The part of every interaction: 0 train, 1 validation, 2 test, uint8 [I].

    Raises:
        DataError: a part would be empty.
    """
    parts = _STRATEGIES[split.strategy](data, split, budget)
    refuse_empty_parts(data, parts, split)
    return parts


def refuse_empty_parts(data: Interactions, parts: Parts, split: Split) -> None:
    """Refuse what cannot be trained, stopped or judged.

    Raises:
        DataError: naming the part.
    """
    for part, name in ((TRAIN, "training"), (VALIDATION, "validation"), (TEST, "test")):
        if part not in parts:
            what, fix = f"the {name} part of {len(parts)} interactions is empty", _FIX[split.strategy]
            if split.test_seconds is not None:
                why, fix = _why_empty(data.timestamp_I, part, split)
                what = f"{what}: {why}"
            elif data.duplicates and split.strategy != "Predefined":
                what, fix = f"{what}: {_REPEATED}", "hold out more, or add interactions of new pairs"
            elif split.strategy == "Temporal" and _too_few(len(parts), part, split):
                fix = _FIX["Random"]
            raise DataError.at("data.split", "", what, fix)


def _too_few(total: int, part: int, split: Split) -> bool:
    """Whether a part's share of so many interactions is none, whenever they happened."""
    test, validation = split.fractions
    return round(total * {TEST: test, VALIDATION: validation}.get(part, 1.0)) == 0


def _why_empty(times: Seconds, part: int, split: Split) -> tuple[str, str]:
    """Of parts that are cut by durations: (why, fix)."""
    first, last = int(times[0]), int(times[-1])
    why = (
        f"testSeconds is {split.test_seconds}, validationSeconds {split.validation_seconds}, and the data spans "
        f"{last - first} seconds, from {np.datetime64(first, 's')} to {np.datetime64(last, 's')}"
    )
    if part != TRAIN:
        return why, f"raise {'testSeconds' if part == TEST else 'validationSeconds'}"
    if last - first < 2:
        return why, _FIX["Temporal"]
    return why, f"lower testSeconds and validationSeconds to at most {last - first} together"


def _temporal(data: Interactions, split: Split, budget: Budget) -> Parts:
    """The newest interactions of all, by durations or shares; ties at a boundary to the earlier part."""
    times, total = data.timestamp_I, len(data)
    if split.test_seconds is not None and split.validation_seconds is not None:
        cuts = times[-1] - np.cumsum((split.test_seconds, split.validation_seconds))
        test_from, validation_from = np.searchsorted(times, cuts, side="right")
    else:
        test, validation = split.fractions
        test_from = _boundary(times, total - round(total * test))
        validation_from = _boundary(times, total - round(total * (test + validation)))
    parts = new_array(total, np.uint8, budget)
    parts[:] = TRAIN
    parts[validation_from:] = VALIDATION
    parts[test_from:] = TEST
    return parts


def _boundary(times: Seconds, at: int) -> int:
    """The first position from `at` whose time is later than that of the interaction before `at`."""
    return int(np.searchsorted(times, times[at - 1], side="right")) if at > 0 else 0


def _leave_one_out(data: Interactions, split: Split, budget: Budget) -> Parts:
    """Each user's last interaction tests, the one before validates; users with fewer than three only train."""
    size = len(data.users)
    enough = count_values(data.user_I, size, budget) >= 3
    later = np.zeros(size, dtype=np.int64)
    parts = new_array(len(data), np.uint8, budget)
    parts[:] = TRAIN
    for piece in reversed(list(slices(len(data), max(budget.batch_rows, size)))):
        newest_first = data.user_I[piece][::-1]
        order = np.argsort(newest_first, kind="stable")
        user, counts = newest_first[order], np.bincount(newest_first, minlength=size)
        from_end = later[user] + np.arange(len(user)) - np.repeat(np.cumsum(counts) - counts, counts)
        at = piece.stop - 1 - order
        parts[at[enough[user] & (from_end == 0)]] = TEST
        parts[at[enough[user] & (from_end == 1)]] = VALIDATION
        later += counts
    return parts


def _random(data: Interactions, split: Split, budget: Budget) -> Parts:
    """Shares drawn with the split's own seed."""
    total = len(data)
    order = new_array(total, np.int32 if total < 2**31 else np.int64, budget)
    for piece in slices(total, budget.batch_rows):
        order[piece] = np.arange(piece.start, piece.stop)
    np.random.default_rng(split.judging_seed).shuffle(order)
    test, validation = (round(total * share) for share in split.fractions)
    parts = new_array(total, np.uint8, budget)
    parts[:] = TRAIN
    parts[order[:test]] = TEST
    parts[order[test : test + validation]] = VALIDATION
    return parts


def _predefined(data: Interactions, split: Split, budget: Budget) -> Parts:
    """As they were found."""
    assert data.part_I is not None, "the reader knows the parts"
    return data.part_I


_STRATEGIES: dict[str, Callable[[Interactions, Split, Budget], Parts]] = {
    "Temporal": _temporal,
    "LeaveOneOut": _leave_one_out,
    "Random": _random,
    "Predefined": _predefined,
}
_REPEATED = "all of its users and items are pairs of an earlier part"
_FIX = {
    "Temporal": "too many interactions share one time: use finer timestamps or strategy Random",
    "LeaveOneOut": "no user has three interactions: use strategy Temporal or Random",
    "Random": "raise data.split.testFraction and validationFraction, or add data",
    "Predefined": "write interactions into it that no earlier part has",
}
