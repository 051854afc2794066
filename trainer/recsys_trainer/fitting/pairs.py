"""What steps take: training pairs, or users with all of theirs; no more beside the CSR of positives than 4 bytes for each pair.

Order, negatives and dropout are functions of (seed, epoch) and (seed, epoch, step): a run that was interrupted finds them again
without having stored any (docs/adr/0008).

Shapes: U users, V of them to train on, P pairs, K of them to train on, B pairs of a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recsys_trainer.errors import DataError
from recsys_trainer.fitting.ragged import spans
from recsys_trainer.fitting.seeds import derived

if TYPE_CHECKING:
    from recsys_trainer.training_data import Positives


@dataclass(frozen=True)
class TrainingPairs:
    """Pairs by their position in the CSR."""

    indptr_U: Tensor
    """int32 where it can count the pairs, [U + 1]."""
    item_P: Tensor
    """int32"""
    rating_P: Tensor | None
    position_K: Tensor | None
    """Positions to train on; None: all."""

    @classmethod
    def of(cls, positives: Positives, device: str, *, all_users: bool = False) -> TrainingPairs:
        """Those of users that have something left to be a negative.

        Args:
            all_users: of all users.

        Raises:
            DataError: there are none.
        """
        indptr, item = torch.as_tensor(positives.indptr), torch.as_tensor(positives.indices)
        small = torch.int32 if len(item) < 2**31 else torch.int64
        saturated, position = indptr.diff() >= positives.items, None
        if saturated.any() and not all_users:
            position = (~saturated).repeat_interleave(indptr.diff()).nonzero().squeeze(1).to(device, small)
            if not len(position):
                what = f"every user has touched all {positives.items} items, nothing can be ranked"
                raise DataError.at("data", "", what, "add items or use more interactions")
        rating = None if positives.ratings is None else torch.as_tensor(positives.ratings).to(device)
        return cls(indptr.to(device, small), item.to(device), rating, position)

    def __len__(self) -> int:
        """K"""
        return len(self.item_P if self.position_K is None else self.position_K)

    @property
    def count(self) -> int:
        """Pairs of an epoch."""
        return len(self)

    def order(self, seed: int, epoch: int) -> Tensor:
        """The epoch's order of pairs, int32 where it can be."""
        return permuted(len(self), seed, epoch, self.indptr_U)

    def take(self, order_B: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """(users int64, items int64, ratings float32 or None) [B] of a slice of the order."""
        at_B = order_B if self.position_K is None else self.position_K[order_B]
        user_B = torch.searchsorted(self.indptr_U, at_B, right=True) - 1
        rating_B = None if self.rating_P is None else self.rating_P[at_B]
        return user_B, self.item_P[at_B].long(), rating_B


@dataclass(frozen=True)
class TrainingUsers:
    """Users who have something to learn from and something left to be a negative, each with all of their pairs."""

    pairs: TrainingPairs
    user_V: Tensor
    start_V: Tensor
    """Position of their first pair in the CSR."""
    length_V: Tensor

    @classmethod
    def of(cls, positives: Positives, device: str) -> TrainingUsers:
        """All such users.

        Raises:
            DataError: there are none.
        """
        pairs, indptr = TrainingPairs.of(positives, device), torch.as_tensor(positives.indptr).to(device)
        degree = indptr.diff()
        user_V = ((degree > 0) & (degree < positives.items)).nonzero().squeeze(1)
        return cls(pairs, user_V, indptr[user_V], degree[user_V])

    def __len__(self) -> int:
        """V"""
        return len(self.user_V)

    @property
    def count(self) -> int:
        """Pairs of an epoch."""
        return self.pairs.count

    def order(self, seed: int, epoch: int) -> Tensor:
        """The epoch's order of users."""
        return permuted(len(self), seed, epoch, self.user_V)

    def take(self, order_B: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """(users int64, items int64, ratings float32 or None) [B]: all pairs of a slice of the order."""
        row_B, at_B = spans(self.start_V[order_B], self.length_V[order_B])
        user_B, rating_P = self.user_V[order_B][row_B], self.pairs.rating_P
        return user_B, self.pairs.item_P[at_B].long(), None if rating_P is None else rating_P[at_B]


def permuted(size: int, seed: int, epoch: int, like: Tensor) -> Tensor:
    """0..size-1 in the epoch's order, with the type and device of another tensor."""
    generator = torch.Generator(device=like.device).manual_seed(derived(seed, epoch))
    return torch.randperm(size, generator=generator, device=like.device, dtype=like.dtype)


class StepSeeds:
    """Random numbers of single steps: negatives from `generator`, dropout from torch's own of the device."""

    def __init__(self, seed: int, device: str, rank: int = 0) -> None:
        """Rank: of the process; negatives are drawn for all of them alike, dropout is each one's own."""
        self._seed, self._device, self._rank = seed, device, rank
        self.generator = torch.Generator(device=device)

    def begin(self, epoch: int, step: int) -> None:
        """What is drawn next depends on (seed, epoch, step) alone."""
        seed = derived(self._seed, epoch, step)
        self.generator.manual_seed(seed)
        if self._rank:
            seed = derived(self._seed, epoch, step, self._rank)
        torch.default_generator.manual_seed(seed)  # torch.manual_seed formats a stack trace for CUDA, in every step
        if self._device == "cuda":
            torch.cuda.manual_seed(seed)
