"""An environment of its own for each peer, under the cache folder; what it was made from is part of its name.

Packages are listed with all they need and installed without looking for more: a peer that asks for torch would bring 5 GB of it.
It finds ours, and what ours has besides, by a .pth file instead; its own packages come first.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path


class PeerError(Exception):
    """An environment cannot be made."""


@dataclass(frozen=True)
class Peer:
    """What a peer consists of."""

    name: str
    packages: tuple[str, ...]
    """Exact pins."""
    borrows_torch: bool


RECBOLE = Peer(
    "recbole",
    (
        "recbole==1.2.1",  # MIT
        "numpy==1.26.4",  # BSD-3-Clause; recbole fails with 2
        "pandas==2.3.3",  # BSD-3-Clause; recbole fails with 3
        "setuptools==65.5.0",  # MIT; recbole imports pkg_resources through thop
        "scipy==1.17.1",  # BSD-3-Clause
        "scikit-learn==1.9.1",  # BSD-3-Clause
        "joblib==1.6.0",  # BSD-3-Clause
        "cloudpickle==3.1.2",  # BSD-3-Clause
        "threadpoolctl==3.8.0",  # BSD-3-Clause
        "tensorboard==2.21.0",  # Apache-2.0
        "tensorboard-data-server==0.7.2",  # Apache-2.0
        "absl-py==2.5.1",  # Apache-2.0
        "Werkzeug==3.1.9",  # BSD-3-Clause
        "Markdown==3.11.3",  # BSD-3-Clause
        "thop==0.1.1.post2209072238",  # MIT
        "plotly==7.1.0",  # MIT
        "narwhals==2.29.0",  # MIT
        "tabulate==0.10.0",  # MIT
        "texttable==1.7.2",  # MIT
        "psutil==7.2.2",  # BSD-3-Clause
        "pillow==13.0.0",  # MIT-CMU
        "pytz==2026.6",  # MIT
        "tzdata==2026.6",  # Apache-2.0
        "tqdm==4.70.1",  # MPL-2.0 and MIT
        "colorlog==4.7.2",  # MIT
        "colorama==0.4.4",  # BSD-3-Clause
    ),
    borrows_torch=True,
)
IMPLICIT = Peer(
    "implicit",
    (
        "implicit==0.7.3",  # MIT
        "numpy==1.26.4",  # BSD-3-Clause
        "scipy==1.17.1",  # BSD-3-Clause
        "threadpoolctl==3.8.0",  # BSD-3-Clause
        "tqdm==4.70.1",  # MPL-2.0 and MIT
    ),
    borrows_torch=False,
)


def cache_folder() -> Path:
    """$RECSYS_CACHE, else the user's cache folder, as for `make demo`."""
    if chosen := os.environ.get("RECSYS_CACHE"):
        return Path(chosen).resolve() / "peers"
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "recsys-operator" / "peers"


def folder_of(peer: Peer, cache: Path) -> Path:
    """Another list of packages is another environment."""
    made_from = "\n".join((*peer.packages, str(peer.borrows_torch), sys.version))
    return cache / f"{peer.name}-{hashlib.sha256(made_from.encode()).hexdigest()[:12]}"


def ensure(peer: Peer) -> Path:
    """The peer's Python, made on first use.

    Raises:
        PeerError: it cannot be made; with the last line of pip.
    """
    folder = folder_of(peer, cache_folder())
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return python
    print(f"benchmarks: installing {peer.name} into {folder} (a minute, once)", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    _run(peer, [sys.executable, "-m", "venv", str(folder)])
    _run(
        peer,
        [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--no-compile",
            *peer.packages,
        ],
    )
    if peer.borrows_torch:
        own = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
        (own / "torch_of_the_project.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    (folder / "complete").touch()
    return python


def _run(peer: Peer, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()][-1:]
        raise PeerError(f"{peer.name} cannot be installed: {''.join(said)}; is the package index reachable?")
