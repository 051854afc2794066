"""The images, what each is made of, and the name its content gives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from recsys_local import requirements
from recsys_local.binaries import COMPONENTS, component_key
from recsys_local.debian import wanted_packages
from recsys_local.hashing import content_key, tree_key
from recsys_local.paths import CHECKOUT

REPOSITORY = "localhost/recsys"
DOCKERFILES = CHECKOUT / "images"
PROJECT_SOURCES = ("operator", "trainer", "model_server")
"""Source roots whose packages go into the images; recsys_local has no business there."""


def _pinned(name: str) -> Callable[[], list[str]]:
    return lambda: wanted_packages(DOCKERFILES / name / "requirements.txt")


@dataclass(frozen=True)
class Image:
    """One folder under images/."""

    name: str
    parent: str | None = None
    expected: str = "20 s"
    requires: Callable[[], list[str]] | None = None
    """Its requirements.txt; written beside the Dockerfile unless the folder has one."""
    dependencies: bool = True
    """Whether the requirements' own dependencies are wanted."""
    alone: Callable[[], list[str]] | None = None
    """Its alone.txt: more requirements, whose own dependencies are not wanted."""
    project: bool = False
    """Whether the project's wheel is its last layer."""
    component: str | None = None
    """A program of ours that goes into it."""

    @property
    def folder(self) -> Path:
        return DOCKERFILES / self.name

    @cached_property
    def key(self) -> str:
        """Hash over everything the image is built from, its parent included."""
        parts: list[str] = [tree_key([self.folder], CHECKOUT)]
        if self.parent:
            parts.append(IMAGES[self.parent].key)
        if self.requires:
            parts += self.requires()
        if self.alone:
            parts += self.alone()
        if self.component:
            parts.append(next(component_key(item) for item in COMPONENTS if item.name == self.component))
        if self.project:
            parts.append(project_key())
        return content_key(*parts)

    @property
    def reference(self) -> str:
        return f"{REPOSITORY}/{self.name}:{self.key}"

    @property
    def alias(self) -> str:
        """A name that stays, for manifests written by hand."""
        return f"{REPOSITORY}/{self.name}:dev"


def project_key() -> str:
    """Key of the project's own code and of what pyproject.toml says about packaging, not about tools."""
    packaging = requirements.packaging_metadata()
    return content_key(packaging, tree_key([CHECKOUT / source for source in PROJECT_SOURCES], CHECKOUT))


_ALL = (
    Image("pause", expected="2 s"),
    Image("base", expected="30 s"),
    Image("envoy-gateway", expected="5 s", component="envoy-gateway"),
    Image("envoy", "base", requires=_pinned("envoy"), dependencies=False),
    Image("s3", "base", requires=_pinned("s3"), dependencies=False),
    Image("operator", "base", "30 s", lambda: requirements.of_extra("operator"), project=True),
    Image("torch", "base", "2.5 min", requirements.of_torch_layer),
    Image(
        "trainer",
        "torch",
        "40 s",
        lambda: requirements.of_extra("trainer"),
        alone=lambda: requirements.of_extra("sharded"),
        project=True,
    ),
    Image("serving", "torch", "40 s", lambda: requirements.of_extra("serving"), project=True),
)
IMAGES = {image.name: image for image in _ALL}
"""In the order of building: a parent stands before its children."""

RUNNABLE = tuple(image for image in _ALL if image.name not in ("base", "torch"))
"""Images that pods use; the others are layers of these."""


def references() -> dict[str, str]:
    """Image name -> full reference of the current sources."""
    return {image.name: image.reference for image in RUNNABLE}
