"""Limits, threads, memory arithmetic and the environment."""

from pathlib import Path

import pytest

from recsys_api.listening import bound
from recsys_serving.api import bind
from recsys_serving.errors import DoesNotFitError, SettingsError
from recsys_serving.limits import observe_cpus, observe_memory_limit, threads_for
from recsys_serving.memory import RUNTIME_BYTES, check_memory, plan_memory
from recsys_serving.settings import read_api_settings, read_artifact_settings
from recsys_serving.triton_client import build_request, padded_length
from recsys_serving.triton_process import build_command, build_environment, find_triton_home


def cgroup(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("env", "files", "limit"),
    [
        ({}, {"memory_dot_max": "1048576\n"}, 1048576),
        ({}, {"memory_dot_max": "max\n"}, None),
        ({}, {"memory__memory_dot_limit_in_bytes": "2097152"}, 2097152),
        ({}, {"memory__memory_dot_limit_in_bytes": "9223372036854771712"}, None),
        ({}, {}, None),
        ({"RECSYS_MEMORY_LIMIT_BYTES": "77"}, {"memory_dot_max": "1"}, 77),
    ],
)
def test_the_memory_limit(tmp_path: Path, env: dict[str, str], files: dict[str, str], limit: int | None) -> None:
    assert observe_memory_limit(env, cgroup(tmp_path, **files)) == limit


@pytest.mark.parametrize(
    ("env", "files", "cpus"),
    [
        ({}, {"cpu_dot_max": "150000 100000"}, 1.5),
        ({"RECSYS_CPU_REQUEST": "0.5"}, {"cpu_dot_max": "max 100000"}, 0.5),
        (
            {"RECSYS_CPU_REQUEST": "4"},
            {"cpu__cpu_dot_cfs_quota_us": "200000", "cpu__cpu_dot_cfs_period_us": "100000"},
            2,
        ),
        ({"RECSYS_CPU_REQUEST": "3"}, {"cpu__cpu_dot_cfs_quota_us": "-1", "cpu__cpu_dot_cfs_period_us": "100000"}, 3),
    ],
)
def test_cpus_follow_the_quota_then_the_request(
    tmp_path: Path, env: dict[str, str], files: dict[str, str], cpus: float
) -> None:
    assert observe_cpus(env, cgroup(tmp_path, **files)) == cpus


@pytest.mark.parametrize(("cpus", "instances", "threads"), [(0.5, 1, 1), (3.9, 1, 3), (4, 2, 2), (4, 8, 1)])
def test_threads_are_the_quota_shared_out(cpus: float, instances: int, threads: int) -> None:
    assert threads_for(cpus, instances) == threads


@pytest.mark.parametrize("name", ["RECSYS_MEMORY_LIMIT_BYTES", "RECSYS_CPU_REQUEST"])
def test_wrong_limits_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        observe_memory_limit({name: "lots"}, tmp_path) or observe_cpus({name: "lots"}, tmp_path)


def test_the_plan_adds_up(fetched) -> None:
    plan = plan_memory(fetched.artifact)
    recipe = fetched.made.recipe
    assert plan.users == 2 * recipe.users * recipe.dim * 4
    assert plan.items == recipe.items * 4 * (2 * recipe.dim + recipe.hidden[0])
    assert plan.seen == (fetched.artifact / "seen.safetensors").stat().st_size
    assert plan.total > RUNTIME_BYTES
    assert f"= {plan.total / 2**20:.1f} MiB" in plan.describe()


def test_a_table_that_cannot_fit_is_refused_with_both_numbers(fetched) -> None:
    plan = plan_memory(fetched.artifact)
    check_memory(plan, plan.total)
    check_memory(plan, None)
    with pytest.raises(DoesNotFitError, match=r"MiB, but the container's limit is 1\.0 MiB"):
        check_memory(plan, 2**20)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RECSYS_ARTIFACT_DIGEST", "sha256:0"),
        ("RECSYS_TOP_K", "1001"),
        ("RECSYS_TOP_K", "ten"),
        ("RECSYS_BUCKET_KEY", "xyz"),
        ("RECSYS_TOKEN_KEY", "ab"),
        ("RECSYS_TOKEN_KEY", ""),
        ("RECSYS_REQUEST_TIMEOUT_MILLISECONDS", "-1"),
        ("RECSYS_VERSION", ""),
        ("RECSYS_PORT", "0"),
    ],
)
def test_a_wrong_environment_names_the_variable(shared_artifact, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_api_settings(shared_artifact.env(**{name: value}))


def test_a_port_that_cannot_be_had_is_named(shared_artifact) -> None:
    with bound("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        with pytest.raises(SettingsError, match=f"RECSYS_PORT={port}: Address already in use; choose an address"):
            bind(read_api_settings(shared_artifact.env(RECSYS_HOST="127.0.0.1", RECSYS_PORT=str(port))))


@pytest.mark.parametrize(("timeout", "scoring"), [("1000", 0.95), ("100", 0.09), ("10", 0.007)])
def test_triton_gets_the_requests_timeout_minus_a_margin(shared_artifact, timeout: str, scoring: float) -> None:
    settings = read_api_settings(shared_artifact.env(RECSYS_REQUEST_TIMEOUT_MILLISECONDS=timeout))
    assert settings.scoring_timeout_seconds == pytest.approx(scoring)


def test_the_models_folder_has_a_default(shared_artifact) -> None:
    env = shared_artifact.env()
    del env["RECSYS_MODELS_DIR"]
    assert read_artifact_settings(env).artifact_dir == Path("/models/artifact")


@pytest.mark.parametrize(("count", "length"), [(0, 16), (1, 16), (16, 16), (17, 32), (1000, 1024)])
def test_extra_seen_is_padded_to_a_power_of_two(count: int, length: int) -> None:
    assert padded_length(count) == length
    request = build_request(5, range(count), 10)
    assert len(request.raw_input_contents[1]) == 4 * length


def test_triton_listens_on_loopback_only(shared_artifact, tmp_path: Path) -> None:
    settings = read_api_settings(shared_artifact.env()).triton
    command = build_command(tmp_path, settings, "x_")
    assert {"--http-address=127.0.0.1", "--grpc-address=127.0.0.1", "--allow-metrics=false"} <= set(command)
    assert "--model-control-mode=none" in command


def test_triton_is_found_or_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="RECSYS_TRITON_HOME"):
        find_triton_home({"RECSYS_TRITON_HOME": str(tmp_path)})


def test_triton_is_found_on_the_path(tmp_path: Path) -> None:
    binary = tmp_path / "home/bin/tritonserver"
    binary.parent.mkdir(parents=True)
    binary.touch(0o755)
    assert find_triton_home({"PATH": str(binary.parent)}) == tmp_path / "home"


def test_the_stub_learns_our_package_folders() -> None:
    assert "site-packages" in build_environment({"RECSYS_CPU_REQUEST": "1"})["RECSYS_SITE_PACKAGES"]
