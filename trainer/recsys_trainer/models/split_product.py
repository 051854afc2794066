"""The dot product while its tables are split over the processes, and as it is asked then: from a copy on disk.

Shapes: B users of a call, D factors.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from recsys_trainer.models.dot import DotProduct
from recsys_trainer.models.on_cpu import rows


class SplitProduct(DotProduct):
    """Is trained only: its parameters have shapes and no values."""

    lies_here = False

    def __init__(
        self, users: int, items: int, width: int, located: Callable[[str, Tensor], tuple[Tensor, Tensor]]
    ) -> None:
        """Located: looks rows of a named table up, as `located` gives them."""
        super().__init__(*(torch.empty(each, width, device="meta") for each in (users, items)))
        self._located = located

    def rows(self, table: Tensor, index: Tensor) -> Tensor:
        """Rows [*index, D], of whichever process."""
        return rows(*self.located(table, index))

    def located(self, table: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """(different rows, the index's places in them)."""
        return self._located("user_factors" if table is self.user_factors else "item_factors", index)


class OnDisk(DotProduct):
    """Of tables that take disk instead of memory and do not change any more."""

    def exported(self, *, copies: bool = True) -> dict[str, Tensor]:
        """The tables themselves; nothing in a process that has no rows of them."""
        return {name: values for name, values in super().exported(copies=False).items() if len(values)}
