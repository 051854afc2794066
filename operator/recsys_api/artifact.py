"""Manifests that are written last into snapshot/ and artifact/ (docs/contracts.md section 1)."""

import hashlib
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from recsys_api.base import Observed
from recsys_api.spec.model import Architecture

ARTIFACT_FILES = (
    "golden.json",
    "golden.safetensors",
    "items.idmap",
    "popularity.safetensors",
    "seen.safetensors",
    "triton/recommender/config.pbtxt",
    "users.idmap",
    "weights.safetensors",
)
"""Every file of an artifact beside manifest.json; any other file makes it refused (it must not carry code)."""


def artifact_digest(files: Mapping[str, str]) -> str:
    """The digest of an artifact from {relative path: sha256 hex}."""
    lines = "".join(f"{files[path]}  {path}\n" for path in sorted(files, key=str.encode))
    return "sha256:" + hashlib.sha256(lines.encode()).hexdigest()


class Lineage(Observed):
    """Where an artifact came from."""

    namespace: str
    model: str
    version: str
    version_uid: str
    number: int
    snapshot_digest: str
    data_uri: str
    trained_at: str
    """RFC 3339, UTC."""
    trainer: str
    """Package version of the trainer."""


class FoldIn(Observed):
    """How factors of an unknown user come from those of the items that the request names (contracts, section 3)."""

    kind: Literal["Sum", "LeastSquares"]
    unobserved_weight: float = 0.0
    regularization: float = 0.0
    exponent: float = 0.0


class ArtifactModel(Observed):
    """What serving must know to score."""

    architecture: Architecture
    embedding_dim: int
    """Factors of the exported tensors: fewer than asked for where the data has fewer."""
    mlp_embedding_dim: int | None = None
    """Width of each embedding of NeuMF's MLP branch, where it is another."""
    hidden_layers: tuple[int, ...] = ()
    users: int
    items: int
    needs: Literal["Interactions", "Ratings"] = "Interactions"
    """What the weights were learned from."""
    unknown_users: Literal["Popularity", "FoldIn"] = "Popularity"
    """How a user is answered whom the weights do not know. FoldIn: from the items in `seen`, else by popularity."""
    unknown_items: Literal["NeverReturned"] = "NeverReturned"
    """No item is returned that the weights were not trained on."""
    fold_in: FoldIn | None = None
    """There where `unknownUsers` is FoldIn."""


class ArtifactManifest(Observed):
    """manifest.json of an artifact."""

    format: Literal["recsys.dev/artifact/v1"] = "recsys.dev/artifact/v1"
    digest: str
    files: dict[str, str]
    """{relative path: sha256 hex} of everything but this file."""
    model: ArtifactModel
    lineage: Lineage
    train_cutoff_timestamp: int
    """Seconds since the epoch of the latest interaction that the weights saw."""
    resolved: dict[str, object] = Field(default_factory=dict)
    """The RecommenderModel's spec as resolved (data, model, training, evaluation)."""


class SnapshotManifest(Observed):
    """snapshot.json: what Preparing validated and wrote."""

    format: Literal["recsys.dev/snapshot/v1"] = "recsys.dev/snapshot/v1"
    digest: str
    origin: str = ""
    """Digest of the data settings and of the identities of the source's files; empty where their store tells none."""
    rows: int
    users: int
    items: int
    quarantined: int
    duplicates: int = 0
    train: int
    validation: int
    test: int
    train_cutoff_timestamp: int
    validation_cutoff_timestamp: int
    problems: dict[str, int] = Field(default_factory=dict)
    """Counts of what validation found, by name."""
    filtered: dict[str, int] = Field(default_factory=dict)
    """What `data.filter` took out of the training part: interactions, users, items."""
    ungrouped: dict[str, int] = Field(default_factory=dict)
    """Users and items without a group, where `data.columns` names `userGroup` and `itemGroup`."""
    user_groups: tuple[str, ...] = ()
    """Names of the groups that `user_group_U` of interactions.safetensors counts from 0."""
    item_groups: tuple[str, ...] = ()
