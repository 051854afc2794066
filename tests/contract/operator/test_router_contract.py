"""What the reconciler relies on of a TrafficRouter, over the fake and a real API server."""

from typing import Any

import pytest
from tests.contract.operator import objects
from tests.contract.operator.conftest import Bench

from recsys_operator.adapters.cache import Cache
from recsys_operator.adapters.traffic.gateway_api import GatewayApiRouter
from recsys_operator.core.world import RouteIntent
from recsys_operator.errors import AlreadyOwned, Conflict, Unmanaged
from recsys_operator.resources.kinds import MANAGED_BY, Manifest, is_ours
from recsys_operator.resources.route import ANNOTATION_DECISION, ANNOTATION_UNMANAGED, RouteSettings

SETTINGS = RouteSettings.of("model-uid", objects.model_spec().rollout)
CANARY = RouteIntent("movies-a", "movies-b", 5, 9800)


async def ensure(bench: Bench, cache: Cache, intent: RouteIntent, *, raises: bool, **extra: Any) -> bool:
    """One call with the usual arguments."""
    decision = {"weight": intent.weight, "bucketOffset": intent.bucket_offset, "at": extra.pop("at", 1.0)}
    router = GatewayApiRouter(bench.cluster, cache)
    settings = extra.pop("settings", SETTINGS)
    return await router.ensure_route(bench.namespace, "movies", intent, decision, settings=settings, raises=raises)


async def live(bench: Bench) -> Manifest:
    """The route as the API server has it."""
    found: Manifest | None = await bench.cluster.read("HTTPRoute", bench.namespace, "movies")
    assert found is not None
    return found


async def edit(bench: Bench, **metadata: object) -> None:
    """Another writer touches the route, unseen by the cache."""
    route = await live(bench)
    change = {key: route[key] for key in ("apiVersion", "kind")} | {
        "metadata": {"name": "movies", "namespace": bench.namespace, **metadata}
    }
    await bench.cluster.apply(change, manager="somebody")


async def test_what_is_written_is_read_back(bench: Bench) -> None:
    cache = Cache()
    assert not await ensure(bench, cache, CANARY, raises=True)
    view = await GatewayApiRouter(bench.cluster, cache).observe_route(bench.namespace, "movies", SETTINGS)
    assert view is not None
    assert view.intent == CANARY
    assert view.decision["weight"] == 5
    assert not view.drifted


async def test_the_same_intent_writes_nothing_whatever_the_time(bench: Bench) -> None:
    cache = Cache()
    await ensure(bench, cache, CANARY, raises=True, at=1.0)
    before = await live(bench)
    assert await ensure(bench, cache, CANARY, raises=True, at=2.0)
    assert (await live(bench))["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_weight_does_not_rise_on_a_route_that_changed_unseen(bench: Bench) -> None:
    cache = Cache()
    await ensure(bench, cache, RouteIntent("movies-a"), raises=True)
    await edit(bench, annotations={"somebody": "was here"})
    with pytest.raises(Conflict):
        await ensure(bench, cache, CANARY, raises=True)
    assert len((await live(bench))["spec"]["rules"]) == 2


async def test_weight_falls_whatever_happened_to_the_route(bench: Bench) -> None:
    cache = Cache()
    await ensure(bench, cache, CANARY, raises=True)
    await edit(bench, annotations={"somebody": "was here"})
    await ensure(bench, cache, RouteIntent("movies-a"), raises=False)
    route = await live(bench)
    backends = {backend["name"] for rule in route["spec"]["rules"] for backend in rule["backendRefs"]}
    assert backends == {"movies-a"}
    assert '"weight": 0' in route["metadata"]["annotations"][ANNOTATION_DECISION]


async def test_weight_falls_without_a_readable_spec(bench: Bench) -> None:
    cache = Cache()
    await ensure(bench, cache, CANARY, raises=True)
    await ensure(bench, cache, RouteIntent("movies-a"), raises=False, settings=None)
    route = await live(bench)
    assert {backend["name"] for rule in route["spec"]["rules"] for backend in rule["backendRefs"]} == {"movies-a"}
    assert route["spec"]["rules"][0]["timeouts"] == {"request": "1000ms"}
    assert route["spec"]["parentRefs"] == [{"name": "public", "namespace": "infra", "sectionName": "https"}]


async def test_a_route_that_a_person_took_over_is_left_alone(bench: Bench) -> None:
    cache = Cache()
    await ensure(bench, cache, CANARY, raises=True)
    await edit(bench, annotations={ANNOTATION_UNMANAGED: "true"})
    cache.put(await live(bench))
    with pytest.raises(Unmanaged):
        await ensure(bench, cache, RouteIntent("movies-a"), raises=False)


async def test_a_foreign_route_of_the_same_name_is_never_overwritten(bench: Bench) -> None:
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "movies", "namespace": bench.namespace}, "spec": {"rules": []},
    }  # fmt: skip
    await bench.cluster.apply(route, manager="somebody")
    with pytest.raises(AlreadyOwned):
        await ensure(bench, Cache(), CANARY, raises=True)


async def test_weight_falls_on_a_route_whose_label_somebody_changed(bench: Bench) -> None:
    """It is in no list of ours any more, and still the model's own."""
    await ensure(bench, Cache(), CANARY, raises=True)
    await edit(bench, labels={MANAGED_BY: "Helm"})
    assert not is_ours(await live(bench))
    await ensure(bench, Cache(), RouteIntent("movies-a"), raises=False)
    route = await live(bench)
    assert is_ours(route)
    assert {backend["name"] for rule in route["spec"]["rules"] for backend in rule["backendRefs"]} == {"movies-a"}
