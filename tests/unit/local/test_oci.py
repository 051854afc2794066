"""Thin archives: containerd gets manifests, configs and only the layers that it lacks."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from recsys_local import oci

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


class Layout:
    """An OCI layout made by hand."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "blobs" / "sha256").mkdir(parents=True)
        self.manifests: list[dict[str, Any]] = []

    def blob(self, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (self.root / "blobs" / "sha256" / digest).write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    def image(
        self, name: str, *layers: bytes, diff_ids: list[str] | None = None, digests: list[str] | None = None
    ) -> dict[str, Any]:
        """An image of these layers; `digests` puts other digests into its manifest than its first layers have."""
        blobs = [self.blob(layer) for layer in layers]
        for blob, digest in zip(blobs, digests or [], strict=False):
            blob["digest"] = digest
        rootfs = {"diff_ids": diff_ids or [blob["digest"] for blob in blobs]}
        config = self.blob(json.dumps({"name": name, "rootfs": rootfs}).encode())
        manifest = self.blob(json.dumps({"config": config, "layers": blobs}).encode())
        annotations = {"org.opencontainers.image.ref.name": name}
        descriptor = {"mediaType": MANIFEST_TYPE, **manifest, "annotations": annotations}
        self.manifests.append(descriptor)
        (self.root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self.manifests}))
        return descriptor

    def digests(self) -> set[str]:
        return {f"sha256:{path.name}" for path in (self.root / "blobs" / "sha256").iterdir()}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "oci")


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def read_archive(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = {entry.name: archive.extractfile(entry) for entry in archive}
        return {name: member.read() for name, member in members.items() if member}


def test_an_image_is_found_by_its_full_name(layout: Layout) -> None:
    descriptor = layout.image("localhost/recsys/a:1", b"layer")
    assert oci.find_manifest(layout.root, "localhost/recsys/a:1") == descriptor
    assert oci.find_manifest(layout.root, "localhost/recsys/a:2") is None


def test_a_layout_without_any_push_is_empty(tmp_path: Path) -> None:
    assert oci.find_manifest(tmp_path, "localhost/recsys/a:1") is None


def test_layers_that_containerd_has_are_left_out(layout: Layout) -> None:
    descriptor = layout.image("a:1", b"torch" * 1000, b"code")
    sink = io.BytesIO()
    present = frozenset({digest_of(b"torch" * 1000)})
    sent = oci.write_thin_archive(sink, layout.root, [(descriptor, ["a:1"])], present)
    members = read_archive(sink.getvalue())
    names = {name.rsplit("/", 1)[-1] for name in members}
    assert digest_of(b"torch" * 1000).split(":")[1] not in names
    assert digest_of(b"code").split(":")[1] in names
    assert sent < 1000


def test_manifest_and_config_travel_even_when_present(layout: Layout) -> None:
    descriptor = layout.image("a:1", b"layer")
    sink = io.BytesIO()
    oci.write_thin_archive(sink, layout.root, [(descriptor, ["a:1"])], frozenset(layout.digests()))
    blobs = [name for name in read_archive(sink.getvalue()) if name.startswith("blobs/")]
    assert len(blobs) == 2


def test_a_layer_shared_by_two_images_travels_once(layout: Layout) -> None:
    one, two = layout.image("a:1", b"shared", b"x"), layout.image("b:1", b"shared", b"y")
    blobs = oci.blobs_to_send(layout.root, [one, two], frozenset())
    assert [blob.digest for blob in blobs].count(digest_of(b"shared")) == 1


def test_every_name_of_an_image_is_in_the_index(layout: Layout) -> None:
    descriptor = layout.image("localhost/recsys/a:1", b"layer")
    index = json.loads(oci.archive_index([(descriptor, ["localhost/recsys/a:1", "localhost/recsys/a:dev"])]))
    names = [item["annotations"]["io.containerd.image.name"] for item in index["manifests"]]
    assert names == ["localhost/recsys/a:1", "localhost/recsys/a:dev"]
    assert {item["digest"] for item in index["manifests"]} == {descriptor["digest"]}


def test_pruning_keeps_shared_layers_and_removes_the_rest(layout: Layout) -> None:
    layout.image("a:1", b"shared", b"old code")
    layout.image("a:2", b"shared", b"new code")
    assert oci.prune(layout.root, ["a:2"]) == ["a:1"]
    assert digest_of(b"shared") in layout.digests()
    assert digest_of(b"old code") not in layout.digests()
    assert oci.find_manifest(layout.root, "a:2") is not None


def test_blobs_become_links_of_containerds_own_copies(layout: Layout, tmp_path: Path) -> None:
    layout.image("a:1", b"layer")
    store = tmp_path / "content"
    twin = store / "blobs" / "sha256" / hashlib.sha256(b"layer").hexdigest()
    twin.parent.mkdir(parents=True)
    twin.write_bytes(b"layer")
    assert oci.share_blobs(layout.root, store) == len(b"layer")
    assert twin.samefile(layout.root / "blobs" / "sha256" / twin.name)
    assert oci.share_blobs(layout.root, store) == 0


def test_a_half_written_copy_in_containerd_is_not_linked(layout: Layout, tmp_path: Path) -> None:
    layout.image("a:1", b"layer")
    store = tmp_path / "content"
    twin = store / "blobs" / "sha256" / hashlib.sha256(b"layer").hexdigest()
    twin.parent.mkdir(parents=True)
    twin.write_bytes(b"lay")
    assert oci.share_blobs(layout.root, store) == 0


def test_a_push_finds_stand_ins_for_layers_that_are_stored_compressed(layout: Layout) -> None:
    torch_tar, code_tar = b"tar of torch", b"tar of code"
    base = layout.image("torch:1", b"compressed torch", diff_ids=[digest_of(torch_tar)])
    known = oci.known_layers(layout.root)
    made = oci.add_placeholders(layout.root, known)
    assert [path.name for path in made] == [digest_of(torch_tar).split(":")[1]]

    # what the push writes: the stand-in's digest for the known layer, a compressed blob for the new one
    diff_ids = [digest_of(torch_tar), digest_of(code_tar)]
    pushed = layout.image("trainer:1", b"", b"compressed code", diff_ids=diff_ids, digests=diff_ids[:1])
    for path in made:
        path.unlink()
    oci.use_known_layers(layout.root, "trainer:1", known)

    descriptor = oci.find_manifest(layout.root, "trainer:1")
    assert descriptor is not None
    assert descriptor["digest"] != pushed["digest"]
    assert [blob.digest for blob in oci.image_blobs(layout.root, descriptor)[2:]] == [
        digest_of(b"compressed torch"),
        digest_of(b"compressed code"),
    ]
    assert oci.find_manifest(layout.root, "torch:1") == base
