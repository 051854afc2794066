"""What the optimizer steps minimize. A loss draws its own negatives and asks the network for the scores it needs.

Shapes: B positives of a step, C columns of one positive (itself first), N negatives that a step shares, I the catalogue.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from recsys_trainer.fitting.loss_settings import CATALOGUE_SCORES, loss_options, loss_type, penalty
from recsys_trainer.fitting.task import Task
from recsys_trainer.models.base import Recommender
from recsys_trainer.negatives import KnownPairs, NegativeSampler, Part, PopularitySampler

MASKED = -1e30
"""Score of what does not count; of infinity, where all that was drawn is the user's own, there would be no gradient."""


@dataclass(frozen=True)
class Batch:
    """The positives of one step."""

    user_B: Tensor
    item_B: Tensor
    rating_B: Tensor | None
    generator: torch.Generator
    """Draws the negatives."""
    part: Part | None = None
    """Which rows these are, where other processes have the others."""


class Loss(ABC):
    """Mean over the positives of a batch."""

    scores: int
    """Scores that count as samples for each positive."""
    takes_saturated_users = False
    """Whether it can learn from users who have touched every item: they have no negatives."""
    by_user = False
    """Whether a step takes users with all they did, because a user costs the same however much that is."""
    penalty: float | None = None
    """Of the squares of a pair's rows in all tables, mean over the pairs."""

    def __call__(self, network: Recommender, batch: Batch) -> Tensor:
        """A scalar with gradients."""
        value, item_BC = self.compared(network, batch)
        return value if self.penalty is None else value + self.penalty * network.squares(batch.user_B, item_BC)

    @abstractmethod
    def compared(self, network: Recommender, batch: Batch) -> tuple[Tensor, Tensor]:
        """(a scalar with gradients, items [B, C] that make pairs with the users)."""

    def units_of_a_step(self, batch_size: int, pairs_of_a_unit: float) -> int:
        """How many positives (`by_user`: users) make up `training.batchSize` examples.

        Args:
            pairs_of_a_unit: 1, or the positives of a user, mean.
        """
        return max(1, batch_size // self.scores)


class OwnNegatives(Loss):
    """Losses that draw for each positive some items that its user has not touched."""

    def __init__(self, task: Task, count: int) -> None:
        positives = task.positives
        self._count, self.scores = count, 1 + count
        self._sampler = NegativeSampler.of(positives.indptr, positives.indices, positives.items, task.device)

    def compared(self, network: Recommender, batch: Batch) -> tuple[Tensor, Tensor]:
        """Score [positive, negatives]; all of them are pairs of the user."""
        negatives = self._sampler.draw(batch.user_B, self._count, batch.generator, batch.part)
        item_BC = torch.cat((batch.item_B.unsqueeze(1), negatives), dim=1)
        return self.of_scores(network(batch.user_B, item_BC)), item_BC

    @abstractmethod
    def of_scores(self, scores_BC: Tensor) -> Tensor:
        """The loss; column 0 is the positive."""


class BinaryCrossEntropy(OwnNegatives):
    """Each score is the log-odds of a positive (He et al. 2017)."""

    def of_scores(self, scores_BC: Tensor) -> Tensor:
        """Mean over positives and negatives alike."""
        targets = torch.zeros_like(scores_BC)
        targets[:, 0] = 1.0
        return functional.binary_cross_entropy_with_logits(scores_BC, targets)


class BayesianPersonalizedRanking(OwnNegatives):
    """The positive above each of its negatives (Rendle et al. 2009)."""

    def of_scores(self, scores_BC: Tensor) -> Tensor:
        """-log sigmoid of the difference."""
        return functional.softplus(scores_BC[:, 1:] - scores_BC[:, :1]).mean()


class CosineContrastive(OwnNegatives):
    """CCL of SimpleX (Mao et al. 2021): positives to cosine 1, negatives below a margin; the network gives cosines."""

    def __init__(self, task: Task, count: int, margin: float, weight: float) -> None:
        super().__init__(task, count)
        self._margin, self._weight = margin, weight

    def of_scores(self, scores_BC: Tensor) -> Tensor:
        """1 - cos of the positive + weight x mean of what negatives exceed the margin by."""
        excess = functional.relu(scores_BC[:, 1:] - self._margin).mean()
        return (1 - scores_BC[:, 0]).mean() + self._weight * excess


class Softmax(Loss):
    """Cross-entropy of the positive among other items, of which none is the user's own; a user is scored against them once."""

    def __init__(self, task: Task, temperature: float) -> None:
        positives = task.positives
        self._known = KnownPairs.of(positives.indptr, positives.indices, positives.items, task.device)
        self._temperature = temperature

    def scored(
        self, network: Recommender, user_B: Tensor, item_N: Tensor, shift_N: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(each user's place among the different ones [B], their scores [V, N], the sum over what is not their own [V], as a log).

        Args:
            shift_N: is taken off the scores of an item.
        """
        user_V, row_B = torch.unique(user_B, return_inverse=True)
        scores_VN = network(user_V, item_N) / self._temperature
        scores_VN = scores_VN if shift_N is None else scores_VN - shift_N
        others_VN = scores_VN.masked_fill(self._known.contain(user_V, item_N), MASKED)
        return row_B, scores_VN, others_VN.logsumexp(dim=1)


def _entropy(own_B: Tensor, others_B: Tensor) -> Tensor:
    """Mean of -log of the positive's share of both."""
    return (torch.logaddexp(others_B, own_B) - own_B).mean()


class SampledSoftmax(Softmax):
    """Softmax over the positive and items that the whole batch shares, each score less the log of its chance to be drawn.

    Without that correction items that are drawn often are pushed down more often (Bengio and Senécal 2008). Drawn items
    that are positives of the user are masked. Each user of a batch is scored once, however often it is there. InBatch
    takes the items of the batch's other positives, which come as often as they are popular (Yi et al. 2019).

    A batch is pairs in random order: with users and all they did, as in CrossEntropy, a step has few users, and what it
    draws weighs on all of them (NDCG@10 of 64 factors on ML-100K .165 for .181).
    """

    def __init__(self, task: Task, count: int, sampling: str, temperature: float) -> None:
        super().__init__(task, temperature)
        counts = torch.from_numpy(task.positives.counts()).to(task.device)
        self._sampler = PopularitySampler.of(torch.ones_like(counts) if sampling == "Uniform" else counts)
        self._count, self._in_batch = count, sampling == "InBatch"
        self.scores = 1 + (min(count, task.training.batch_size) if self._in_batch else count)

    def units_of_a_step(self, batch_size: int, pairs_of_a_unit: float) -> int:
        """The negatives are shared and count for nothing."""
        return batch_size

    def compared(self, network: Recommender, batch: Batch) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the positive among the drawn items; those are no user's own."""
        drawn_N, log_chance_I = self._drawn(batch), self._sampler.log_chance_I
        own_B1 = network(batch.user_B, batch.item_B.unsqueeze(1)) / self._temperature
        own_B = own_B1.squeeze(1) - log_chance_I[batch.item_B]
        row_B, _, others_V = self.scored(network, batch.user_B, drawn_N, log_chance_I[drawn_N])
        return _entropy(own_B, others_V[row_B]), batch.item_B.unsqueeze(1)

    def _drawn(self, batch: Batch) -> Tensor:
        """Item rows [N]; a batch is in random order, so the first of its items are as good as any."""
        return batch.item_B[: self._count] if self._in_batch else self._sampler.draw(self._count, batch.generator)


class CrossEntropy(Softmax):
    """Softmax over the whole catalogue but the user's other positives.

    The sum over what a user has not touched is the same for all of the user's positives, so each user of a batch is scored
    once: a batch that holds users with all they did costs as many rows as it has users.
    """

    by_user = True

    def __init__(self, task: Task, temperature: float) -> None:
        super().__init__(task, temperature)
        self.scores = task.positives.items
        self._all_I = torch.arange(self.scores, device=task.device)

    def units_of_a_step(self, batch_size: int, pairs_of_a_unit: float) -> int:
        """Users with so many positives; the catalogue counts for nothing, but must fit."""
        return max(1, min(round(batch_size / pairs_of_a_unit), CATALOGUE_SCORES // self.scores))

    def compared(self, network: Recommender, batch: Batch) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the positive."""
        row_B, scores_VI, others_V = self.scored(network, batch.user_B, self._all_I)
        return _entropy(scores_VI[row_B, batch.item_B], others_V[row_B]), batch.item_B.unsqueeze(1)


def build_loss(task: Task) -> Loss:
    """The loss that the manifest asks for, with its penalty."""
    loss = _loss_of_type(task)
    loss.penalty = penalty(task)
    return loss


def _loss_of_type(task: Task) -> Loss:
    kind, options = loss_type(task), loss_options(task)
    if kind == "CrossEntropy":
        return CrossEntropy(task, options["temperature"])
    count: int = options["negatives"]
    if kind == "SampledSoftmax":
        return SampledSoftmax(task, count, options["sampling"], options["temperature"])
    if kind == "CosineContrastive":
        return CosineContrastive(task, count, options["margin"], options["negativeWeight"])
    return BinaryCrossEntropy(task, count) if kind == "BCE" else BayesianPersonalizedRanking(task, count)
