"""Reaching a cluster as a person would: where it lives, and kubectl against it."""

from __future__ import annotations

import os

from recsys_local.binaries import search_path
from recsys_local.paths import CHECKOUT, Cache, State
from recsys_local.shell import run


class Access:
    """To one cluster of one checkout, whether it runs or not."""

    def __init__(self, cache: Cache, state: State) -> None:
        self.cache, self.state = cache, state

    @property
    def env(self) -> dict[str, str]:
        """Environment of the cluster's processes and of commands against it."""
        return {
            **os.environ,
            "PATH": search_path(self.cache),
            "PYTHONPATH": str(CHECKOUT / "local"),
            "KUBECONFIG": str(self.state.kubeconfig),
        }

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """Run kubectl from outside the namespace."""
        return run(["kubectl", *arguments], env=self.env, text=text)
