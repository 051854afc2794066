"""Every family by the name that `model.architecture` gives it."""

from recsys_trainer.models import (
    biased_mf,
    explicit_als,
    gmf,
    implicit_als,
    matrix_factorization,
    mlp,
    neumf,
    nmf,
    probabilistic_mf,
    pure_svd,
)
from recsys_trainer.models.family import Family

FAMILIES: dict[str, Family] = {
    "GMF": gmf.FAMILY,
    "MLP": mlp.FAMILY,
    "NeuMF": neumf.FAMILY,
    "MatrixFactorization": matrix_factorization.FAMILY,
    "ImplicitALS": implicit_als.FAMILY,
    "PureSVD": pure_svd.FAMILY,
    "NMF": nmf.FAMILY,
    "ExplicitALS": explicit_als.FAMILY,
    "BiasedMF": biased_mf.FAMILY,
    "ProbabilisticMF": probabilistic_mf.FAMILY,
}
