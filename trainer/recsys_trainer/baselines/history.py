"""What users did, as the baselines read it.

Shapes: U users, I items, B users of a call.
"""

import torch
from torch import Tensor

from recsys_trainer.artifact.served import Served
from recsys_trainer.fitting.ragged import SparseRows, spans

CHUNK_VALUES = 2**25
"""Values of a dense slice of users x items (128 MB)."""


class Histories:
    """The users' items as dense rows."""

    def __init__(self, history: SparseRows) -> None:
        self._indptr, self._indices = history.indptr, history.indices
        self.users, self.items, self.device = history.rows, history.columns, history.indptr.device

    @classmethod
    def of(cls, served: Served) -> "Histories":
        """The training interactions."""
        indices = torch.from_numpy(served.indices.astype("int64")).to(served.device)
        indptr = torch.from_numpy(served.indptr.copy()).to(served.device)
        return cls(SparseRows.of_ones(indptr, indices, served.items))

    def rows(self, user_B: Tensor) -> Tensor:
        """1 where the user has the item, float32 [B, I]; unknown users (-1) have nothing."""
        known = user_B.clamp(min=0)
        start_B = self._indptr[known]
        length_B = torch.where(user_B >= 0, self._indptr[known + 1] - start_B, 0)
        place, entry = spans(start_B, length_B)
        result = torch.zeros(len(user_B), self.items, device=self.device)
        result[place, self._indices[entry]] = 1.0
        return result

    def gram(self) -> Tensor:
        """How many users have both items, float32 [I, I]."""
        result = torch.zeros(self.items, self.items, device=self.device)
        size = max(1, CHUNK_VALUES // self.items)
        for user_B in torch.split(torch.arange(self.users, device=self.device), size):
            rows_BI = self.rows(user_B)
            result.addmm_(rows_BI.T, rows_BI)
        return result
