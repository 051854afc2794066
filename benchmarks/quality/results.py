"""Rows in a file, each with where it was measured."""

import json
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch


def keep(file: Path, row: dict[str, Any], threads: int) -> None:
    """Put a row into the file, in the place of an older one of its name."""
    rows = json.loads(file.read_text())["rows"] if file.exists() else []
    rows = [old for old in rows if old["name"] != row["name"]] + [{**row, "environment": environment(threads)}]
    file.write_text(json.dumps({"rows": sorted(rows, key=lambda each: str(each["name"]))}, indent=1) + "\n")


def environment(threads: int) -> dict[str, Any]:
    """Versions, and how busy the machine was."""
    return {
        "python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__, "threads": threads,
        "cpus": os.cpu_count(), "machine": platform.machine(), "load": os.getloadavg(),
    }  # fmt: skip
