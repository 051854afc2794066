"""A real API server (etcd and kube-apiserver from the cache that `recsys_local build` fills) on loopback ports."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from recsys_local import loopback
from recsys_local.errors import LocalError
from recsys_local.loopback import ApiServer

__all__ = ["CHECKOUT", "ApiServer"]

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def apiserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A started API server without controllers; ended by process id."""
    try:
        with loopback.serve(tmp_path_factory.mktemp("apiserver")) as server:
            yield server
    except LocalError as error:
        pytest.fail(str(error), pytrace=False)
