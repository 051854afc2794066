"""An OCI layout that several images share, and archives of it that leave out what the reader has.

A change of code changes kilobytes of an image of five gigabytes. containerd needs the whole manifest but only blobs
that it lacks, so an archive of manifest, config and new layers is enough: it is streamed and never stored.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_REF_NAME = "org.opencontainers.image.ref.name"
_CONTAINERD_NAME = "io.containerd.image.name"


@dataclass(frozen=True)
class Blob:
    """One file under blobs/."""

    digest: str
    size: int

    def path(self, layout: Path) -> Path:
        algorithm, value = self.digest.split(":", 1)
        return layout / "blobs" / algorithm / value


def read_index(layout: Path) -> dict[str, Any]:
    """index.json of a layout, or an empty one where nothing was pushed yet."""
    path = layout / "index.json"
    if not path.exists():
        return {"schemaVersion": 2, "manifests": []}
    index: dict[str, Any] = json.loads(path.read_text())
    return index


def find_manifest(layout: Path, reference: str) -> dict[str, Any] | None:
    """The index's descriptor of an image by its full name; None where the layout lacks the image."""
    for descriptor in read_index(layout)["manifests"]:
        if descriptor.get("annotations", {}).get(_REF_NAME) == reference:
            found: dict[str, Any] = descriptor
            return found
    return None


def image_blobs(layout: Path, descriptor: dict[str, Any]) -> list[Blob]:
    """Manifest, config and layers of an image, in that order."""
    manifest = Blob(descriptor["digest"], descriptor["size"])
    content = _read_blob(layout, descriptor)
    return [manifest, *(Blob(item["digest"], item["size"]) for item in (content["config"], *content["layers"]))]


def blobs_to_send(layout: Path, descriptors: Iterable[dict[str, Any]], present: frozenset[str]) -> list[Blob]:
    """Blobs for a thin archive: every manifest and config (they are small), layers only if new."""
    chosen: dict[str, Blob] = {}
    for descriptor in descriptors:
        manifest, config, *layers = image_blobs(layout, descriptor)
        for blob in (manifest, config, *(layer for layer in layers if layer.digest not in present)):
            chosen.setdefault(blob.digest, blob)
    return list(chosen.values())


def archive_index(named: Iterable[tuple[dict[str, Any], list[str]]]) -> bytes:
    """index.json of an archive in which each image bears all its names."""
    manifests = [
        {
            **{key: descriptor[key] for key in ("mediaType", "digest", "size")},
            "annotations": {_CONTAINERD_NAME: name, _REF_NAME: name.rsplit(":", 1)[1]},
        }
        for descriptor, names in named
        for name in names
    ]
    return json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()


def write_thin_archive(
    sink: IO[bytes], layout: Path, named: list[tuple[dict[str, Any], list[str]]], present: frozenset[str]
) -> int:
    """Write the archive to a pipe; returns how many bytes of blobs it holds."""
    blobs = blobs_to_send(layout, (descriptor for descriptor, _ in named), present)
    with tarfile.open(fileobj=sink, mode="w|", bufsize=1 << 20) as archive:
        _add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(archive, "index.json", archive_index(named))
        for blob in blobs:
            archive.add(blob.path(layout), arcname=str(blob.path(Path())), recursive=False)
    return sum(blob.size for blob in blobs)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def known_layers(layout: Path) -> dict[str, dict[str, Any]]:
    """Digest of a layer's tar -> descriptor of the compressed blob that holds it, from all images of the layout."""
    known: dict[str, dict[str, Any]] = {}
    for descriptor in read_index(layout)["manifests"]:
        manifest = _read_blob(layout, descriptor)
        diff_ids = _read_blob(layout, manifest["config"])["rootfs"]["diff_ids"]
        known.update(zip(diff_ids, manifest["layers"], strict=True))
    return known


def add_placeholders(layout: Path, known: Iterable[str]) -> list[Path]:
    """Stand-ins that keep a push from compressing gigabytes anew.

    A push into a layout asks whether blobs/<digest of the uncompressed tar> exists and, if so, neither reads nor
    writes that layer. `use_known_layers` then names the compressed blob instead. Returns the files to remove.
    """
    made = []
    for digest in known:
        path = Blob(digest, 0).path(layout)
        if not path.exists():
            path.touch()
            made.append(path)
    return made


def use_known_layers(layout: Path, reference: str, known: dict[str, dict[str, Any]]) -> None:
    """Put the compressed blobs' descriptors where a pushed manifest names stand-ins; the config stays as it is."""
    index = read_index(layout)
    for descriptor in index["manifests"]:
        if descriptor.get("annotations", {}).get(_REF_NAME) != reference:
            continue
        manifest = _read_blob(layout, descriptor)
        manifest["layers"] = [known.get(layer["digest"], layer) for layer in manifest["layers"]]
        content = json.dumps(manifest).encode()
        blob = Blob(f"sha256:{hashlib.sha256(content).hexdigest()}", len(content))
        blob.path(layout).write_bytes(content)
        descriptor.update(digest=blob.digest, size=blob.size)
    _write_index(layout, index)


def _read_blob(layout: Path, descriptor: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Blob(descriptor["digest"], descriptor["size"]).path(layout).read_text())
    return content


def _write_index(layout: Path, index: dict[str, Any]) -> None:
    temporary = layout / "index.json.new"
    temporary.write_text(json.dumps(index))
    temporary.replace(layout / "index.json")


def prune(layout: Path, keep: Iterable[str]) -> list[str]:
    """Forget images other than `keep` and remove blobs that no image needs; returns the names forgotten."""
    index, kept = read_index(layout), set(keep)
    survivors, forgotten = [], []
    for descriptor in index["manifests"]:
        name = descriptor.get("annotations", {}).get(_REF_NAME, "")
        if name in kept:
            survivors.append(descriptor)
        else:
            forgotten.append(name)
    if forgotten:
        _write_index(layout, {**index, "manifests": survivors})
    wanted = {blob.path(layout) for descriptor in survivors for blob in image_blobs(layout, descriptor)}
    for path in _blob_files(layout):
        if path not in wanted:
            path.unlink()
    return forgotten


def share_blobs(layout: Path, content_store: Path) -> int:
    """Make the layout's blobs hard links of containerd's own copies; returns the bytes that this freed.

    Blobs are immutable in both places and only ever unlinked, so one copy on the disk can serve both.
    """
    freed = 0
    for path in _blob_files(layout):
        twin = content_store / "blobs" / path.parent.name / path.name
        if not twin.exists() or twin.samefile(path) or twin.stat().st_size != path.stat().st_size:
            continue
        temporary = path.with_name(path.name + ".link")
        temporary.unlink(missing_ok=True)
        try:
            os.link(twin, temporary)
        except OSError:  # another file system: two copies then
            return freed
        freed += path.stat().st_size
        temporary.replace(path)
    return freed


def _blob_files(layout: Path) -> Iterator[Path]:
    yield from sorted((layout / "blobs").glob("*/*"))
