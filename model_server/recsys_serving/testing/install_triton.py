"""`python -m recsys_serving.testing.install_triton`: a real tritonserver in a folder of its own.

It comes out of the wheel nvidia-pytriton, which is used for its binaries only. Needs Debian's libpython3.11.
"""

import ctypes.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PYTRITON = "nvidia-pytriton==0.7.0"
_STUB = "triton_python_backend_stub"


def default_folder() -> Path:
    """`$RECSYS_CACHE/triton`, by default ~/.cache/recsys-operator/triton."""
    cache = os.environ.get("RECSYS_CACHE") or str(Path.home() / ".cache/recsys-operator")
    return Path(cache) / "triton"


def triton_home(folder: Path) -> Path:
    """What RECSYS_TRITON_HOME must name for an installation in `folder`."""
    return folder / "pytriton" / "tritonserver"


def install(folder: Path) -> Path:
    """Install tritonserver into `folder` unless it is there; returns its home."""
    home = triton_home(folder)
    if not (home / "backends/python" / _STUB).exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            _unpack(_download(Path(work)), Path(work) / "triton")
            shutil.rmtree(folder, ignore_errors=True)
            (Path(work) / "triton").rename(folder)
    return home


def _download(work: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(work), PYTRITON]
    subprocess.run(command, check=True)
    return next(work.glob("*.whl"))


def _unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    home = triton_home(folder)
    stub = home / "backends/python" / _STUB
    shutil.copyfile(home / "python_backend_stubs/3.11" / _STUB, stub)
    for binary in (stub, home / "bin/tritonserver"):
        binary.chmod(0o755)


def main() -> int:
    """Entry point: prints the folder for RECSYS_TRITON_HOME."""
    print(install(default_folder()))
    if not ctypes.util.find_library("python3.11"):
        print("libpython3.11.so.1.0 is missing: apt-get install libpython3.11", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
