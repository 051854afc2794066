"""Who has seen what in the training data: CSR, memory-mapped (docs/contracts.md section 1)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys_serving.artifact import map_tensors
from recsys_serving.errors import ArtifactError


class SeenLists:
    """Item rows that each user's row has interacted with; indptr int64 [U+1], indices int32 [nnz]."""

    def __init__(self, indptr: NDArray[np.int64], indices: NDArray[np.int32]) -> None:
        self._indptr, self._indices = indptr, indices

    @classmethod
    def open(cls, path: Path, items: int) -> "SeenLists":
        """Map `seen.safetensors`; raise ArtifactError unless its arrays are histories over so many items.

        A row outside them would hide an item of another user of the batch, or end the batch.
        """
        tensors = map_tensors(path)
        if set(tensors) != {"indptr", "indices"}:
            raise ArtifactError(f"{path.name} holds {sorted(tensors)}; expected indptr and indices")
        indptr, indices = tensors["indptr"].view(np.int64), tensors["indices"].view(np.int32)
        if not len(indptr) or indptr[0] != 0 or indptr[-1] != len(indices) or bool((np.diff(indptr) < 0).any()):
            raise ArtifactError(f"{path.name}: indptr does not describe {len(indices)} indices; export it again")
        if len(indices) and (indices.min() < 0 or indices.max() >= items):
            raise ArtifactError(f"{path.name}: item rows must be from 0 to {items - 1}; export it again")
        return cls(indptr, indices)

    def __len__(self) -> int:
        return len(self._indptr) - 1

    def of(self, row: int) -> NDArray[np.int32]:
        """Item rows that the user at `row` has seen."""
        start, end = self._indptr[row : row + 2].tolist()
        return np.asarray(self._indices[start:end])
