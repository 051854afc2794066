"""Test users whom the artifact does not know, though they did something between its training and the test.

Serving answers them by popularity, or from what the request says they had where the family folds in. Both are judged
here on the same users, beside baselines that score by a history anyway.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recsys_trainer.artifact.served import Served
from recsys_trainer.baselines.history import Histories
from recsys_trainer.baselines.item_based import ItemBased
from recsys_trainer.data.ids import rows_of
from recsys_trainer.data.snapshot import Snapshot
from recsys_trainer.evaluation.metrics import metric_values
from recsys_trainer.evaluation.questions import TestPart, newcomers, pairs_of
from recsys_trainer.evaluation.ranking import Questions, Scorer, rank
from recsys_trainer.fitting.ragged import SparseRows
from recsys_trainer.training_data import inverse

Values = dict[str, npt.NDArray[np.float64]]


class _Alike:
    """The same scores for everybody."""

    def __init__(self, score_I: Tensor) -> None:
        self.items, self._score_I = len(score_I), score_I

    def scores(self, user_B: Tensor) -> Tensor:
        """[B, I]"""
        return self._score_I.expand(len(user_B), -1)


@dataclass(frozen=True)
class _Folded:
    """The artifact, for users of a history."""

    served: Served
    history: SparseRows

    @property
    def items(self) -> int:
        """I"""
        return self.served.items

    def scores(self, user_B: Tensor) -> Tensor:
        """[B, I]"""
        return self.served.scores_from(_chosen(self.history, user_B))


def newcomer_questions(snapshot: Snapshot, test: TestPart, served: Served, last_part: int) -> Questions:
    """What is asked about them; `user_N` counts them from 0, `seen` is what they did since the training."""
    unknown, between = newcomers(snapshot, test, served, last_part)
    items = rows_of(snapshot.items, served.item_ids).astype(np.int64)
    found = pairs_of(snapshot, between, inverse(unknown, len(snapshot.users)), items)
    asked = unknown[np.unique(found.user_R)]
    position = inverse(asked, len(snapshot.users))
    wanted_user = position[snapshot.user_I[test.chosen_T]]
    return Questions(
        user_N=np.arange(len(asked)),
        seen=pairs_of(snapshot, between, position, items),
        wanted=pairs_of(snapshot, test.chosen_T, position, items),
        total_N=np.bincount(wanted_user[wanted_user >= 0], minlength=len(asked)),
    )


def judge_newcomers(
    questions: Questions, served: Served, others: Mapping[str, Scorer], cutoffs: Sequence[int]
) -> dict[str, Values]:
    """Every user's metrics by `model` and baseline.

    Args:
        others: baselines over known users; those that score by a history score by these users' one.
    """
    history = _history(questions, served)
    scorers: dict[str, Scorer] = {"model": _Folded(served, history)} if served.fold_in else {}
    scorers.setdefault("model", _Alike(served.popularity()))
    histories = Histories(history)
    scorers |= {
        name: scorer.over(histories) if isinstance(scorer, ItemBased) else scorer for name, scorer in others.items()
    }
    return {name: metric_values(rank(questions, scorer, served.device), cutoffs) for name, scorer in scorers.items()}


def _history(questions: Questions, served: Served) -> SparseRows:
    counts = np.bincount(questions.seen.user_R, minlength=len(questions.user_N))
    indptr = torch.from_numpy(np.concatenate(([0], np.cumsum(counts))))
    indices = torch.from_numpy(questions.seen.item_R)
    return SparseRows.of_ones(indptr.to(served.device), indices.to(served.device), served.items)


def _chosen(history: SparseRows, row_B: Tensor) -> SparseRows:
    """Some of the rows, which must be neighbours."""
    first, last = int(row_B[0]), int(row_B[-1]) + 1
    start, end = int(history.indptr[first]), int(history.indptr[last])
    indptr = history.indptr[first : last + 1] - start
    return SparseRows(indptr, history.indices[start:end], history.values[start:end], history.columns)
