"""What a loss is trained with: what the manifest asks for, or the defaults."""

from typing import Any

from recsys_trainer.fitting.task import Asked

OF_PAIRS = ("BCE", "BPR")
REGULARIZATION = 0.004
TEMPERATURES = {"Dot": 1.0, "Cosine": 0.15}
NEGATIVES = {"BCE": 8, "BPR": 4, "CosineContrastive": 64, "SampledSoftmax": 512}
MARGIN, NEGATIVE_WEIGHT = 0.4, 64.0
CATALOGUE_SCORES = 2**24
"""Scores of one step over the whole catalogue; bounds memory (64 MB, and as much again for gradients)."""


def loss_type(asked: Asked) -> str:
    """`training.loss.type`, or the family's default."""
    default = "SampledSoftmax" if asked.model.architecture == "MatrixFactorization" else "BCE"
    return asked.training.loss.type or default


def similarity(asked: Asked) -> str:
    """`model.similarity`, or what suits the loss: scores that are log-odds are no cosines."""
    cosine = asked.model.architecture == "MatrixFactorization" and loss_type(asked) not in OF_PAIRS
    return asked.model.similarity or ("Cosine" if cosine else "Dot")


def penalty(asked: Asked) -> float | None:
    """`model.regularization`; what is not held at all learns its training pairs by heart."""
    given = asked.model.regularization
    if given is None and loss_type(asked) in OF_PAIRS and not asked.training.optimizer.weight_decay:
        return REGULARIZATION
    return given or None


def loss_options(asked: Asked) -> dict[str, Any]:
    """The options that the loss has, by field of `training.loss`: what is asked for, or the defaults."""
    settings, kind = asked.training.loss, loss_type(asked)
    temperature = settings.temperature or TEMPERATURES[similarity(asked)]
    if kind == "CrossEntropy":
        return {"temperature": temperature}
    sampling = settings.sampling or "Uniform"
    default = max(1, CATALOGUE_SCORES // asked.training.batch_size) if sampling == "InBatch" else NEGATIVES[kind]
    count = {"negatives": settings.negatives or default}
    if kind == "SampledSoftmax":
        return {**count, "sampling": sampling, "temperature": temperature}
    if kind == "CosineContrastive":
        margin = MARGIN if settings.margin is None else settings.margin
        return {**count, "margin": margin, "negativeWeight": settings.negative_weight or NEGATIVE_WEIGHT}
    return count
