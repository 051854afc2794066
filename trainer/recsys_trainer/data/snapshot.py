"""The snapshot: what Preparing leaves for every attempt, immutable and with a digest (docs/contracts.md section 1)."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from recsys_api.artifact import SnapshotManifest, artifact_digest
from recsys_api.idmap import IdMap, write_idmap
from recsys_trainer.data.ratings import Ratings
from recsys_trainer.data.split import TEST, TRAIN, VALIDATION, Parts
from recsys_trainer.data.times import Seconds
from recsys_trainer.data.validation import Interactions, Rows
from recsys_trainer.errors import UnreadableError

SNAPSHOT_FILES = ("interactions.safetensors", "items.idmap", "users.idmap")
MANIFEST = "snapshot.json"


@dataclass(frozen=True)
class Snapshot:
    """A snapshot in memory; rows are positions in `users` and `items`."""

    manifest: SnapshotManifest
    users: list[str]
    items: list[str]
    user_I: Rows
    item_I: Rows
    timestamp_I: Seconds
    part_I: Parts
    rating_I: Ratings | None = None
    """Where the family learns from ratings."""


def write_snapshot(folder: Path, data: Interactions, parts: Parts) -> SnapshotManifest:
    """Write the files of a snapshot but its manifest, which the caller writes last."""
    folder.mkdir(parents=True, exist_ok=True)
    write_idmap(folder / "users.idmap", data.users)
    write_idmap(folder / "items.idmap", data.items)
    tensors = {"user_I": data.user_I, "item_I": data.item_I, "timestamp_I": data.timestamp_I, "part_I": parts}
    if data.rating_I is not None:
        tensors["rating_I"] = data.rating_I
    save_file({name: np.ascontiguousarray(values) for name, values in tensors.items()}, folder / SNAPSHOT_FILES[0])
    return SnapshotManifest(
        digest=artifact_digest(file_digests(folder, SNAPSHOT_FILES)),
        rows=len(data),
        users=len(data.users),
        items=len(data.items),
        quarantined=data.quarantined,
        duplicates=data.duplicates,
        train=int((parts == TRAIN).sum()),
        validation=int((parts == VALIDATION).sum()),
        test=int((parts == TEST).sum()),
        train_cutoff_timestamp=int(data.timestamp_I[parts == TRAIN].max()),
        validation_cutoff_timestamp=int(data.timestamp_I[parts <= VALIDATION].max()),
        problems=data.problems,
    )


def read_snapshot(folder: Path, manifest: SnapshotManifest) -> Snapshot:
    """Read a snapshot.

    Raises:
        UnreadableError: the files are not those that the manifest was written for.
    """
    found = artifact_digest(file_digests(folder, SNAPSHOT_FILES))
    if found != manifest.digest:
        raise UnreadableError(
            f"snapshot: its files have digest {found}, its manifest says {manifest.digest}; prepare again"
        )
    tensors = load_file(folder / SNAPSHOT_FILES[0])
    return Snapshot(
        manifest=manifest,
        users=read_ids(folder / "users.idmap"),
        items=read_ids(folder / "items.idmap"),
        user_I=tensors["user_I"],
        item_I=tensors["item_I"],
        timestamp_I=tensors["timestamp_I"],
        part_I=tensors["part_I"],
        rating_I=tensors.get("rating_I"),
    )


def read_ids(path: Path) -> list[str]:
    """All ids of an id map in row order."""
    with IdMap(path) as idmap:
        return list(idmap)


def file_digests(folder: Path, files: tuple[str, ...]) -> dict[str, str]:
    """{relative path: sha256 hex}"""
    digests = {}
    for file in files:
        with (folder / file).open("rb") as stream:
            digests[file] = hashlib.file_digest(stream, "sha256").hexdigest()
    return digests
