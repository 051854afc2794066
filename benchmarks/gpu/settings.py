"""What fitting reads of a manifest, without the packages that read manifests; a test compares the names with the manifest's."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Loss:
    """`training.loss`"""

    type: str = "BCE"
    negatives: int = 4
    sampling: str | None = None
    temperature: float | None = None
    margin: float | None = None
    negative_weight: float | None = None


@dataclass(frozen=True)
class Optimizer:
    """`training.optimizer`"""

    type: str = "Adam"
    learning_rate: float | None = 0.0045
    schedule: str | None = None
    weight_decay: float | None = None


@dataclass(frozen=True)
class Training:
    """`training`"""

    epochs: int
    batch_size: int
    patience: int = 1000
    seed: int = 0
    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()


@dataclass(frozen=True)
class Model:
    """`model`: NVIDIA's layers. The first of the four widths that they name is that of the concatenated embeddings."""

    embedding_dim: int = 64
    mlp_embedding_dim: int | None = 128
    hidden_layers: tuple[int, ...] = (256, 128, 64)
    dropout: float = 0.5
    batch_norm: bool = False
    architecture: str = "NeuMF"
    regularization: float | None = 0.0
    similarity: str | None = None


@dataclass(frozen=True)
class Positives:
    """A CSR of interactions, on any device."""

    indptr: Tensor
    """int64 [U + 1]"""
    indices: Tensor
    """int32 [nnz], ascending within a user."""
    items: int
    ratings: None = None

    @property
    def users(self) -> int:
        """U"""
        return len(self.indptr) - 1
