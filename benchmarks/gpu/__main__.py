"""Command line of the GPU benchmark."""

import argparse
import json
import platform
from dataclasses import replace
from pathlib import Path

import recsys_trainer  # noqa: F401  first: it sets how torch waits and allocates before torch is loaded

import torch  # isort: skip
from benchmarks.gpu.measure import Options, rows  # isort: skip
from recsys_trainer.fitting.task import Speed  # isort: skip


def main() -> None:
    """Measure, print, and write what `--json` asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    for name in ("users", "items", "interactions", "batch", "epochs"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Options, name), help="default: %(default)s")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--no-half", action="store_true", help="float32 instead of bfloat16 where autocast allows it")
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--mode", help="of torch.compile; reduce-overhead takes CUDA graphs")
    parser.add_argument("--json", type=Path, help="write rows and environment to this file")
    given = parser.parse_args()
    compiled = None if given.no_compile else {"dynamic": False, "mode": given.mode}
    speed = Speed(half=not given.no_half, compiled=compiled)
    sizes = {name: getattr(given, name) for name in ("users", "items", "interactions", "batch", "epochs")}
    torch.set_float32_matmul_precision("high")
    found = rows(replace(Options(), speed=speed, **sizes), given.device)
    for row in found:
        wanted = "" if row["ok"] else "  below what is wanted"
        print(f"{row['name']:<90} {row['value']:>16,.3f} {row['unit']}{wanted}")
    if given.json:
        gpu = torch.cuda.get_device_name() if given.device == "cuda" else None
        environment = {
            "device": given.device, "gpu": gpu, "torch": torch.__version__, "cuda": torch.version.cuda,
            "python": platform.python_version(), "machine": platform.machine(), "half": speed.half, "compile": compiled,
        }  # fmt: skip
        given.json.write_text(json.dumps({"rows": found, "environment": environment}, indent=2) + "\n")


if __name__ == "__main__":
    main()
