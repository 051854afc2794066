"""An artifact as it is served: read from its files, scores and answers by docs/contracts.md section 3."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recsys_api.artifact import ARTIFACT_FILES, ArtifactManifest, ArtifactModel, artifact_digest
from recsys_trainer.data.idlist import Ids
from recsys_trainer.data.mapping import mapped_tensors, read_ids
from recsys_trainer.data.snapshot import file_digests
from recsys_trainer.errors import UnreadableError
from recsys_trainer.fitting.ragged import SparseRows
from recsys_trainer.models.base import Recommender, catalogue_logits
from recsys_trainer.models.dot import DotProduct
from recsys_trainer.models.fold_in import FoldIn, folded
from recsys_trainer.models.ratings import predict_ratings
from recsys_trainer.models.registry import FAMILIES

Rows = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Served:
    """The files of an artifact; also a `Scorer` over its catalogue."""

    users: Ids
    """By row."""
    item_ids: Ids
    network: Recommender
    popular: Rows
    """Item rows, most popular first."""
    popular_score: npt.NDArray[np.float32]
    indptr: npt.NDArray[np.int64]
    indices: Rows
    device: str = "cpu"
    fold_in: FoldIn | None = None
    """How an unknown user's factors come from items; None where the family has no way."""

    @property
    def items(self) -> int:
        """Size of the catalogue."""
        return len(self.item_ids)

    def seen(self, row: int) -> Rows:
        """Training items of a user."""
        return self.indices[self.indptr[row] : self.indptr[row + 1]]

    def popularity(self) -> Tensor:
        """Score of every item in the popularity answer, [I]; minus infinity for items that are not in the list."""
        scores = torch.full((self.items,), -torch.inf)
        scores[torch.from_numpy(self.popular.astype(np.int64))] = torch.from_numpy(self.popular_score)
        return scores.to(self.device)

    @torch.no_grad()
    def scores(self, user_B: Tensor) -> Tensor:
        """Logits [B, I]; an unknown user (-1) is answered by popularity, as serving does."""
        logits = catalogue_logits(self.network, user_B.clamp(min=0), torch.arange(self.items, device=self.device))
        return torch.where((user_B < 0).unsqueeze(1), self.popularity(), logits)

    def top(self, row: int, extra_seen: Rows, k: int) -> tuple[Rows, npt.NDArray[np.float32]]:
        """(item rows, logits) of the best k for a known user, ties by ascending row."""
        scores_I = self.scores(torch.tensor([row], device=self.device))[0]
        return _best(scores_I, np.concatenate((self.seen(row), extra_seen)), k)

    @torch.no_grad()
    def scores_from(self, history: SparseRows) -> Tensor:
        """Scores [N, I] of users whom the weights do not know, from the items that they had; `fold_in` must be there."""
        assert self.fold_in is not None, "the caller has looked"
        assert isinstance(self.network, DotProduct), "no other family folds in"
        return self.network.scores_of(folded(history, self.network.item_factors, self.fold_in))

    def top_from(self, history: Rows, k: int) -> tuple[Rows, npt.NDArray[np.float32]]:
        """(item rows, scores) of the best k for an unknown user who had these items, none of them among the answer."""
        indptr, indices = torch.tensor([0, len(history)]), torch.from_numpy(history.astype(np.int64))
        had = SparseRows.of_ones(indptr.to(self.device), indices.to(self.device), self.items)
        return _best(self.scores_from(had)[0], history, k)

    def top_unknown(self, seen: Rows, k: int) -> tuple[Rows, npt.NDArray[np.float32] | None]:
        """(item rows, scores) of the best k for an unknown user: from what the request names where the family folds in, else
        the popularity answer, which has no scores."""
        if self.fold_in is not None and len(seen):
            return self.top_from(seen, k)
        return self.top_popular(seen, k), None

    def top_popular(self, extra_seen: Rows, k: int) -> Rows:
        """Item rows of the popularity answer."""
        return self.popular[~np.isin(self.popular, extra_seen)][:k]


def _best(scores_I: Tensor, left_out: Rows, k: int) -> tuple[Rows, npt.NDArray[np.float32]]:
    """(item rows, scores), ties by ascending row."""
    scores = scores_I.cpu().numpy().astype(np.float32)
    scores[left_out] = -np.inf
    order = np.lexsort((np.arange(len(scores)), -scores))[:k].astype(np.int32)
    order = order[np.isfinite(scores[order])]
    return order, scores[order]


class ServedRatings(Served):
    """Of a family whose scores are ratings."""

    def ratings(self, user_R: Tensor, item_R: Tensor) -> Tensor:
        """Predicted ratings [R] of pairs of rows; -1 is unknown and has what is known of the other."""
        return predict_ratings(self.network, user_R, item_R)


def load_served(folder: Path, model: ArtifactModel, device: str = "cpu") -> Served:
    """Read the files of an artifact, whether or not its manifest is written already.

    Raises:
        UnreadableError: tensors that do not make up the architecture.
    """
    users, items = read_ids(folder / "users.idmap"), read_ids(folder / "items.idmap")
    popularity, seen = mapped_tensors(folder / "popularity.safetensors"), mapped_tensors(folder / "seen.safetensors")
    network = _network(folder / "weights.safetensors", model).to(device)
    kind = ServedRatings if FAMILIES[model.architecture].needs_ratings else Served
    fold_in = None if model.fold_in is None else FoldIn(**model.fold_in.model_dump())
    return kind(
        users, items, network, popularity["items"], popularity["scores"], seen["indptr"], seen["indices"], device, fold_in
    )  # fmt: skip


def _network(path: Path, model: ArtifactModel) -> Recommender:
    tensors = {name: torch.from_numpy(values) for name, values in mapped_tensors(path).items()}
    try:
        network = FAMILIES[model.architecture].load(model, tensors)
    except ValueError as error:
        raise UnreadableError(f"{path.name}: not a {model.architecture} ({error}); export it again") from error
    return network.eval().requires_grad_(False)


def verify(folder: Path, manifest: ArtifactManifest, place: str) -> None:
    """Refuse files other than those that the manifest was written for.

    Args:
        place: where they were copied from, for the person who reads the error.

    Raises:
        UnreadableError: a digest differs.
    """
    found = artifact_digest(file_digests(folder, ARTIFACT_FILES))
    if found != manifest.digest:
        raise UnreadableError(
            f"{place}: its files have digest {found}, its manifest says {manifest.digest}; copy it again whole, or train again"
        )
