"""Debian packages the cluster and the image builds need, installed where they are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from recsys_local.errors import LocalError
from recsys_local.paths import CHECKOUT
from recsys_local.shell import long_part, run

LIST = CHECKOUT / "local" / "debian-packages.txt"


def wanted_packages(listing: Path = LIST) -> list[str]:
    """Package names of the list; `#` starts a comment."""
    lines = (line.split("#", 1)[0].strip() for line in listing.read_text().splitlines())
    return [line for line in lines if line]


def missing_packages(wanted: list[str]) -> list[str]:
    """Those that dpkg does not know as installed; one call for all."""
    query = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *wanted]
    known = subprocess.run(query, capture_output=True, text=True).stdout.split("\n")
    installed = {line.split()[0] for line in known if line.endswith(" installed")}
    return [name for name in wanted if name not in installed]


def ensure_packages(log: Path) -> None:
    """Install what is missing; does nothing on a machine that has all."""
    if shutil.which("dpkg-query") is None:
        raise LocalError(f"this is not a Debian system: install what {LIST.name} names by hand, or run on Debian 12")
    missing = missing_packages(wanted_packages())
    if not missing:
        return
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with long_part(f"installing Debian packages: {' '.join(missing)}", "1 min", "kept on this machine"):
        run(["apt-get", "update", "-q"], env=env, log=log)
        run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing], env=env, log=log)
