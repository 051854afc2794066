"""Benchmarks are run by hand: a test notices when what they call has moved."""

import importlib
import pkgutil

import benchmarks
import pytest

NAMES = sorted(
    module.name
    for module in pkgutil.walk_packages(benchmarks.__path__, "benchmarks.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", ["benchmarks.__main__", *NAMES])
def test_a_benchmark_can_be_loaded(name: str) -> None:
    assert importlib.import_module(name).__doc__
