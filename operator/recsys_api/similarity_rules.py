"""What suits `spec.model.similarity`, and where no penalty can be asked for. The API server does not say it: see operator_rules."""

from recsys_api.family_rules import loss_type
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.rule_kinds import prose
from recsys_api.rule_types import Rule
from recsys_api.spec.model import WITH_LOSS, Model

_OF_DOTS, _OF_COSINES = ("BCE", "BPR"), ("CosineContrastive",)


def similarity(spec: RecommenderModelSpec) -> str:
    """What is meant: a cosine, where the loss takes it."""
    return spec.model.similarity or ("Dot" if loss_type(spec) in _OF_DOTS else "Cosine")


def _is_for_factors(model: Model) -> bool:
    return model.architecture == "MatrixFactorization" or model.similarity is None


def _suits_the_loss(spec: RecommenderModelSpec) -> bool:
    wrong = {"Cosine": _OF_DOTS, "Dot": _OF_COSINES}
    given = spec.model.similarity
    return not _is_for_factors(spec.model) or given is None or loss_type(spec) not in wrong[given]


def _split_tables_have_dots(spec: RecommenderModelSpec) -> bool:
    """Refused and not chosen in silence: where tables lie must not change what a version is."""
    sharded = spec.training.tables == "Sharded" and spec.model.architecture == "MatrixFactorization"
    return not sharded or loss_type(spec) in _OF_COSINES or similarity(spec) == "Dot"


def _there_is_a_penalty(model: Model) -> bool:
    return model.regularization != 0 or model.architecture in WITH_LOSS


SIMILARITY_RULES: tuple[Rule, ...] = (
    Rule(
        ("spec.model",),
        "",
        "similarity is for MatrixFactorization only; remove similarity, or set architecture to MatrixFactorization",
        _is_for_factors,
        field="similarity",
    ),
    Rule(
        ("spec",),
        "",
        "BCE and BPR learn log-odds, which a cosine cannot be, and CosineContrastive learns cosines; remove similarity, or set "
        "training.loss.type to SampledSoftmax or CrossEntropy",
        _suits_the_loss,
        field="model.similarity",
    ),
    Rule(
        ("spec",),
        "",
        "training.tables Sharded has no cosines, which want whole tables; set model.similarity to Dot, or tables to Replicated",
        _split_tables_have_dots,
        field="model.similarity",
    ),
    Rule(
        ("spec.model",),
        "",
        f"only {prose(WITH_LOSS)} can do without a penalty; write a number above 0, as in 0.001, or remove regularization",
        _there_is_a_penalty,
        field="regularization",
    ),
)
"""In the order in which they are reported."""
