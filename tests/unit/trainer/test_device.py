"""Threads follow what the pod may use."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.trainer.conftest import spec

from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.spec.training import Training
from recsys_trainer import device
from recsys_trainer.training import training_message


def request(cpu: str | int) -> Training:
    return Training.model_validate({"resources": {"requests": {"cpu": cpu}}})


@pytest.mark.parametrize(
    ("quota", "training", "threads"),
    [
        ("150000 100000", Training(), 2),
        ("max 100000", request("500m"), 1),
        ("max 100000", request(3), 3),
        ("max 100000", Training(), 8),
        ("6400000 100000", Training(), 8),
        ("50000 100000", request(4), 1),
    ],
)
def test_the_limit_counts_then_the_request_then_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, training: Training, threads: int
) -> None:
    (tmp_path / "cpu.max").write_text(quota + "\n")
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)))
    assert device.thread_count(training, tmp_path) == threads


@pytest.mark.parametrize(
    ("asked", "there", "found"), [(0, True, "cpu"), (1, True, "cuda"), (1, False, "cpu"), (0, False, "cpu")]
)
def test_a_gpu_is_used_only_where_the_manifest_asks_for_one(
    monkeypatch: pytest.MonkeyPatch, asked: int, there: bool, found: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: there)
    assert device.training_device(Training.model_validate({"gpusPerNode": asked})) == found


@pytest.mark.parametrize(
    ("asked", "there", "words"),
    [(0, True, device.CUDA_NOT_ASKED_FOR), (1, False, device.NO_CUDA), (0, False, "")],
)
def test_the_summary_says_where_the_device_is_another_than_one_would_expect(
    monkeypatch: pytest.MonkeyPatch, asked: int, there: bool, words: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: there)
    wanted = RecommenderModelSpec.model_validate(spec("s3://lake/", **{"training.gpusPerNode": asked}))
    assert training_message(wanted, "cpu", 1) == words


def test_products_are_whole_float32_in_a_training_whatever_was_set_before() -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        with device.torch_settings(Training()):
            assert device.arithmetic("cpu")["precision"] == "float32 highest"
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize(
    ("built_with", "libraries"),
    [
        (
            "PyTorch built with:\n  - GCC 13.3\n  - Intel(R) oneAPI Math Kernel Library Version 2024.2-Product Build 20240605 "
            "for Intel(R) 64\n  - Intel(R) MKL-DNN v3.12.0 (Git Hash 80af)\n  - Build settings: BLAS_INFO=mkl, X=1\n",
            "mkl, Math Kernel Library Version 2024.2-Product, MKL-DNN v3.12.0",
        ),
        ("PyTorch built with:\n  - GCC 13.3\n  - Build settings: BLAS_INFO=open, X=1\n", "open"),
        ("PyTorch built with:\n", "not told"),
    ],
)
def test_libraries_are_those_that_torch_was_built_with(built_with: str, libraries: str) -> None:
    assert device.math_libraries(built_with) == libraries


def test_what_changes_how_the_libraries_compute_is_part_of_the_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert device.arithmetic("cpu")["librarySettings"] == "MKL_CBWR=COMPATIBLE ONEDNN_MAX_CPU_ISA=AVX2"
    assert device.arithmetic("cpu")["libraries"] == device.math_libraries(torch.__config__.show())
    assert device.library_settings({"HOME": "/"}) == "none"


def test_the_older_cgroup_is_understood_and_none_is_no_limit(tmp_path: Path) -> None:
    assert device.cpu_quota(tmp_path) is None
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert device.cpu_quota(tmp_path) is None
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("200000\n")
    assert device.cpu_quota(tmp_path) == 2.0


def test_a_memory_limit_is_what_counts(tmp_path: Path) -> None:
    whole = device.free_memory("cpu", tmp_path)
    (tmp_path / "memory.max").write_text(str(2**20))
    assert device.free_memory("cpu", tmp_path) < min(whole, 2**20)


def test_settings_end_with_the_fit_and_fill_no_memory_meanwhile() -> None:
    memory: Any = torch.utils.deterministic

    def settings() -> tuple[bool, bool, int]:
        return torch.are_deterministic_algorithms_enabled(), memory.fill_uninitialized_memory, torch.get_num_threads()

    before = settings()
    with device.torch_settings(Training()):
        assert settings()[:2] == (True, False)
    assert settings() == before


XEON = (
    "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) Platinum 8481C\ncpu family\t: 6\nmodel\t\t: 143\nflags\t\t: fpu\n"
)


@pytest.mark.parametrize(
    ("cpuinfo", "name", "model"),
    [
        (XEON, "Intel(R) Xeon(R) Platinum 8481C", "Intel(R) Xeon(R) Platinum 8481C, cpu family 6, model 143"),
        (
            f"{XEON}\nmodel\t: 1\n",
            "Intel(R) Xeon(R) Platinum 8481C",
            "Intel(R) Xeon(R) Platinum 8481C, cpu family 6, model 143",
        ),
        ("CPU implementer\t: 0x41\nCPU part\t: 0xd0c\n", "aarch64", "aarch64, CPU implementer 0x41, CPU part 0xd0c"),
        (None, "aarch64", "aarch64"),
    ],
)
def test_cpus_are_told_apart_by_what_the_machine_says_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpuinfo: str | None, name: str, model: str
) -> None:
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    if cpuinfo is not None:
        (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert device.cpu_name(tmp_path / "cpuinfo") == name
    assert device.cpu_model(tmp_path / "cpuinfo") == model


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("500m", 0.5),
        ("2", 2.0),
        (2, 2.0),
        (".5", 0.5),
        ("1e1", 10.0),
        ("1k", 1000.0),
        ("2500000u", 2.5),
        ("3000000000n", 3.0),
        ("1Ki", 1024.0),
    ],
)
def test_cores_of_any_quantity_that_kubernetes_takes(quantity: str | int, expected: float) -> None:
    assert device.cores(quantity) == pytest.approx(expected)
