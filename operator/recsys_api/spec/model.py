"""`spec.model`: the families and their settings."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from recsys_api.base import Contract

Architecture = Literal[
    "GMF",
    "MLP",
    "NeuMF",
    "MatrixFactorization",
    "ImplicitALS",
    "PureSVD",
    "NMF",
    "ExplicitALS",
    "BiasedMF",
    "ProbabilisticMF",
]
WITH_LAYERS = ("MLP", "NeuMF")
WITH_LOSS = ("GMF", "MLP", "NeuMF", "MatrixFactorization")
"""Families whose `training.loss` can be chosen; the others define theirs."""
WITH_STEPS = (*WITH_LOSS, "BiasedMF")
"""Families that are trained in optimizer steps."""
WITHOUT_STEPS = tuple(family for family in get_args(Architecture) if family not in WITH_STEPS)
WITH_RATINGS = ("ExplicitALS", "BiasedMF", "ProbabilisticMF")
WITH_REGULARIZATION = (*WITH_STEPS, "ImplicitALS", "ExplicitALS", "NMF")
WITH_LEAST_SQUARES = ("ImplicitALS", "ExplicitALS", "ProbabilisticMF")


def default_hidden_layers(model: dict[str, Any]) -> tuple[int, ...]:
    """Layers of a model that names none: only two families have some."""
    return (64, 32, 16) if model.get("architecture") in WITH_LAYERS else ()


class LeastSquares(Contract):
    """How each user's and each item's linear system is weighed and solved."""

    unobserved_weight: float | None = Field(None, gt=0, le=1)
    """ImplicitALS: weight of a pair that did not happen against one that did (alpha0). Default 0.1."""
    confidence_scale: float | None = Field(None, gt=0, le=10**6)
    """ImplicitALS: weigh each interaction by 1 + confidenceScale x r (alpha of Hu et al. 2008), where r, at least 0, is its
    value in data.columns.rating, such as a number of plays. Of repeated rows the one that is kept counts, not their sum. Items
    of an unknown user count as 1. Default: every interaction counts as 1."""
    frequency_exponent: float | None = Field(None, ge=0, le=1)
    """How much more those with much data are regularized (nu): 0 all the same, 1 in proportion. Default 1."""
    solver: Literal["BlockCoordinate", "ConjugateGradient", "Cholesky"] | None = None
    """Cholesky is exact; the others improve on the last sweep's factors, in less time for many factors. All reach the
    same answer. Default ConjugateGradient for ImplicitALS, Cholesky for ratings."""


class Probabilistic(Contract):
    """Standard deviations of the Gaussian model, in units of a rating."""

    sigma: float = Field(0.9, gt=0, le=1000)
    """Of a rating around its prediction."""
    sigma_user: float = Field(0.3, gt=0, le=1000)
    """Of each factor of a user around 0."""
    sigma_item: float = Field(0.3, gt=0, le=1000)
    """Of each factor of an item around 0."""


class Pretraining(Contract):
    """GMF and MLP are trained first, each alone, and NeuMF starts from both (He et al. 2017, section 3.4.1)."""

    epochs: int = Field(20, ge=1, le=10000)
    """Most passes over the data for each of the two; the best by validation is kept."""
    alpha: float = Field(0.5, ge=0, le=1)
    """Weight of GMF in the joined output; MLP has the rest."""
    learning_rate: float | None = Field(None, gt=0, le=10)
    """Of the two alone. Default: training.optimizer.learningRate, which is the step size of both together: what was found alone
    is kept by a smaller one."""


class Model(Contract):
    """The model family and its settings."""

    architecture: Architecture = "NeuMF"
    """Neural Collaborative Filtering (He et al. 2017): GMF, MLP, and NeuMF, which joins both. Dot products:
    MatrixFactorization with a loss of your choice, ImplicitALS, PureSVD and NMF from interactions; ExplicitALS,
    BiasedMF and ProbabilisticMF from ratings."""
    embedding_dim: int = Field(32, ge=1, le=4096)
    """Factors of each user and item; in MLP the width of each embedding."""
    mlp_embedding_dim: int | None = Field(None, ge=1, le=4096)
    """NeuMF: the width of each embedding of the MLP branch. Default embeddingDim."""
    hidden_layers: tuple[Annotated[int, Field(ge=1, le=16384)], ...] = Field(
        default_factory=default_hidden_layers, max_length=16
    )
    """Widths of the MLP branch's layers, first to last. Default [64, 32, 16] for MLP and NeuMF; no other has any."""
    similarity: Literal["Dot", "Cosine"] | None = None
    """MatrixFactorization: whether a score is the product of a user's and an item's factors, or their cosine. SampledSoftmax
    and CrossEntropy take either, by default Cosine; BCE and BPR have Dot, CosineContrastive has Cosine."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of each hidden layer, or of a user's factors, that a training step ignores."""
    batch_norm: bool = False
    """Normalize each hidden layer over the batch while training; folded into the weights at export."""
    pretraining: Pretraining | None = None
    """NeuMF: train its two branches first."""
    regularization: float | None = Field(None, ge=0, le=10**6)
    """L2 penalty of ImplicitALS (default 0.01), ExplicitALS (0.05), NMF (0.01), BiasedMF (0.02), and of MatrixFactorization,
    GMF, MLP and NeuMF: there 0 is none, and the default 0.004 with the losses BCE and BPR where optimizer.weightDecay is not
    given, else 0. Families trained in steps penalize a user's and an item's rows once for each pair that the loss takes of them:
    interactions, and negatives drawn for one interaction."""
    least_squares: LeastSquares | None = None
    """ImplicitALS, ExplicitALS and ProbabilisticMF."""
    probabilistic: Probabilistic | None = None
    """ProbabilisticMF."""

    @property
    def weighs_interactions(self) -> bool:
        """Whether `data.columns.rating` is how much an interaction counts."""
        return self.least_squares is not None and self.least_squares.confidence_scale is not None
