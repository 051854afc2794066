"""Which settings belong to which model family: what a family would ignore is refused, so that nobody believes in it."""

from pydantic.alias_generators import to_snake

from recsys_api import predicates as ok
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.rule_kinds import cel_list, only, prose
from recsys_api.rule_types import Rule
from recsys_api.spec.model import (
    WITH_LAYERS,
    WITH_LEAST_SQUARES,
    WITH_LOSS,
    WITH_RATINGS,
    WITH_REGULARIZATION,
    WITH_STEPS,
    WITHOUT_STEPS,
    Model,
)
from recsys_api.spec.training import Training


def _only(field: str, families: tuple[str, ...]) -> Rule:
    """`spec.model.<field>` is absent in every other family."""
    return only("spec.model", "architecture", families, field)


def _training_only(field: str, families: tuple[str, ...]) -> Rule:
    """`spec.training.<field>` is absent in every other family, empty or not."""
    return Rule(
        ("spec",),
        f"self.model.architecture in {cel_list(families)} || !has(self.training.{field})",
        f"training.{field} is for {prose(families)} only, because the others have their own way to fit; remove "
        f"training.{field}, or change model.architecture",
        lambda spec: spec.model.architecture in families or field not in spec.training.model_fields_set,
        field=f"training.{field}",
    )


def _ignored(field: str, families: tuple[str, ...], why: str) -> Rule:
    """`spec.training.<field>` is at its default, which the API server fills in, in families that do not read it."""
    name = to_snake(field)
    default = Training.model_fields[name].default
    return Rule(
        ("spec",),
        f"!(self.model.architecture in {cel_list(families)}) || !has(self.training.{field}) || "
        f"self.training.{field} == {default}",
        f"training.{field} has no place in {prose(families)}, {why}; remove training.{field}, or change "
        "model.architecture",
        lambda spec: spec.model.architecture not in families or getattr(spec.training, name) == default,
        field=f"training.{field}",
    )


def loss_type(spec: RecommenderModelSpec) -> str:
    """The loss that is meant."""
    default = "SampledSoftmax" if spec.model.architecture == "MatrixFactorization" else "BCE"
    return spec.training.loss.type or default


_CEL_LOSS = (
    "(has(self.training.loss) && has(self.training.loss.type) ? self.training.loss.type : "
    "(self.model.architecture == 'MatrixFactorization' ? 'SampledSoftmax' : 'BCE'))"
)


def _loss_option(field: str, attribute: str, losses: tuple[str, ...]) -> Rule:
    """A setting of some losses."""
    return Rule(
        ("spec",),
        f"{_CEL_LOSS} in {cel_list(losses)} || !has(self.training.loss) || !has(self.training.loss.{field})",
        f"training.loss.{field} is for {prose(losses)} only; remove {field}, or change training.loss.type",
        lambda spec: loss_type(spec) in losses or getattr(spec.training.loss, attribute) is None,
        field=f"training.loss.{field}",
    )


def _dropout_is_for_networks(model: Model) -> bool:
    return model.architecture in WITH_LOSS or model.dropout == 0


def _batch_norm_is_for_layers(model: Model) -> bool:
    return model.architecture in WITH_LAYERS or not model.batch_norm


def _implicit_only(field: str, why: str) -> Rule:
    """`spec.model.leastSquares.<field>` is absent in families of ratings."""
    name = to_snake(field)
    return Rule(
        ("spec.model",),
        f"self.architecture == 'ImplicitALS' || !has(self.leastSquares) || !has(self.leastSquares.{field})",
        f"leastSquares.{field} is for ImplicitALS only, because {why}; remove {field}",
        lambda model: model.architecture == "ImplicitALS" or getattr(model.least_squares, name, None) is None,
        field=f"leastSquares.{field}",
    )


def _sigmas_say_the_penalty(model: Model) -> bool:
    return (
        model.architecture != "ProbabilisticMF"
        or model.least_squares is None
        or model.least_squares.frequency_exponent is None
    )


def _loss_fits(spec: RecommenderModelSpec) -> bool:
    whole = loss_type(spec) in ("CosineContrastive", "CrossEntropy")
    return spec.model.architecture == "MatrixFactorization" or not whole


def _several_nodes_take_steps(spec: RecommenderModelSpec) -> bool:
    return spec.model.architecture in WITH_STEPS or spec.training.nodes == 1


def _batch_is_seen_whole(spec: RecommenderModelSpec) -> bool:
    several = spec.training.nodes > 1 or spec.training.gpus_per_node > 1
    return spec.training.loss.sampling != "InBatch" or not several


def _ratings_are_there(spec: RecommenderModelSpec) -> bool:
    return spec.model.architecture not in WITH_RATINGS or spec.data.columns.rating is not None


def _weights_are_there(spec: RecommenderModelSpec) -> bool:
    return not spec.model.weighs_interactions or spec.data.columns.rating is not None


FAMILY_RULES: tuple[Rule, ...] = (
    Rule(
        ("spec.model",),
        f"!(self.architecture in {cel_list(WITH_LAYERS)}) || !has(self.hiddenLayers) || size(self.hiddenLayers) > 0",
        "hiddenLayers is empty, but MLP and NeuMF need layers; write widths, as in [64, 32, 16], or remove it",
        ok.mlp_has_layers,
        field="hiddenLayers",
    ),
    Rule(
        ("spec.model",),
        f"self.architecture in {cel_list(WITH_LAYERS)} || !has(self.hiddenLayers) || size(self.hiddenLayers) == 0",
        "hiddenLayers must be absent, because only MLP and NeuMF have layers; remove hiddenLayers, or use MLP or NeuMF",
        ok.others_have_no_layers,
        field="hiddenLayers",
    ),
    Rule(
        ("spec.model",),
        f"self.architecture in {cel_list(WITH_LOSS)} || !has(self.dropout) || self.dropout == 0.0",
        f"dropout is for {prose(WITH_LOSS)} only; remove dropout, or change architecture",
        _dropout_is_for_networks,
        field="dropout",
    ),
    Rule(
        ("spec.model",),
        f"self.architecture in {cel_list(WITH_LAYERS)} || !has(self.batchNorm) || !self.batchNorm",
        "batchNorm is for MLP and NeuMF only, because it normalizes hidden layers; remove batchNorm",
        _batch_norm_is_for_layers,
        field="batchNorm",
    ),
    _only("pretraining", ("NeuMF",)),
    _only("mlpEmbeddingDim", ("NeuMF",)),
    _only("regularization", WITH_REGULARIZATION),
    _only("leastSquares", WITH_LEAST_SQUARES),
    _only("probabilistic", ("ProbabilisticMF",)),
    _implicit_only("unobservedWeight", "ratings say nothing of pairs without one"),
    _implicit_only("confidenceScale", "in the others a rating is what is predicted, not how much it counts"),
    Rule(
        ("spec.model",),
        "self.architecture != 'ProbabilisticMF' || !has(self.leastSquares) || "
        "!has(self.leastSquares.frequencyExponent)",
        "leastSquares.frequencyExponent has no place in ProbabilisticMF, whose penalty follows from its sigmas; "
        "remove frequencyExponent, or use ExplicitALS",
        _sigmas_say_the_penalty,
        field="leastSquares.frequencyExponent",
    ),
    _training_only("loss", WITH_LOSS),
    _training_only("optimizer", WITH_STEPS),
    _training_only("precision", WITH_LOSS),
    _training_only("compile", WITH_LOSS),
    _ignored("batchSize", WITHOUT_STEPS, "which take no optimizer steps"),
    _ignored("epochs", ("PureSVD",), "which is computed in one pass"),
    _ignored("patience", ("PureSVD",), "which is computed in one pass"),
    Rule(
        ("spec",),
        f"self.model.architecture in {cel_list(WITH_STEPS)} || !has(self.training.nodes) || self.training.nodes == 1",
        f"training.nodes above 1 is for {prose(WITH_STEPS)} only, because the others are trained in one process; set "
        "nodes: 1, or change model.architecture",
        _several_nodes_take_steps,
        field="training.nodes",
    ),
    Rule(
        ("spec",),
        f"self.model.architecture == 'MatrixFactorization' || !({_CEL_LOSS} in ['CosineContrastive', 'CrossEntropy'])",
        "training.loss.type CosineContrastive and CrossEntropy need a dot product; set model.architecture to "
        "MatrixFactorization, or use BCE, BPR or SampledSoftmax",
        _loss_fits,
        field="training.loss.type",
    ),
    _loss_option("negatives", "negatives", ("BCE", "BPR", "SampledSoftmax", "CosineContrastive")),
    _loss_option("sampling", "sampling", ("SampledSoftmax",)),
    Rule(
        ("spec",),
        "!has(self.training.loss) || !has(self.training.loss.sampling) || self.training.loss.sampling != 'InBatch' || "
        "((!has(self.training.nodes) || self.training.nodes == 1) && "
        "(!has(self.training.gpusPerNode) || self.training.gpusPerNode <= 1))",
        "training.loss.sampling InBatch and training.nodes or training.gpusPerNode above 1 exclude each other, because "
        "each of several processes would see its own part of a batch; set sampling to Uniform or Popularity, or nodes "
        "and gpusPerNode to at most 1",
        _batch_is_seen_whole,
        field="training.loss.sampling",
    ),
    _loss_option("temperature", "temperature", ("SampledSoftmax", "CrossEntropy")),
    _loss_option("margin", "margin", ("CosineContrastive",)),
    _loss_option("negativeWeight", "negative_weight", ("CosineContrastive",)),
    Rule(
        ("spec",),
        f"!(self.model.architecture in {cel_list(WITH_RATINGS)}) || has(self.data.columns.rating)",
        f"data.columns.rating is needed by {prose(WITH_RATINGS)}; name the column, or use a family that learns from "
        "interactions, as in model.architecture: ImplicitALS",
        _ratings_are_there,
        field="data.columns.rating",
    ),
    Rule(
        ("spec",),
        "!has(self.model.leastSquares) || !has(self.model.leastSquares.confidenceScale) || "
        "has(self.data.columns.rating)",
        "data.columns.rating is needed by model.leastSquares.confidenceScale, which weighs each interaction by it; name "
        "the column (in format UserItem any name stands for the weight), or remove confidenceScale",
        _weights_are_there,
        field="data.columns.rating",
    ),
)
"""In the order in which they are reported."""
