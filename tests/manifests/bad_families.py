"""What is refused in `spec.model`, and what its family or loss would not read in `spec.training`."""

from tests.manifests.case import Case
from tests.manifests.fragments import als, mf

FAMILY_CASES = (
    Case(
        "GMF with layers",
        {"spec.model.architecture": "GMF"},
        ("spec.model.hiddenLayers", "hiddenLayers must be absent", "remove hiddenLayers, or use MLP or NeuMF"),
    ),
    Case(
        "NeuMF without layers",
        {"spec.model.hiddenLayers": []},
        ("spec.model.hiddenLayers", "hiddenLayers is empty", "write widths"),
    ),
    Case(
        "PureSVD with layers",
        {"spec.model.architecture": "PureSVD"},
        ("spec.model.hiddenLayers", "only MLP and NeuMF have layers", "remove hiddenLayers"),
    ),
    Case(
        "PureSVD with dropout",
        {"spec.model": {"architecture": "PureSVD", "dropout": 0.1}},
        ("spec.model.dropout", "dropout is for GMF, MLP, NeuMF and MatrixFactorization only", "remove dropout"),
    ),
    Case(
        "GMF with batch norm",
        {"spec.model": {"architecture": "GMF", "batchNorm": True}},
        ("spec.model.batchNorm", "batchNorm is for MLP and NeuMF only", "remove batchNorm"),
    ),
    Case(
        "MLP with pre-training",
        {"spec.model": {"architecture": "MLP", "pretraining": {"epochs": 5}}},
        ("spec.model.pretraining", "pretraining is for NeuMF only", "set architecture to NeuMF"),
    ),
    Case(
        "PureSVD with regularization",
        {"spec.model": {"architecture": "PureSVD", "regularization": 0.1}},
        ("spec.model.regularization", "ImplicitALS, ExplicitALS and NMF only", "remove regularization"),
    ),
    Case(
        "less than no regularization",
        {"spec.model": als(regularization=-0.1)},
        ("spec.model.regularization", "greater than or equal to 0|use 0.0 or more"),
    ),
    Case(
        "PureSVD on two nodes",
        {"spec.model": {"architecture": "PureSVD"}, "spec.training.nodes": 2},
        ("spec.training.nodes", "training.nodes above 1 is for GMF, MLP, NeuMF", "set nodes: 1"),
    ),
    Case(
        "NMF with least squares",
        {"spec.model": {"architecture": "NMF", "leastSquares": {"solver": "Cholesky"}}},
        ("spec.model.leastSquares", "ImplicitALS, ExplicitALS and ProbabilisticMF only", "remove leastSquares"),
    ),
    Case(
        "an MLP branch that is not there",
        {"spec.model": {"architecture": "GMF", "mlpEmbeddingDim": 16}},
        ("spec.model.mlpEmbeddingDim", "mlpEmbeddingDim is for NeuMF only", "remove mlpEmbeddingDim"),
    ),
    Case(
        "a precision of sweeps",
        {"spec.model": als(), "spec.training.precision": "BFloat16"},
        ("spec.training.precision", "training.precision is for GMF, MLP, NeuMF and MatrixFactorization only", "remove"),
    ),
    Case(
        "a precision that nobody trains in",
        {"spec.training.precision": "Float16"},
        ("spec.training.precision", "Float16", "BFloat16"),
    ),
    Case(
        "unknown solver",
        {"spec.model": als(leastSquares={"solver": "QR"})},
        ("spec.model.leastSquares.solver", "QR", "Cholesky"),
    ),
    Case(
        "sigmas of no Gaussian",
        {"spec.model": als(probabilistic={"sigma": 1})},
        (
            "spec.model.probabilistic",
            "probabilistic is for ProbabilisticMF only",
            "set architecture to ProbabilisticMF",
        ),
    ),
    Case(
        "ratings and unobserved pairs",
        {
            "spec.data.columns.rating": "rating",
            "spec.model": {"architecture": "ExplicitALS", "leastSquares": {"unobservedWeight": 0.1}},
        },
        ("spec.model.leastSquares.unobservedWeight", "ImplicitALS only", "remove unobservedWeight"),
    ),
    *(
        Case(
            f"confidence in {family}",
            {
                "spec.data.columns.rating": "rating",
                "spec.model": {"architecture": family, "leastSquares": {"confidenceScale": 1}},
            },
            ("spec.model.leastSquares.confidenceScale", "ImplicitALS only", "remove confidenceScale"),
        )
        for family in ("ExplicitALS", "ProbabilisticMF")
    ),
    Case(
        "confidence without a column",
        {"spec.model": als(leastSquares={"confidenceScale": 40})},
        ("spec.data.columns.rating", "needed by model.leastSquares.confidenceScale", "name the column"),
    ),
    Case(
        "confidence of none",
        {"spec.data.columns.rating": "plays", "spec.model": als(leastSquares={"confidenceScale": 0})},
        ("spec.model.leastSquares.confidenceScale", "greater than 0|use more than 0"),
    ),
    Case(
        "sigmas and an exponent",
        {
            "spec.data.columns.rating": "rating",
            "spec.model": {"architecture": "ProbabilisticMF", "leastSquares": {"frequencyExponent": 1}},
        },
        ("spec.model.leastSquares.frequencyExponent", "follows from its sigmas", "remove frequencyExponent"),
    ),
    Case(
        "empty loss of a family without",
        {"spec.model": als(), "spec.training.loss": {}},
        ("spec.training.loss", "training.loss is for GMF, MLP, NeuMF and MatrixFactorization only"),
    ),
    Case(
        "a loss for least squares",
        {"spec.model": als(), "spec.training.loss.type": "BPR"},
        (
            "spec.training.loss",
            "training.loss is for GMF, MLP, NeuMF and MatrixFactorization only",
            "remove training.loss",
        ),
    ),
    Case(
        "an optimizer for least squares",
        {"spec.model": als(), "spec.training.optimizer.learningRate": 0.1},
        ("spec.training.optimizer", "MatrixFactorization and BiasedMF only", "remove training.optimizer"),
    ),
    Case(
        "a batch without steps",
        {"spec.model": als(), "spec.training.batchSize": 1024},
        (
            "spec.training.batchSize",
            "batchSize has no place in ImplicitALS, PureSVD, NMF, ExplicitALS and ProbabilisticMF",
            "remove training.batchSize",
        ),
    ),
    *(
        Case(
            f"{field} of one pass",
            {"spec.model": {"architecture": "PureSVD"}, f"spec.training.{field}": 5},
            (f"spec.training.{field}", f"{field} has no place in PureSVD", f"remove training.{field}"),
        )
        for field in ("epochs", "patience")
    ),
    Case(
        "cosines of a network",
        {"spec.training.loss.type": "CosineContrastive"},
        ("spec.training.loss.type", "need a dot product", "MatrixFactorization, or use BCE, BPR or SampledSoftmax"),
    ),
    Case(
        "negatives of the whole catalogue",
        {"spec.model": mf(), "spec.training.loss": {"type": "CrossEntropy", "negatives": 4}},
        ("spec.training.loss.negatives", "SampledSoftmax and CosineContrastive only", "remove negatives"),
    ),
    Case(
        "popular negatives for BCE",
        {"spec.training.loss.sampling": "Popularity"},
        ("spec.training.loss.sampling", "sampling is for SampledSoftmax only", "change training.loss.type"),
    ),
    *(
        Case(
            f"a batch over two {field}",
            {
                "spec.training.loss": {"type": "SampledSoftmax", "sampling": "InBatch"},
                f"spec.training.{field}": 2,
            },
            (
                "spec.training.loss.sampling",
                "InBatch and training.nodes or training.gpusPerNode above 1 exclude each other",
                "set sampling to Uniform or Popularity, or nodes and gpusPerNode to at most 1",
            ),
        )
        for field in ("nodes", "gpusPerNode")
    ),
    Case(
        "temperature of BPR",
        {"spec.training.loss": {"type": "BPR", "temperature": 0.1}},
        ("spec.training.loss.temperature", "SampledSoftmax and CrossEntropy only", "remove temperature"),
    ),
    Case(
        "margin of a softmax",
        {"spec.model": mf(), "spec.training.loss.margin": 0.5},
        ("spec.training.loss.margin", "CosineContrastive only", "remove margin"),
    ),
    Case(
        "negative weight of BCE",
        {"spec.training.loss.negativeWeight": 10},
        ("spec.training.loss.negativeWeight", "CosineContrastive only", "remove negativeWeight"),
    ),
    Case(
        "ratings without a column",
        {"spec.model": {"architecture": "BiasedMF"}},
        (
            "spec.data.columns.rating",
            "rating is needed by ExplicitALS, BiasedMF and ProbabilisticMF",
            "name the column",
        ),
    ),
    Case("unknown architecture", {"spec.model.architecture": "SVD"}, ("spec.model.architecture", "SVD", "NeuMF")),
    Case("too wide a layer", {"spec.model.hiddenLayers": [99999]}, ("spec.model.hiddenLayers[0]", "16384")),
    Case("dropout of all", {"spec.model.dropout": 1}, ("spec.model.dropout", "less than")),
    Case("no negatives", {"spec.training.loss.negatives": 0}, ("spec.training.loss.negatives", "1")),
)
