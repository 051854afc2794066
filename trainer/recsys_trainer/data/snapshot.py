"""The snapshot: what Preparing leaves for every attempt, immutable and with a digest (docs/contracts.md section 1)."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recsys_api.artifact import SnapshotManifest, artifact_digest
from recsys_trainer.data.budget import BUDGET, slices
from recsys_trainer.data.idlist import Ids
from recsys_trainer.data.interactions import TEST, TRAIN, VALIDATION, Groups, Interactions, Parts, Rows
from recsys_trainer.data.mapping import mapped_tensors, read_ids, write_ids
from recsys_trainer.data.times import Seconds
from recsys_trainer.disk import full_disk_said, save_arrays
from recsys_trainer.errors import UnreadableError

SNAPSHOT_FILES = ("interactions.safetensors", "items.idmap", "users.idmap")
MANIFEST = "snapshot.json"
_WHAT = "the snapshot; give it some 25 bytes for each interaction and its ids"
_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Snapshot:
    """A snapshot; rows are positions in `users` and `items`. The arrays are its files, mapped: they are read as they are
    used, and what is written to them stays in memory."""

    manifest: SnapshotManifest
    users: Ids
    items: Ids
    user_I: Rows
    item_I: Rows
    timestamp_I: Seconds
    part_I: Parts
    rating_I: npt.NDArray[np.float32] | None = None
    """None where the manifest names no rating column."""
    user_groups: Groups | None = None
    item_groups: Groups | None = None


def write_snapshot(folder: Path, data: Interactions, parts: Parts) -> SnapshotManifest:
    """Write the files of a snapshot but its manifest, which the caller writes last.

    Raises:
        OutOfMemoryError: the disk is full.
    """
    tensors = {
        "user_I": data.user_I,
        "item_I": data.item_I,
        "timestamp_I": data.timestamp_I,
        "part_I": parts,
        "rating_I": data.rating_I,
        "user_group_U": data.user_groups.of if data.user_groups else None,
        "item_group_I": data.item_groups.of if data.item_groups else None,
    }
    present = {name: np.ascontiguousarray(values) for name, values in tensors.items() if values is not None}
    with full_disk_said(_WHAT):
        folder.mkdir(parents=True, exist_ok=True)
        write_ids(folder / "users.idmap", data.users)
        write_ids(folder / "items.idmap", data.items)
        save_arrays(present, folder / SNAPSHOT_FILES[0])
    return SnapshotManifest(
        digest=artifact_digest(file_digests(folder, SNAPSHOT_FILES)),
        rows=len(data),
        users=len(data.users),
        items=len(data.items),
        quarantined=data.quarantined,
        duplicates=data.duplicates,
        train=np.count_nonzero(parts == TRAIN),
        validation=np.count_nonzero(parts == VALIDATION),
        test=np.count_nonzero(parts == TEST),
        train_cutoff_timestamp=cutoff(data.timestamp_I, parts, TRAIN),
        validation_cutoff_timestamp=cutoff(data.timestamp_I, parts, VALIDATION),
        problems=data.problems,
        filtered=data.filtered,
        ungrouped=_ungrouped(users=data.user_groups, items=data.item_groups),
        user_groups=data.user_groups.names if data.user_groups else (),
        item_groups=data.item_groups.names if data.item_groups else (),
    )


def _ungrouped(**groups: Groups | None) -> dict[str, int]:
    return {name: int(np.count_nonzero(each.of < 0)) for name, each in groups.items() if each is not None}


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
    tensors = mapped_tensors(folder / SNAPSHOT_FILES[0])
    return Snapshot(
        manifest=manifest,
        users=read_ids(folder / "users.idmap"),
        items=read_ids(folder / "items.idmap"),
        user_I=tensors["user_I"],
        item_I=tensors["item_I"],
        timestamp_I=tensors["timestamp_I"],
        part_I=tensors["part_I"],
        rating_I=tensors.get("rating_I"),
        user_groups=_groups(manifest.user_groups, tensors.get("user_group_U")),
        item_groups=_groups(manifest.item_groups, tensors.get("item_group_I")),
    )


def _groups(names: tuple[str, ...], of: Rows | None) -> Groups | None:
    return None if of is None else Groups(names, of)


def cutoff(timestamp_I: Seconds, parts: Parts, last_part: int) -> int:
    """Seconds since the epoch of the latest interaction of parts 0..last_part."""
    pieces = slices(len(parts), BUDGET.batch_rows)
    return max(int(timestamp_I[piece][parts[piece] <= last_part].max(initial=_NEVER)) for piece in pieces)


def file_digests(folder: Path, files: tuple[str, ...]) -> dict[str, str]:
    """{relative path: sha256 hex}"""
    digests = {}
    for file in files:
        with (folder / file).open("rb") as stream:
            digests[file] = hashlib.file_digest(stream, "sha256").hexdigest()
    return digests
