"""Parts of manifests that many cases share."""

from typing import Any

from tests.manifests.case import Manifest


def latency(threshold: int) -> Manifest:
    """An indicator of answers above a threshold."""
    return {"type": "Latency", "thresholdMilliseconds": threshold}


def als(**settings: Any) -> Manifest:
    """A model of least squares."""
    return {"architecture": "ImplicitALS", **settings}


def mf(**settings: Any) -> Manifest:
    """A model whose loss can be chosen among all."""
    return {"architecture": "MatrixFactorization", **settings}


def parts(folder: str) -> Manifest:
    """Parts of a predefined split below a folder."""
    return {part: f"{folder}{part}/" for part in ("train", "validation", "test")}


def key(prefix: int, name: int) -> str:
    """A key of Kubernetes with so many characters before its / and after it."""
    return "d" * prefix + "/" + "n" * name
