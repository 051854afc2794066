"""What is searched, by data set and name; a name that follows another one looks closer where that was good.

A budget is what a search may cost at most; a search that is started again goes on where it stopped. `trials` were not always
reached: the lines of benchmarks/results/quality-search.jsonl are what was run, those of earlier limits of a space and of spaces
that are gone among them. `byHand` marks settings that nobody drew; NeuMF and MLP on ML-1M have no others.
"""

from benchmarks.quality.space import Draw, Logarithmic, OneOf, Space

ALS = {"architecture": "ImplicitALS"}
MF = {"architecture": "MatrixFactorization"}
DOT = {**MF, "similarity": "Dot"}
"""For a softmax, which has cosines by default."""
PAIRS = {
    "patience": 100,
    "batchSize": 36864,
    "loss": {"type": "BCE", "negatives": 8},
    "optimizer": {"schedule": "Linear"},
}
"""A step size that falls to nothing: the last epochs are the best."""
SPACES = {
    "ml-1m/ImplicitALS": Space(
        {**ALS, "embeddingDim": 64},
        {"epochs": 10},
        {
            "model.regularization": Logarithmic(0.001, 0.05),
            "model.leastSquares.unobservedWeight": Logarithmic(0.02, 0.6),
        },
        trials=14,
        rungs=(),
    ),
    "ml-1m/ImplicitALS-wide": Space(
        ALS,
        {"epochs": 10},
        {
            "model.embeddingDim": OneOf((128, 256)),
            "model.regularization": Logarithmic(0.003, 0.012),
            "model.leastSquares.unobservedWeight": Logarithmic(0.2, 0.8),
        },
        trials=8,
        rungs=(),
    ),
    "ml-1m/ImplicitALS-near": Space(
        ALS,
        {"epochs": 12},
        {
            "model.embeddingDim": OneOf((96, 128)),
            "model.regularization": Logarithmic(0.0007, 0.004),
            "model.leastSquares.unobservedWeight": Logarithmic(0.5, 1.0),
        },
        trials=8,
        rungs=(),
    ),
    "ml-1m/PureSVD": Space(
        {"architecture": "PureSVD"}, {}, {"model.embeddingDim": OneOf((24, 32, 48, 64, 96))}, trials=6, rungs=()
    ),
    "ml-1m/CrossEntropy": Space(
        {**DOT, "embeddingDim": 64},
        {"epochs": 40, "patience": 4, "loss": {"type": "CrossEntropy"}},
        {
            "training.optimizer.learningRate": Logarithmic(0.002, 0.02),
            "training.batchSize": OneOf((2500, 5000, 10000)),
            "model.regularization": Logarithmic(0.0003, 0.1),
            "model.dropout": OneOf((0.0, 0.3)),
        },
        trials=12,
    ),
    "ml-1m/CrossEntropy-wide": Space(
        {**DOT, "embeddingDim": 128},
        {"epochs": 40, "patience": 3, "batchSize": 10000, "loss": {"type": "CrossEntropy"}},
        {
            "training.optimizer.learningRate": Logarithmic(0.006, 0.015),
            "model.regularization": Logarithmic(0.004, 0.014),
            "model.dropout": OneOf((0.2, 0.4)),
        },
        trials=4,
        rungs=(4, 8, 12, 16),
    ),
    "ml-1m/CrossEntropy-dropout": Space(
        {**DOT, "embeddingDim": 64},
        {"epochs": 40, "patience": 3, "batchSize": 10000, "loss": {"type": "CrossEntropy"}},
        {
            "training.optimizer.learningRate": Logarithmic(0.007, 0.015),
            "model.regularization": Logarithmic(0.002, 0.01),
            "model.dropout": OneOf((0.5, 0.6, 0.7)),
        },
        trials=5,
        rungs=(8, 12, 16, 20),
    ),
    "ml-1m/CrossEntropy-linear": Space(
        {**DOT, "embeddingDim": 64},
        {"epochs": 16, "batchSize": 10000, "loss": {"type": "CrossEntropy"}, "optimizer": {"schedule": "Linear"}},
        {
            "training.optimizer.learningRate": Logarithmic(0.007, 0.015),
            "model.regularization": Logarithmic(0.004, 0.01),
            "model.dropout": OneOf((0.3, 0.5)),
        },
        trials=4,
        rungs=(),
    ),
    "ml-1m/CrossEntropy-linear-wide": Space(
        {**DOT, "embeddingDim": 128, "dropout": 0.3},
        {"epochs": 14, "batchSize": 10000, "loss": {"type": "CrossEntropy"}, "optimizer": {"schedule": "Linear"}},
        {
            "training.optimizer.learningRate": Logarithmic(0.01, 0.012),
            "model.regularization": Logarithmic(0.005, 0.006),
        },
        trials=1,
        rungs=(),
    ),
    "ml-1m/CrossEntropy-cosine": Space(
        {**MF, "similarity": "Cosine"},
        {"epochs": 20, "batchSize": 8192, "loss": {"type": "CrossEntropy"}, "optimizer": {"schedule": "Linear"}},
        {
            "model.embeddingDim": OneOf((64, 128, 256)),
            "training.optimizer.learningRate": Logarithmic(0.004, 0.02),
            "training.loss.temperature": Logarithmic(0.1, 0.18),
            "model.dropout": OneOf((0.0, 0.2)),
        },
        trials=8,
        rungs=(8, 14),
    ),
    "ml-1m/CrossEntropy-cosine-wide": Space(
        {**MF, "similarity": "Cosine"},
        {"epochs": 24, "batchSize": 8192, "loss": {"type": "CrossEntropy"}, "optimizer": {"schedule": "Linear"}},
        {
            "model.embeddingDim": OneOf((256, 384, 512)),
            "training.optimizer.learningRate": Logarithmic(0.004, 0.01),
            "training.loss.temperature": Logarithmic(0.08, 0.125),
            "model.dropout": OneOf((0.2, 0.3, 0.4)),
        },
        trials=8,
        rungs=(16,),
    ),
    "ml-1m/BCE-pairs": Space(
        MF,
        {**PAIRS, "epochs": 30},
        {
            "model.embeddingDim": OneOf((64, 96)),
            "training.optimizer.learningRate": Logarithmic(0.004, 0.009),
            "model.regularization": Logarithmic(0.0018, 0.005),
        },
        trials=8,
        rungs=(10, 20),
    ),
    "ml-1m/BCE-pairs-wide": Space(
        MF,
        {**PAIRS, "epochs": 32},
        {
            "model.embeddingDim": OneOf((128, 192)),
            "training.optimizer.learningRate": Logarithmic(0.005, 0.008),
            "model.regularization": Logarithmic(0.0034, 0.0048),
        },
        trials=4,
        rungs=(10, 20),
    ),
    "ml-1m/SampledSoftmax": Space(
        {**DOT, "embeddingDim": 64},
        {
            "epochs": 16,
            "batchSize": 8192,
            "loss": {"type": "SampledSoftmax", "negatives": 512},
            "optimizer": {"schedule": "Linear"},
        },
        {
            "training.optimizer.learningRate": Logarithmic(0.004, 0.015),
            "model.regularization": Logarithmic(0.003, 0.02),
            "model.dropout": OneOf((0.0, 0.3)),
        },
        trials=6,
        rungs=(12,),
    ),
    "ml-1m/CosineContrastive": Space(
        {**MF, "embeddingDim": 64},
        {
            "epochs": 16,
            "batchSize": 69632,
            "loss": {"type": "CosineContrastive", "negatives": 16},
            "optimizer": {"schedule": "Linear"},
        },
        {
            "training.optimizer.learningRate": Logarithmic(0.0005, 0.01),
            "training.loss.margin": OneOf((0.2, 0.4, 0.6)),
            "training.loss.negativeWeight": Logarithmic(4, 128),
            "model.dropout": OneOf((0.0, 0.3)),
        },
        trials=8,
        rungs=(6, 12),
    ),
    "ml-1m/GMF": Space(
        {"architecture": "GMF", "embeddingDim": 64},
        {**PAIRS, "epochs": 30},
        {
            "training.optimizer.learningRate": Logarithmic(0.004, 0.009),
            "model.regularization": Logarithmic(0.0018, 0.005),
        },
        trials=4,
        rungs=(10, 20),
    ),
}

SMALL: dict[str, Draw] = {"model.embeddingDim": OneOf((8, 16, 32, 64))}
STEPS: dict[str, Draw] = {
    **SMALL,
    "training.optimizer.learningRate": Logarithmic(0.001, 0.02),
    "training.optimizer.weightDecay": Logarithmic(1e-7, 1e-3),
    "training.batchSize": OneOf((1024, 4096)),
}
OF_PAIRS: dict[str, Draw] = {
    **SMALL,
    "training.optimizer.learningRate": Logarithmic(0.002, 0.015),
    "training.batchSize": OneOf((4608, 18432)),
    "model.regularization": Logarithmic(0.0015, 0.015),
}
UNTIL_WORSE = {"epochs": 60, "patience": 4}
SPACES |= {
    "ml-100k/ImplicitALS": Space(
        ALS,
        UNTIL_WORSE,
        {
            **SMALL,
            "model.regularization": Logarithmic(0.001, 0.3),
            "model.leastSquares.unobservedWeight": Logarithmic(0.02, 1.0),
        },
        trials=24,
    ),
    "ml-100k/PureSVD": Space(
        {"architecture": "PureSVD"}, {}, {"model.embeddingDim": OneOf((4, 8, 12, 16, 24, 32, 64))}, trials=12, rungs=()
    ),
    "ml-100k/NMF": Space(
        {"architecture": "NMF"}, UNTIL_WORSE, {**SMALL, "model.regularization": Logarithmic(0.01, 10.0)}, trials=12
    ),
    "ml-100k/MatrixFactorization": Space(
        DOT,
        {**UNTIL_WORSE, "loss": {"type": "CrossEntropy"}},
        {**STEPS, "model.dropout": OneOf((0.0, 0.3, 0.5))},
        trials=16,
    ),
    "ml-100k/MatrixFactorization-cosine": Space(
        {**MF, "similarity": "Cosine"},
        {**UNTIL_WORSE, "loss": {"type": "CrossEntropy"}},
        {
            "model.embeddingDim": OneOf((16, 32, 64, 128)),
            "training.optimizer.learningRate": Logarithmic(0.001, 0.02),
            "training.loss.temperature": Logarithmic(0.07, 0.5),
            "training.batchSize": OneOf((1024, 4096)),
            "model.dropout": OneOf((0.0, 0.3)),
        },
        trials=24,
    ),
    "ml-100k/MatrixFactorization-pairs": Space(MF, {**PAIRS, "epochs": 16}, OF_PAIRS, trials=12),
    "ml-100k/GMF": Space({"architecture": "GMF"}, UNTIL_WORSE, STEPS, trials=8),
    "ml-100k/GMF-pairs": Space({"architecture": "GMF"}, {**PAIRS, "epochs": 16}, OF_PAIRS, trials=12),
    "ml-100k/MLP": Space({"architecture": "MLP", "hiddenLayers": [64, 32, 16]}, UNTIL_WORSE, STEPS, trials=8),
    "ml-100k/NeuMF": Space({"architecture": "NeuMF", "hiddenLayers": [64, 32, 16]}, UNTIL_WORSE, STEPS, trials=8),
    "ml-100k/NeuMF-small": Space(
        {"architecture": "NeuMF", "hiddenLayers": [32, 16, 8]},
        {"epochs": 30, "patience": 4, "batchSize": 4096},
        {
            "model.embeddingDim": OneOf((8, 16, 32)),
            "training.optimizer.learningRate": Logarithmic(0.0003, 0.002),
            "training.optimizer.weightDecay": Logarithmic(1e-7, 1e-4),
        },
        trials=8,
    ),
    "ml-100k/NeuMF-linear": Space(
        {"architecture": "NeuMF", "embeddingDim": 32, "hiddenLayers": [64, 32, 16]},
        {"epochs": 12, "batchSize": 4096, "optimizer": {"schedule": "Linear"}},
        {
            "training.optimizer.learningRate": Logarithmic(0.003, 0.012),
            "training.optimizer.weightDecay": Logarithmic(1e-7, 1e-5),
            "model.dropout": OneOf((0.0, 0.2)),
        },
        trials=4,
        rungs=(),
    ),
    "ml-100k/NeuMF-pretrained": Space(
        {"architecture": "NeuMF", "embeddingDim": 16, "hiddenLayers": [64, 32, 16], "pretraining": {"epochs": 8}},
        {"epochs": 4, "batchSize": 4096, "optimizer": {"schedule": "Linear"}},
        {
            "training.optimizer.learningRate": Logarithmic(0.002, 0.012),
            "training.optimizer.weightDecay": Logarithmic(1e-6, 5e-5),
        },
        trials=4,
        rungs=(),
    ),
    "ml-100k/ExplicitALS": Space(
        {"architecture": "ExplicitALS"},
        {},
        {
            "training.epochs": OneOf((5, 10, 20)),
            "model.embeddingDim": OneOf((2, 4, 8, 16)),
            "model.regularization": Logarithmic(0.03, 1.0),
        },
        trials=16,
        rungs=(),
    ),
    "ml-100k/BiasedMF": Space(
        {"architecture": "BiasedMF"},
        {},
        {
            "training.epochs": OneOf((10, 20, 40)),
            "model.embeddingDim": OneOf((2, 4, 8, 16)),
            "model.regularization": Logarithmic(0.01, 0.3),
            "training.optimizer.learningRate": Logarithmic(0.002, 0.02),
        },
        trials=16,
        rungs=(),
    ),
    "ml-100k/ProbabilisticMF": Space(
        {"architecture": "ProbabilisticMF"},
        {},
        {
            "training.epochs": OneOf((5, 10, 20)),
            "model.embeddingDim": OneOf((2, 4, 8, 16)),
            "model.probabilistic.sigmaUser": Logarithmic(0.1, 1.0),
            "model.probabilistic.sigmaItem": Logarithmic(0.1, 1.0),
        },
        trials=16,
        rungs=(),
    ),
}
"""Predictors of ratings are chosen by RMSE after a number of epochs that is drawn as well."""
