"""`spec.training`: how the weights are made."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from recsys_api import patterns
from recsys_api.base import Contract
from recsys_api.field_types import LabelledName
from recsys_api.spec.pods import PodTemplate, Resources

OPERATIONAL = (
    "nodes", "gpus_per_node", "tables", "compile", "resources", "pod_template", "schedule", "deadline_seconds", "backoff_limit",
    "checkpoint_seconds", "queue_name",
)  # fmt: skip
"""Fields of `training` that say where, when and how long: no part of what a version is, so Jobs follow today's spec."""


class Loss(Contract):
    """What training minimizes, in GMF, MLP, NeuMF and MatrixFactorization; the other families define theirs."""

    type: Literal["BCE", "BPR", "SampledSoftmax", "CosineContrastive", "CrossEntropy"] | None = None
    """BCE: binary cross-entropy over positives and negatives. BPR: each positive above its negatives. SampledSoftmax:
    the positive among negatives that the batch shares, corrected for how often each is drawn. MatrixFactorization only:
    CosineContrastive (SimpleX) and CrossEntropy over the whole catalogue, which for catalogues of up to some ten thousand items
    takes less time than SampledSoftmax and ranks better. Default BCE; MatrixFactorization SampledSoftmax."""
    negatives: int | None = Field(None, ge=1, le=100000)
    """Drawn for each positive (default 8, BPR 4, CosineContrastive 64), or for each batch (SampledSoftmax, default 512; InBatch
    at most so many of the batch's items, default all that fit memory); never a training positive of that user."""
    sampling: Literal["Uniform", "Popularity", "InBatch"] | None = None
    """SampledSoftmax: whether items are drawn alike, in proportion to their training interactions, or are those of the
    batch's other positives (InBatch: one process only, so nodes and gpusPerNode are at most 1). Default Uniform."""
    temperature: float | None = Field(None, gt=0, le=1000)
    """SampledSoftmax and CrossEntropy: what scores are divided by. Default 1, of cosines 0.15."""
    margin: float | None = Field(None, ge=-1, le=1)
    """CosineContrastive: negatives below this cosine cost nothing. Default 0.4."""
    negative_weight: float | None = Field(None, gt=0, le=10**6)
    """CosineContrastive: weight of the negatives' mean against the positive. Default 64."""


class Optimizer(Contract):
    """How training minimizes it, in families that are trained in steps."""

    type: Literal["Adam", "SGD", "RowWiseAdagrad"] | None = None
    """The algorithm. Default Adam. RowWiseAdagrad is for large tables of users and items: a step costs what its batch
    touches, and the state is one number for each row. Layers get plain Adagrad with it."""
    learning_rate: float | None = Field(None, gt=0, le=10)
    """Step size. Default 0.003, with SGD 0.001, with RowWiseAdagrad 0.05."""
    schedule: Literal["Constant", "Linear"] | None = None
    """How the step size goes on: Linear makes it smaller with each epoch, towards 0 after the last. Default Constant."""
    weight_decay: float | None = Field(None, ge=0, le=1)
    """L2 penalty on all weights, with RowWiseAdagrad on those that a step touches. Default 0."""


class Training(Contract):
    """How the weights are made."""

    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()
    epochs: int = Field(20, ge=1, le=10000)
    """Most passes over the data. Not in PureSVD, which needs one."""
    patience: int = Field(3, ge=1, le=1000)
    """Epochs without a better validation NDCG@10 (ExplicitALS, BiasedMF, ProbabilisticMF: RMSE) after which training
    stops and the best weights are kept. Not in PureSVD."""
    batch_size: int = Field(4096, ge=1, le=2**24)
    """Examples of one optimizer step, in families that are trained in steps; negatives count where each positive has its
    own."""
    precision: Literal["Float32", "BFloat16"] | None = None
    """Of matrix products in a step of GMF, MLP, NeuMF and MatrixFactorization: BFloat16 is faster on GPUs, and on CPUs that have
    units for it. Weights, gradients, the optimizer's state and what is served stay float32. Default Float32."""
    compile: bool | None = None
    """Whether torch.compile makes few large operations of a step's many small ones, with Adam and SGD on GPUs; the first steps
    take a minute or so for it. The trainer's image needs Triton and a C compiler. Weights differ by rounding alone. Default false."""
    seed: int = Field(0, ge=0, le=2**31 - 1)
    """Same seed, data and machine type give the same weights. It draws what training draws; what judges is drawn by
    `data.split.seed`."""
    deterministic: bool = True
    """Bitwise repeatable, at a cost in speed that `python -m benchmarks deterministic` prints for the machine it runs on."""
    refit: Literal["Never", "TrainPlusValidation"] = "Never"
    """TrainPlusValidation fits again on both parts, for the number of epochs that was best. It comes before the export:
    the gates judge the refitted weights, which have not seen the test part."""
    nodes: int = Field(1, ge=1, le=64)
    """Pods of the training Job: each takes its share of every batch. Above 1 for families that are trained in steps."""
    gpus_per_node: int = Field(0, ge=0, le=16)
    """GPUs (nvidia.com/gpu) of each pod; 0 trains on the CPU."""
    tables: Literal["Replicated", "Sharded"] | None = None
    """Where the rows of users and items lie. Replicated: each of the training's processes has all of them. Sharded: each has
    a part, by TorchRec, so that n processes need a share of 1/n each; for MatrixFactorization with RowWiseAdagrad, nodes
    above 1 and no GPUs. Default Replicated."""
    resources: Resources = Resources()
    """Of the pods of the preparing, training and evaluating Jobs, GPUs apart."""
    pod_template: PodTemplate = PodTemplate()
    """Merged into the pods of the preparing, training and evaluating Jobs."""
    schedule: Annotated[str, StringConstraints(pattern=patterns.CRON, max_length=100)] | None = None
    """Trains anew at these times (cron, UTC), as in "0 3 * * *"; new data that equals the old costs no training."""
    deadline_seconds: int = Field(7200, ge=30, le=2592000)
    """For each of the version's Jobs."""
    backoff_limit: int = Field(3, ge=0, le=20)
    """Attempts after failures that are not the manifest's or the data's fault."""
    checkpoint_seconds: int = Field(600, ge=1, le=86400)
    """Training saves its state this often, after a whole step or sweep, and on SIGTERM, and goes on from there when it is started
    again. No part of what a version is; PureSVD, which solves at once, has nothing to save and begins again."""
    queue_name: LabelledName | None = None
    """LocalQueue of Kueue that admits the Jobs, in a label of theirs: at most 63 characters."""
