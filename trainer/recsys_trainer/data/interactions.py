"""The table that everything else is made from."""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from recsys_trainer.data.budget import BUDGET, Budget, chosen
from recsys_trainer.data.idlist import Ids
from recsys_trainer.data.times import Seconds

Rows = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Parts = npt.NDArray[np.uint8]
TRAIN, VALIDATION, TEST = 0, 1, 2


@dataclass(frozen=True)
class Groups:
    """A group for each user or item."""

    names: tuple[str, ...]
    of: Rows
    """Position in `names` by row, -1 where none is known."""


@dataclass(frozen=True)
class Interactions:
    """Interactions in time order."""

    users: Ids
    """By row, sorted bytewise."""
    items: Ids
    user_I: Rows
    item_I: Rows
    timestamp_I: Seconds
    """Seconds since the epoch, ascending; all 0 without a timestamp column."""
    quarantined: int = 0
    duplicates: int = 0
    problems: dict[str, int] = field(default_factory=dict)
    rating_I: npt.NDArray[np.float32] | None = None
    """None without a rating column."""
    part_I: Parts | None = None
    """The part that each interaction was found in, None unless the split is predefined."""
    user_groups: Groups | None = None
    item_groups: Groups | None = None
    filtered: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.user_I)

    def at(self, keep: Mask, budget: Budget = BUDGET) -> "Interactions":
        """Some of the interactions, the ids as they are."""
        return replace(
            self,
            user_I=chosen(self.user_I, keep, budget),
            item_I=chosen(self.item_I, keep, budget),
            timestamp_I=chosen(self.timestamp_I, keep, budget),
            rating_I=None if self.rating_I is None else chosen(self.rating_I, keep, budget),
            part_I=None if self.part_I is None else chosen(self.part_I, keep, budget),
        )
