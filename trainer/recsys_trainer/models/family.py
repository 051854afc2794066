"""The interface of a model family: fit, and score again from what was exported (docs/adr/0006)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from recsys_trainer.fitting.task import Fitted, Task, Weights
from recsys_trainer.models.base import Recommender

if TYPE_CHECKING:
    from recsys_api.artifact import ArtifactModel


class Family(ABC):
    """A way to find weights, and the function that they are the weights of."""

    needs_ratings = False
    """Whether it learns from `data.columns.rating`."""

    @abstractmethod
    def fit(self, task: Task) -> Fitted:
        """Fit; the same task on the same machine gives the same bits.

        Raises:
            DataError: the data cannot be learned from.
            DivergedError: a loss or score is not finite.
        """

    @abstractmethod
    def load(self, model: ArtifactModel, weights: Weights) -> Recommender:
        """The function whose exported tensors these are.

        Raises:
            ValueError: names or shapes are not those of the family.
        """

    @abstractmethod
    def needed_bytes(self, task: Task) -> int:
        """What fitting takes at most, the data itself included."""
