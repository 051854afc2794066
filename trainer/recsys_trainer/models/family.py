"""The interface of a model family: fit, and score again from what was exported (docs/adr/0006)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal

from recsys_trainer.fitting.task import Asked, Fitted, Task, Weights
from recsys_trainer.models.base import Recommender
from recsys_trainer.models.fold_in import FoldIn

if TYPE_CHECKING:
    from recsys_api.artifact import ArtifactModel
    from recsys_api.spec.model import Model

UnknownUsers = Literal["Popularity", "FoldIn"]


class Family(ABC):
    """A way to find weights, and the function that they are the weights of. docs/families.md says the same of each."""

    needs_ratings = False
    """Whether it learns from `data.columns.rating`."""
    exports: tuple[str, ...]
    """Names of the tensors; `<n>` stands for the layers, counted from 0."""
    unknown_users: UnknownUsers = "Popularity"
    """How a user is answered whom the training did not have."""
    unknown_items: Literal["NeverReturned"] = "NeverReturned"
    """An item without training interactions has no row and is not returned."""

    @property
    def needs(self) -> Literal["Interactions", "Ratings"]:
        """What it learns from."""
        return "Ratings" if self.needs_ratings else "Interactions"

    def fold_in(self, model: Model) -> FoldIn | None:
        """How an unknown user's factors follow from items alone: where `unknown_users` says FoldIn."""
        return None

    def fold_in_rated(self, model: Model) -> FoldIn | None:
        """How they follow from items with ratings. Requests have no ratings, so only evaluations use it."""
        return None

    def in_force(self, asked: Asked) -> dict[str, Any]:
        """What a training takes for the fields that a manifest may leave to the family, by their names below `spec`."""
        return {}

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
