"""What the API container keeps of an artifact: maps and histories memory-mapped, popularity in memory. Never torch."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recsys_api.idmap import IdMap, IdMapError
from recsys_serving.artifact import load_verified, map_tensors
from recsys_serving.errors import ArtifactError
from recsys_serving.golden import GoldenAnswer, read_golden
from recsys_serving.seen import SeenLists

Item = tuple[str, float]


@dataclass(frozen=True)
class Library:
    """Ids, histories and popularity of one version."""

    digest: str
    users: IdMap
    items: IdMap
    seen: SeenLists
    popular_rows: tuple[int, ...]
    popular: tuple[Item, ...]
    """(id, score), most popular first."""
    golden: tuple[GoldenAnswer, ...]
    folds_in: bool = False
    """Whether the scorer answers unknown users (row -1) from the items that a request names."""

    def user_row(self, user: str) -> int:
        """The user's row, or -1."""
        return self.users.row(user)

    def has_history(self, row: int) -> bool:
        """Whether the user has seen anything in the training data."""
        return len(self.seen.of(row)) > 0

    def item_rows(self, items: Iterable[str]) -> list[int]:
        """Rows of the items that the model knows."""
        return [row for row in map(self.items.row, items) if row >= 0]

    def popular_unseen(self, row: int, extra_seen: Iterable[int], k: int) -> list[Item]:
        """The k most popular items that the user (row or -1) has not seen; fewer where the list ends."""
        left_out = set(extra_seen)
        if row >= 0:
            left_out.update(self.seen.of(row).tolist())
        found: list[Item] = []
        for item_row, item in zip(self.popular_rows, self.popular, strict=True):
            if item_row not in left_out:
                found.append(item)
                if len(found) == k:
                    break
        return found


def load_library(artifact: Path, digest: str) -> Library:
    """Map the artifact at a folder after verifying its digests.

    Raises:
        ArtifactError: names the file that does not agree.
    """
    manifest = load_verified(artifact, digest)
    try:
        users, items = IdMap(artifact / "users.idmap"), IdMap(artifact / "items.idmap")
    except IdMapError as error:
        raise ArtifactError(str(error)) from error
    seen = SeenLists.open(artifact / "seen.safetensors", len(items))
    if len(users) > len(seen):
        raise ArtifactError(f"users.idmap has {len(users)} ids, seen.safetensors {len(seen)} users; export it again")
    rows, scores = _popularity(artifact / "popularity.safetensors", len(items))
    popular = tuple((items.id(row), score) for row, score in zip(rows, scores, strict=True))
    golden, folds_in = tuple(read_golden(artifact)), manifest.model.fold_in is not None
    return Library(digest, users, items, seen, rows, popular, golden, folds_in)


def _popularity(path: Path, count: int) -> tuple[tuple[int, ...], list[float]]:
    tensors = map_tensors(path)
    if set(tensors) != {"items", "scores"} or tensors["items"].shape != tensors["scores"].shape:
        raise ArtifactError(f"{path.name} holds {sorted(tensors)}; expected items and scores of one length")
    rows = tuple(int(row) for row in np.asarray(tensors["items"]))
    if not rows or min(rows) < 0 or max(rows) >= count:
        raise ArtifactError(f"{path.name}: item rows must be from 0 to {count - 1} and at least one; export it again")
    scores = [float(score) for score in np.asarray(tensors["scores"])]
    if len(set(rows)) < len(rows) or not all(map(math.isfinite, scores)):
        raise ArtifactError(f"{path.name}: no item may stand there twice, and scores must be finite; export it again")
    return rows, scores
