"""Which proxies are read, while the API server is slow or away."""

import asyncio
from typing import Any

import pytest
from tests.contract.operator.fake_cluster import FakeCluster, FakeListing
from tests.unit.operator.clocks import FakeClock

from recsys_operator.adapters.proxy_pods import REFRESH_SECONDS, ProxyPods
from recsys_operator.errors import ApiError, Unavailable
from recsys_operator.resources.kinds import Kind, Manifest


class Gateways(FakeCluster):
    """A cluster whose lists may fail or wait."""

    error: ApiError | None = None

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()
        self.answers.set()

    async def list(self, kind: Kind, namespace: str = "", **more: Any) -> FakeListing:
        """As the API server feels."""
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        return await super().list(kind, namespace, **more)


def proxy(name: str, ip: str) -> Manifest:
    """A proxy that is ready."""
    metadata = {"name": name, "namespace": "gateways", "labels": {"app": "proxy"}}
    status = {"podIP": ip, "conditions": [{"type": "Ready", "status": "True"}]}
    return {"kind": "Pod", "metadata": metadata, "status": status}


def bench() -> tuple[Gateways, FakeClock, ProxyPods]:
    """One proxy in a cluster."""
    cluster, clock = Gateways(), FakeClock()
    cluster.put_raw(proxy("a", "10.0.0.1"))
    return cluster, clock, ProxyPods(cluster, clock, namespace="gateways", selector="app=proxy", port=19001)  # type: ignore[arg-type]


async def test_proxies_are_listed_again_after_some_seconds() -> None:
    cluster, clock, proxies = bench()
    assert list((await proxies()).values()) == ["http://10.0.0.1:19001"]
    cluster.put_raw(proxy("b", "fd00::2"))
    assert len(await proxies()) == 1
    clock.advance(REFRESH_SECONDS)
    assert "http://[fd00::2]:19001" in (await proxies()).values()


async def test_an_api_server_that_is_away_takes_no_known_proxy() -> None:
    cluster, clock, proxies = bench()
    await proxies()
    cluster.error = Unavailable("GET pods", "out of order", 503)
    clock.advance(REFRESH_SECONDS)
    assert len(await proxies()) == 1


async def test_an_api_server_that_does_not_answer_delays_nobody_and_is_heard_later() -> None:
    cluster, clock, proxies = bench()
    await proxies()
    cluster.answers.clear()
    cluster.put_raw(proxy("b", "10.0.0.2"))
    clock.advance(REFRESH_SECONDS)
    async with asyncio.timeout(5.0):
        assert len(await proxies()) == 1
    cluster.answers.set()
    assert len(await proxies()) == 2


async def test_without_any_known_proxy_the_error_is_told() -> None:
    cluster, _, proxies = bench()
    cluster.error = Unavailable("GET pods", "out of order", 503)
    with pytest.raises(Unavailable):
        await proxies()
    cluster.error = None
    cluster.objects.clear()
    with pytest.raises(LookupError, match="no ready pod app=proxy in namespace gateways"):
        await proxies()
