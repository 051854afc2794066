"""Popularity of late: an interaction's weight halves with every half-life of its age."""

import numpy as np
import torch
from torch import Tensor

from recsys_trainer.artifact.served import Served
from recsys_trainer.data.ids import rows_of
from recsys_trainer.data.snapshot import Snapshot


class RecentPopularity:
    """The same scores for everybody."""

    def __init__(self, served: Served, snapshot: Snapshot, last_part: int, half_life_seconds: int) -> None:
        chosen = snapshot.part_I <= last_part
        row = rows_of(snapshot.items, served.item_ids)[snapshot.item_I[chosen]]
        times = snapshot.timestamp_I[chosen]
        weight = np.exp2(-(times.max() - times) / half_life_seconds)
        scores = np.bincount(row[row >= 0], weights=weight[row >= 0], minlength=served.items)
        self.items = served.items
        self._score_I = torch.from_numpy(scores.astype(np.float32)).to(served.device)

    def scores(self, user_B: Tensor) -> Tensor:
        """[B, I]"""
        return self._score_I.expand(len(user_B), -1)
