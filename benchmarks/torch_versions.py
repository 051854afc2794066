"""`make test-torch`: the tests of models, fitting, sampling and the GPU benchmark on another torch than the pinned one, from the source tree.

A GPU machine may have torch 2.11 and nothing newer. torch comes into a folder of its own without its dependencies (1.3 GB, removed
afterwards); whatever else the tests need is the main environment's.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = (
    "models", "families", "losses", "negatives", "on_cpu", "row_wise", "least_squares", "checkpoints", "interrupted", "parallel",
    "torch_alone", "launching", "precision", "compile", "on_a_gpu",
)  # fmt: skip


def prepare(folder: Path, version: str) -> Path:
    """The Python that finds this torch first, and everything else where we are."""
    venv.create(folder, with_pip=False)
    python = folder / "bin/python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-cache-dir"]
    subprocess.run([*pip, f"torch=={version}.*"], check=True)
    return linked(folder)


def linked(folder: Path) -> Path:
    """Such a Python of a folder that has torch."""
    python, place = folder / "bin/python", sysconfig.get_path("purelib", vars={"base": str(folder)})
    (Path(place) / "beside.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def run_tests(python: Path, version: str) -> int:
    """pytest's exit code."""
    sources = [str(ROOT / each) for each in ("operator", "trainer", "model_server", "local", ".")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sources)}
    ask = [str(python), "-c", "import torch; print(torch.__version__)"]
    found = subprocess.run(ask, env=environment, check=True, capture_output=True, text=True).stdout.strip()
    if not found.startswith(version):
        sys.exit(f"torch {version} was installed, but torch {found} is found: look at {python}")
    print(f"torch {found}", flush=True)
    files = [*(f"tests/unit/trainer/test_{name}.py" for name in TESTS), "tests/unit/benchmarks/test_gpu.py"]
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode


def main() -> int:
    """Install, test, remove."""
    version = sys.argv[1] if len(sys.argv) > 1 else "2.11"
    if len(sys.argv) > 2:  # a folder that has it already
        return run_tests(linked(Path(sys.argv[2])), version)
    with tempfile.TemporaryDirectory(prefix="torch-") as folder:
        return run_tests(prepare(Path(folder), version), version)


if __name__ == "__main__":
    sys.exit(main())
