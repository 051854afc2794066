"""Where things lie: the cache that survives, the state of a running cluster, the checkout."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
"""The folder that holds pyproject.toml, images/ and local/."""

NAMESPACE = "recsys-local"
"""Name of the network namespace, and of everything of ours in folders shared with others."""

RUN = Path("/run/recsys-local")
"""Sockets lie here and not in the checkout: a socket's path may have 107 characters."""


@dataclass(frozen=True)
class Cache:
    """What is expensive to make and safe to keep: binaries, wheels, images."""

    root: Path

    @classmethod
    def default(cls) -> Cache:
        """$RECSYS_CACHE, else the user's cache folder."""
        chosen = os.environ.get("RECSYS_CACHE")
        if chosen:
            return cls(Path(chosen).resolve())
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cls(home / "recsys-operator")

    @property
    def binaries(self) -> Path:
        return self.root / "bin"

    @property
    def go_work(self) -> Path:
        """Go's own module and build caches; dropped as soon as the binaries exist, they are larger than all else."""
        return self.root / "go-work"

    @property
    def wheelhouse(self) -> Path:
        return self.root / "wheelhouse"

    @property
    def layout(self) -> Path:
        """One OCI layout for all images, so that a layer is written once however often an image changes."""
        return self.root / "oci"

    @property
    def staging(self) -> Path:
        return self.root / "staging"

    @property
    def containers_storage(self) -> Path:
        return self.root / "buildah"

    @property
    def containerd(self) -> Path:
        """containerd's images and snapshots, kept between runs."""
        return self.root / "containerd"

    @property
    def owner(self) -> Path:
        """Names the checkout whose cluster runs, or ran until the machine crashed."""
        return self.root / "owner.json"

    @property
    def lock(self) -> Path:
        return self.root / "lock"


@dataclass(frozen=True)
class State:
    """Everything of one running cluster; removed by `down`, the logs excepted."""

    root: Path

    @classmethod
    def default(cls) -> State:
        return cls(CHECKOUT / ".local" / "cluster")

    @cached_property
    def logs(self) -> Path:
        return self.root / "logs"

    @cached_property
    def pids(self) -> Path:
        return self.root / "pids"

    @cached_property
    def pki(self) -> Path:
        return self.root / "pki"

    @cached_property
    def config(self) -> Path:
        return self.root / "config"

    @property
    def kubeconfig(self) -> Path:
        """For people and tools outside the network namespace: goes through the relay on 127.0.0.1."""
        return self.root / "kubeconfig"

    @property
    def kubeconfig_inside(self) -> Path:
        return self.root / "kubeconfig-inside"

    @property
    def netns(self) -> Path:
        return Path("/run/netns") / NAMESPACE

    @property
    def containerd_socket(self) -> Path:
        return RUN / "containerd.sock"
