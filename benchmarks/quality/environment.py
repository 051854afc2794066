"""Where figures were measured."""

import os
import platform
from typing import Any

import numpy as np
import torch


def environment(threads: int) -> dict[str, Any]:
    """For the results."""
    return {
        "python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__, "threads": threads,
        "cpus": os.cpu_count(), "machine": platform.machine(), "load": os.getloadavg(),
    }  # fmt: skip
