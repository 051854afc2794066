"""Similarities that suit no loss, and families that cannot do without a penalty."""

from typing import Any

from tests.manifests.case import Case
from tests.manifests.fragments import als, mf

BY_ROW: dict[str, Any] = {"tables": "Sharded", "nodes": 2, "optimizer": {"type": "RowWiseAdagrad"}}
LEARNS_FROM = "set training.loss.type to SampledSoftmax or CrossEntropy"


def _similar(name: str, similarity: str, training: dict[str, Any], *expected: str) -> Case:
    return Case(name, {"spec.model": mf(similarity=similarity), "spec.training": training}, expected)


SIMILARITY_CASES = (
    Case(
        "a cosine of layers",
        {"spec.model.similarity": "Cosine"},
        ("spec.model.similarity: similarity is for MatrixFactorization only", 'found "Cosine"', "remove similarity"),
    ),
    *(
        _similar(
            f"a cosine with {loss}",
            "Cosine",
            {"loss": {"type": loss}},
            "spec.model.similarity: BCE and BPR learn log-odds",
            'found "Cosine"',
            LEARNS_FROM,
        )
        for loss in ("BCE", "BPR")
    ),
    _similar(
        "a product with a contrast of cosines",
        "Dot",
        {"loss": {"type": "CosineContrastive"}},
        "spec.model.similarity: ",
        "CosineContrastive learns cosines",
        'found "Dot"',
        LEARNS_FROM,
    ),
    _similar(
        "split tables with cosines",
        "Cosine",
        BY_ROW,
        "spec.model.similarity: training.tables Sharded has no cosines",
        "set model.similarity to Dot, or tables to Replicated",
    ),
    Case(
        "split tables with the default, which is a cosine",
        {"spec.model": mf(), "spec.training": BY_ROW},
        ("spec.model.similarity: training.tables Sharded has no cosines", "set model.similarity to Dot"),
    ),
    *(
        Case(
            f"{model['architecture']} without a penalty",
            {"spec.model": model},
            (
                "spec.model.regularization: only GMF, MLP, NeuMF and MatrixFactorization can do without a penalty",
                "found 0",
                "write a number above 0, as in 0.001",
            ),
        )
        for model in (als(regularization=0), {"architecture": "NMF", "regularization": 0})
    ),
)
