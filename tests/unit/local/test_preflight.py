"""Preflight: every problem is one clear line that says what to do."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from recsys_local import preflight
from recsys_local.errors import PreflightError
from recsys_local.ports import Forward

GOOD = preflight.Machine(
    is_root=lambda: True,
    platform="linux",
    free_bytes=lambda folder: 100 * preflight.GIB,
    feature_works=lambda probe: True,
    port_is_free=lambda port: True,
    controllers=lambda: frozenset({"cpu", "memory", "pids", "cpuset"}),
)
GATEWAY = Forward("gateway", 36080, "10.96.0.20", 80)


def test_a_good_machine_has_no_problems() -> None:
    assert preflight.check_root(GOOD) == []
    assert preflight.check_disk(GOOD, Path("/cache"), 30, "all") == []
    assert preflight.check_features(GOOD) == []
    assert preflight.check_cgroups(GOOD) == []
    assert preflight.check_ports(GOOD, [GATEWAY]) == []
    preflight.require([])


def test_without_root_the_line_says_sudo() -> None:
    (line,) = preflight.check_root(dataclasses.replace(GOOD, is_root=lambda: False))
    assert "root" in line
    assert "sudo" in line


def test_another_system_than_linux_is_named() -> None:
    (line,) = preflight.check_root(dataclasses.replace(GOOD, platform="darwin"))
    assert "darwin" in line


def test_too_little_disk_names_what_is_there_what_is_needed_and_why() -> None:
    machine = dataclasses.replace(GOOD, free_bytes=lambda folder: int(3.5 * preflight.GIB))
    (line,) = preflight.check_disk(machine, Path("/cache"), 26, "images with torch")
    assert "/cache has 3.5 GiB free" in line
    assert "26 GiB are needed (images with torch)" in line


def test_a_taken_port_names_port_and_variable() -> None:
    (line,) = preflight.check_ports(dataclasses.replace(GOOD, port_is_free=lambda port: False), [GATEWAY])
    assert "36080" in line
    assert "RECSYS_LOCAL_GATEWAY_PORT" in line


def test_each_missing_kernel_feature_has_its_own_line() -> None:
    machine = dataclasses.replace(GOOD, feature_works=lambda probe: "bridge" not in probe and "nft" not in probe)
    lines = preflight.check_features(machine)
    assert [line.split(":")[0] for line in lines] == [
        "the kernel does not offer bridges",
        "the kernel does not offer nftables",
    ]


def test_missing_cgroup_controllers_are_named() -> None:
    machine = dataclasses.replace(GOOD, controllers=lambda: frozenset({"cpu"}))
    (line,) = preflight.check_cgroups(machine)
    assert "memory, pids" in line


def test_a_checkout_deep_in_the_tree_is_refused_before_kubelet_fails_on_it() -> None:
    assert preflight.check_socket_path(Path("/srv/checkout/.local/cluster")) == []
    (line,) = preflight.check_socket_path(Path("/" + "x" * 100))
    assert "too long" in line


def test_all_problems_come_in_one_error() -> None:
    with pytest.raises(PreflightError) as caught:
        preflight.require(["first", "second"])
    assert str(caught.value) == "first\nsecond"
