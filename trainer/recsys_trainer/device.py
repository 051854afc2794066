"""Where and how torch computes: device, threads, determinism, memory."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from recsys_api.quantities import amount_of
from recsys_trainer.crowding import sharing_cpus
from recsys_trainer.parallel import Place

if TYPE_CHECKING:
    from recsys_api.spec.training import Training


ONLY = Place()
_CGROUP = Path("/sys/fs/cgroup")
_CPUINFO = Path("/proc/cpuinfo")
_MODEL = ("model name", "cpu family", "model", "CPU implementer", "CPU part")
"""Lines of /proc/cpuinfo that tell models apart: virtual machines cut the name, ARM has none."""
_LIBRARY_SETTINGS = (
    "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE",
)  # fmt: skip
NO_CUDA = "no CUDA device found: trained on the CPU"
CUDA_NOT_ASKED_FOR = (
    "a CUDA device is there and training.gpusPerNode is 0: trained on the CPU; set gpusPerNode: 1 to use it"
)


def choose_device(place: Place = ONLY) -> str:
    """`cuda` where there is one, else `cpu`. Processes of one machine take its GPUs in turn."""
    if not torch.cuda.is_available():
        return "cpu"
    if place.world > 1:
        torch.cuda.set_device(place.local % torch.cuda.device_count())
    return "cuda"


def training_device(training: Training, place: Place = ONLY) -> str:
    """`cpu` where the manifest asks for no GPU: on some nodes every pod sees the GPUs that were given to others."""
    return "cpu" if training.gpus_per_node == 0 else choose_device(place)


def device_name(device: str) -> str:
    """What a person calls the device."""
    return torch.cuda.get_device_name() if device == "cuda" else cpu_name()


def cpu_name(cpuinfo: Path = _CPUINFO) -> str:
    """What the maker calls the CPU, or the nearest to it that is known."""
    return _first_cpu(cpuinfo).get("model name") or platform.processor() or platform.machine()


def cpu_model(cpuinfo: Path = _CPUINFO) -> str:
    """Differs where CPUs may round differently."""
    found = _first_cpu(cpuinfo)
    told = [f"{name} {found[name]}" for name in _MODEL[1:] if name in found]
    return ", ".join((cpu_name(cpuinfo), *told))


def _first_cpu(cpuinfo: Path) -> dict[str, str]:
    if not cpuinfo.exists():
        return {}
    lines = [line.partition(":") for line in cpuinfo.read_text().split("\n\n")[0].splitlines()]
    return {name.strip(): value.strip() for name, _, value in lines}


def arithmetic(device: str) -> dict[str, str]:
    """What the bits of a result depend on beside data, settings and software."""
    found = {
        "device": device_name(device),
        "precision": f"{str(torch.get_default_dtype()).removeprefix('torch.')} {torch.get_float32_matmul_precision()}",
    }
    if device == "cpu":
        found |= {"device": cpu_model(), "instructions": torch.backends.cpu.get_cpu_capability()}
        found |= {"libraries": math_libraries(torch.__config__.show()), "librarySettings": library_settings()}
    return found


def math_libraries(built_with: str) -> str:
    """BLAS and oneDNN of `torch.__config__.show()`: a torch of one version is built with several."""
    blas = re.findall(r"BLAS_INFO=(\w+)", built_with)
    versions = re.findall(
        r"^ *- Intel\(R\) (?:oneAPI )?(Math Kernel Library Version \S+|MKL-DNN \S+)", built_with, re.M
    )
    return ", ".join((*blas, *versions)) or "not told"


def library_settings(environment: Mapping[str, str] = os.environ) -> str:
    """Variables by which these libraries compute otherwise."""
    return " ".join(f"{name}={environment[name]}" for name in _LIBRARY_SETTINGS if name in environment) or "none"


def cpu_quota(cgroup: Path = _CGROUP) -> float | None:
    """The cgroup's CPU limit in cores, or None."""
    try:
        if (cgroup / "cpu.max").exists():
            quota, period = (cgroup / "cpu.max").read_text().split()
        else:
            quota = (cgroup / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text()
    except (OSError, ValueError):
        return None
    return int(quota) / int(period) if quota not in ("max", "-1") else None


def cores(quantity: str | int) -> float:
    """A Kubernetes CPU quantity in cores: "500m", "2", 2, "1k"."""
    return float(amount_of(quantity))


def thread_count(training: Training, cgroup: Path = _CGROUP) -> int:
    """Threads for torch: the CPU limit, else the request, never more than the CPUs we may run on; torchrun's processes of
    one machine share them."""
    available = len(os.sched_getaffinity(0))
    limit = cpu_quota(cgroup)
    if limit is None and (request := training.resources.requests.get("cpu")) is not None:
        limit = cores(request)
    beside_us = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, min(available, ceil(limit) if limit else available) // beside_us)


@contextmanager
def torch_settings(training: Training) -> Iterator[None]:
    """Threads, whole float32 products and, where asked for, deterministic algorithms; as before afterwards.

    Deterministic algorithms would also fill memory that is about to be written, about 90 times in a step of NeuMF: a help for
    finding reads of what nobody wrote, which training has no need of.
    """
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    memory: Any = torch.utils.deterministic  # its attribute is a property of the module, which mypy cannot see
    filled, products = memory.fill_uninitialized_memory, torch.get_float32_matmul_precision()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it once, when its first handle is made
    torch.set_num_threads(thread_count(training))
    torch.use_deterministic_algorithms(training.deterministic)
    memory.fill_uninitialized_memory = False
    torch.set_float32_matmul_precision("highest")
    try:
        with sharing_cpus(torch.get_num_threads()):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
        memory.fill_uninitialized_memory = filled
        torch.set_float32_matmul_precision(products)


def free_memory(device: str, cgroup: Path = _CGROUP) -> int:
    """Bytes that we may still take."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    available = _meminfo_available()
    limit = _read_int(cgroup / "memory.max")
    return available if limit is None else min(available, limit - _resident())


def _meminfo_available() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _read_int(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
