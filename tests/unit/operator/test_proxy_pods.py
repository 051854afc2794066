"""Which proxies are read, while the API server is slow or away."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from tests.contract.operator.fake_cluster import FakeCluster, FakeListing
from tests.unit.operator.clocks import FakeClock

from recsys_operator.adapters.proxy_pods import REFRESH_SECONDS, Proxy, ProxyPods
from recsys_operator.errors import ApiError, Unavailable
from recsys_operator.resources.kinds import Kind, Manifest


class Gateways(FakeCluster):
    """A cluster whose lists may fail or wait."""

    error: ApiError | None = None
    denied = ""
    """Namespace whose pods may not be listed."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()
        self.answers.set()

    async def list(self, kind: Kind, namespace: str = "", **more: Any) -> FakeListing:
        """As the API server feels."""
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        if self.denied and namespace == self.denied:
            raise Unavailable("GET pods", f"{namespace} is out of order", 503)
        return await super().list(kind, namespace, **more)


def proxy(name: str, ip: str, *, ready: bool = True, namespace: str = "gateways", **labels: str) -> Manifest:
    """A proxy; labels are Envoy Gateway's."""
    owner = {f"gateway.envoyproxy.io/{key.replace('_', '-')}": value for key, value in labels.items()}
    metadata = {"name": name, "namespace": namespace, "labels": {"app": "proxy"} | owner}
    status = {"podIP": ip, "conditions": [{"type": "Ready", "status": str(ready)}]}
    return {"kind": "Pod", "metadata": metadata, "status": status}


def bench() -> tuple[Gateways, FakeClock, ProxyPods]:
    """One proxy in a cluster."""
    cluster, clock = Gateways(), FakeClock()
    cluster.put_raw(proxy("a", "10.0.0.1"))
    return cluster, clock, proxies_in(cluster, clock, "gateways")


def proxies_in(cluster: Gateways, clock: FakeClock, *namespaces: str) -> ProxyPods:
    """Those of some namespaces."""
    return ProxyPods(cluster, clock, namespaces=namespaces, selector="app=proxy", port=19001)  # type: ignore[arg-type]


def urls(proxies: Mapping[str, Proxy]) -> list[str]:
    """Where their statistics are."""
    return [proxy.url for proxy in proxies.values()]


async def test_proxies_are_listed_again_after_some_seconds() -> None:
    cluster, clock, proxies = bench()
    assert urls(await proxies()) == ["http://10.0.0.1:19001"]
    cluster.put_raw(proxy("b", "fd00::2"))
    assert len(await proxies()) == 1
    clock.advance(REFRESH_SECONDS)
    assert "http://[fd00::2]:19001" in urls(await proxies())


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
    with pytest.raises(LookupError, match="no pod app=proxy in namespace gateways"):
        await proxies()


async def test_proxies_that_start_or_end_are_told_as_such_and_those_without_an_address_are_not_there() -> None:
    cluster, _, proxies = bench()
    cluster.put_raw(proxy("starts", "10.0.0.2", ready=False))
    ending = proxy("ends", "10.0.0.3")
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    cluster.put_raw(ending)
    cluster.put_raw(proxy("waits", ""))
    found = {proxy.url: proxy.ready for proxy in (await proxies()).values()}
    assert found == {"http://10.0.0.1:19001": True, "http://10.0.0.2:19001": False, "http://10.0.0.3:19001": False}


async def test_proxies_of_several_namespaces_are_read_together_and_those_of_others_are_not() -> None:
    cluster, clock, _ = bench()
    for name, namespace in (("b", "edge"), ("c", "elsewhere")):
        cluster.put_raw(proxy(name, f"10.0.0.{ord(name)}", namespace=namespace))
    proxies = proxies_in(cluster, clock, "gateways", "edge")
    assert urls(await proxies()) == ["http://10.0.0.1:19001", "http://10.0.0.98:19001"]
    cluster.objects.clear()
    clock.advance(REFRESH_SECONDS)
    with pytest.raises(LookupError, match="no pod app=proxy in namespaces gateways, edge"):
        await proxies()


async def test_where_one_namespace_cannot_be_listed_no_part_is_taken_for_all() -> None:
    cluster, clock, _ = bench()
    cluster.put_raw(proxy("b", "10.0.0.2", namespace="edge"))
    cluster.denied = "edge"
    proxies = proxies_in(cluster, clock, "gateways", "edge")
    with pytest.raises(Unavailable):
        await proxies()
    cluster.denied = ""
    assert len(await proxies()) == 2
    cluster.denied = "edge"
    clock.advance(REFRESH_SECONDS)
    assert len(await proxies()) == 2, "those that are known are read on"


@pytest.mark.parametrize(
    ("labels", "gateway_class", "serves"),
    [
        ({"owning_gateway_name": "public", "owning_gateway_namespace": "infra"}, "eg", True),
        ({"owning_gateway_name": "public", "owning_gateway_namespace": "other"}, "eg", False),
        ({"owning_gateway_name": "internal", "owning_gateway_namespace": "infra"}, "eg", False),
        ({"owning_gatewayclass": "eg"}, "eg", True),
        ({"owning_gatewayclass": "merged"}, "eg", False),
        ({"owning_gatewayclass": "merged"}, "", True),
        ({}, "eg", True),
    ],
    ids=["own", "other-namespace", "other-name", "merged", "other-class", "class-not-known", "no-labels"],
)
async def test_a_proxy_serves_the_gateways_that_its_labels_name(
    labels: dict[str, str], gateway_class: str, serves: bool
) -> None:
    cluster, _, proxies = bench()
    cluster.objects.clear()
    cluster.put_raw(proxy("a", "10.0.0.1", **labels))
    (found,) = (await proxies()).values()
    assert found.serves(("infra", "public"), gateway_class) is serves
