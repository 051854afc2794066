"""Building the images with buildah, from ordinary Dockerfiles, into one OCI layout in the cache."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from recsys_local import oci, wheels
from recsys_local.binaries import COMPONENTS, component_folder
from recsys_local.debian import wanted_packages
from recsys_local.image_specs import IMAGES, PROJECT_SOURCES, REPOSITORY, Image
from recsys_local.paths import RUN, Cache
from recsys_local.shell import long_part, run

_PROGRAM_MODE = 0o755


class Buildah:
    """buildah with a storage of its own inside the cache: nothing of ours lies in the machine's own storage."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._log = cache.root / "logs" / "buildah.log"
        self._environment = {**os.environ, "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": self._driver()}
        storage = ["--root", str(cache.containers_storage), "--runroot", str(RUN.with_name(RUN.name + "-buildah"))]
        self._command = ["buildah", *storage]

    def build(self, image: Image, context: Path) -> None:
        """Build one image; unchanged steps come from the storage's layers."""
        # the first images need no wheel, and with an empty cache there is none yet
        self._cache.wheelhouse.mkdir(parents=True, exist_ok=True)
        arguments = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"}
        if image.parent:
            arguments["BASE"] = IMAGES[image.parent].reference
        options = [f"--build-arg={name}={value}" for name, value in arguments.items() if image.parent]
        options += ["--layers", "--pull-never", "--format=oci", f"--volume={self._cache.wheelhouse}:/wheels:ro"]
        self._run(["bud", *options, f"--tag={image.reference}", str(context)])

    def push(self, image: Image, layout: Path) -> None:
        """Write the image into the layout; layers that are there already are neither read nor compressed again."""
        (layout / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        for interrupted in layout.glob("oci-put-blob*"):
            interrupted.unlink()
        known = oci.known_layers(layout)
        placeholders = oci.add_placeholders(layout, known)
        try:
            self._run(["push", "--compression-format=zstd", image.reference, f"oci:{layout}:{image.reference}"])
        finally:
            for path in placeholders:
                path.unlink()
        oci.use_known_layers(layout, image.reference, known)

    def references(self) -> list[str]:
        """Names of all our images in the storage."""
        out = run([*self._command, "images", "--format", "{{.Name}}:{{.Tag}}"], env=self._environment)
        return [line for line in out.split() if line.startswith(REPOSITORY + "/")]

    def remove(self, references: Iterable[str]) -> None:
        """Forget images that the sources have left behind, with the layers only they used."""
        for reference in references:
            self._run(["rmi", "--force", reference])

    def unmount(self) -> None:
        """buildah leaves its overlay folder mounted on itself; nothing of ours stays mounted."""
        mounted = self._cache.containers_storage / "overlay"
        subprocess.run(["umount", str(mounted)], capture_output=True)

    def _run(self, arguments: list[str]) -> None:
        run([*self._command, *arguments], env=self._environment, log=self._log)

    @staticmethod
    def _driver() -> str:
        return os.environ.get("STORAGE_DRIVER", "overlay")


def missing_images(cache: Cache, names: Iterable[str] = ()) -> list[Image]:
    """Images (all, or the named ones with their parents) whose current content is not in the layout."""
    wanted = _with_parents(set(names)) if names else set(IMAGES)
    chosen = (image for image in IMAGES.values() if image.name in wanted)
    return [image for image in chosen if oci.find_manifest(cache.layout, image.reference) is None]


def ensure_images(cache: Cache, names: Iterable[str] = ()) -> None:
    """Build what is missing (all, or the named ones with their parents) and drop what no source names any more."""
    missing = missing_images(cache, names)
    if not missing:
        return
    buildah = Buildah(cache)
    try:
        for image in missing:
            _build_one(cache, buildah, image)
        if not names:
            current = {image.reference for image in IMAGES.values()}
            buildah.remove(reference for reference in buildah.references() if reference not in current)
            oci.prune(cache.layout, current)
    finally:
        buildah.unmount()


def _with_parents(names: set[str]) -> set[str]:
    for name in list(names):
        parent = IMAGES[name].parent
        while parent:
            names.add(parent)
            parent = IMAGES[parent].parent
    return names


def _build_one(cache: Cache, buildah: Buildah, image: Image) -> None:
    if image.requires:
        wheels.ensure_wheels(cache, image.name, image.requires(), dependencies=image.dependencies)
    if image.alone:
        wheels.ensure_wheels(cache, f"{image.name}-alone", image.alone(), dependencies=False)
    if (image.folder / "triton.txt").exists():
        wheels.ensure_wheels(cache, "triton", wanted_packages(image.folder / "triton.txt"), dependencies=False)
    with long_part(f"building image {image.name}", image.expected, "again only when its content changes"):
        context = _stage(cache, image)
        try:
            buildah.build(image, context)
            buildah.push(image, cache.layout)
        finally:
            shutil.rmtree(context, ignore_errors=True)


def _stage(cache: Cache, image: Image) -> Path:
    """A build context: the image's folder and what is generated for it."""
    context = cache.staging / image.name
    shutil.rmtree(context, ignore_errors=True)
    shutil.copytree(image.folder, context)
    listing = context / "requirements.txt"
    if image.requires and not listing.exists():
        listing.write_text("".join(f"{line}\n" for line in image.requires()))
    if image.alone:
        (context / "alone.txt").write_text("".join(f"{line}\n" for line in image.alone()))
    if image.project:
        wheels.build_project_wheel(cache, context / "dist", PROJECT_SOURCES)
    if image.component:
        _copy_program(cache, image.component, context)
    if image.name == "pause":
        run(["gcc", "-Os", "-static", "-s", "-o", str(context / "pause"), str(context / "pause.c")])
    if image.name == "base":
        _make_base(cache, context)
    return context


def _copy_program(cache: Cache, name: str, context: Path) -> None:
    component = next(item for item in COMPONENTS if item.name == name)
    shutil.copy(component_folder(cache, component) / name, context / name)
    (context / name).chmod(_PROGRAM_MODE)


def _make_base(cache: Cache, context: Path) -> None:
    packages = ",".join(wanted_packages(context / "packages.txt"))
    command = ["mmdebstrap", "--variant=minbase", f"--include={packages}", "bookworm", str(context / "base.tar")]
    run(command, log=cache.root / "logs" / "mmdebstrap.log")
