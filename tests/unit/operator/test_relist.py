"""Our own lists mend what the watch streams missed."""

from typing import Any

import pytest
from tests.contract.operator import objects
from tests.contract.operator.fake_cluster import FakeCluster, FakeListing

from recsys_operator.adapters.cache import Cache
from recsys_operator.adapters.relist import KindAppearedError, Relister
from recsys_operator.errors import Forbidden, NotFound
from recsys_operator.resources.kinds import Kind, Manifest


class WithoutGatewayApi(FakeCluster):
    """A cluster in which Gateway API is not installed yet."""

    installed = False
    refused = ""
    """A kind that may not be listed."""

    async def list(self, kind: Kind, namespace: str = "", **more: Any) -> FakeListing:
        """404 for its kinds."""
        if kind.name == self.refused:
            raise Forbidden(f"GET {kind.plural}", "no", 403)
        if "gateway" in kind.api_version and not self.installed:
            raise NotFound(f"GET {kind.plural}", "the server could not find the requested resource", 404)
        return await super().list(kind, namespace, **more)


@pytest.fixture
def bench() -> tuple[WithoutGatewayApi, Cache, list[Manifest], Relister]:
    """A cluster with a model, a cache, what was told of, and the relister."""
    cluster, cache, told = WithoutGatewayApi(), Cache(), list[Manifest]()
    cluster.put_raw(objects.model("shop"))
    return cluster, cache, told, Relister(cluster, cache, (), told.append)  # type: ignore[arg-type]


Bench = tuple[WithoutGatewayApi, Cache, list[Manifest], Relister]


async def test_the_first_lists_fill_the_cache(bench: Bench) -> None:
    _, cache, told, relister = bench
    await relister.fill()
    assert cache.get("RecommenderModel", "shop", "movies") is not None
    assert [item["kind"] for item in told] == ["RecommenderModel"]


async def test_a_deletion_that_no_event_told_of_is_found(bench: Bench) -> None:
    cluster, cache, told, relister = bench
    await relister.fill()
    del cluster.objects["RecommenderModel", "shop", "movies"]
    await relister.compare()
    assert cache.get("RecommenderModel", "shop", "movies") is None
    assert len(told) == 2


async def test_a_change_that_no_event_told_of_is_read(bench: Bench) -> None:
    cluster, cache, told, relister = bench
    await relister.fill()
    cluster.put_raw(objects.model("shop") | {"status": {"stable": "v9"}})
    await relister.compare()
    assert cache.get("RecommenderModel", "shop", "movies")["status"] == {"stable": "v9"}  # type: ignore[index]
    assert len(told) == 2


async def test_a_kind_that_cannot_be_listed_keeps_no_other_from_being_compared(bench: Bench) -> None:
    cluster, cache, _, relister = bench
    cluster.put_raw(objects.version("shop"))
    await relister.fill()
    cluster.refused = "RecommenderModel"
    del cluster.objects["ModelVersion", "shop", "movies-0123456789"]
    with pytest.raises(Forbidden):
        await relister.compare()
    assert cache.get("ModelVersion", "shop", "movies-0123456789") is None
    assert cache.get("RecommenderModel", "shop", "movies") is not None


async def test_nothing_is_told_when_nothing_was_missed(bench: Bench) -> None:
    _, _, told, relister = bench
    await relister.fill()
    await relister.compare()
    assert len(told) == 1


async def test_a_kind_that_is_installed_later_asks_for_a_new_start(bench: Bench) -> None:
    cluster, _, _, relister = bench
    await relister.fill()
    await relister.compare()
    cluster.installed = True
    with pytest.raises(KindAppearedError, match="HTTPRoute"):
        await relister.compare()
