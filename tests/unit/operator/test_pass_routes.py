"""Passes that write the route: weight rises on ready pods alone, and falls whatever happens."""

import pytest
from tests.unit.operator.reconciling import NAME, Bench, prepared_bench, ready_pod

from recsys_operator.core.decision import (
    EnsureRoute,
)
from recsys_operator.core.world import RouteIntent
from recsys_operator.errors import Conflict, NotReady
from recsys_operator.resources.kinds import Manifest


@pytest.fixture
def bench() -> Bench:
    """With a model and a version."""
    return prepared_bench()


async def test_weight_rises_only_when_enough_pods_are_ready_live(bench: Bench) -> None:
    act = EnsureRoute(RouteIntent("v1", NAME, 5, 0), {"weight": 5}, raises=True, needs_ready={NAME: 2})
    bench.cluster.put_raw(ready_pod("a"))
    with pytest.raises(NotReady, match="1 of 2 pods"):
        await bench.act(act)
    assert bench.live("HTTPRoute", "movies") is None
    bench.cluster.put_raw(ready_pod("b"))
    assert await bench.act(act)
    assert bench.live("HTTPRoute", "movies") is not None


async def test_a_rollback_is_written_through_conflicts_and_without_any_pod(bench: Bench) -> None:
    await bench.act(EnsureRoute(RouteIntent("v1", NAME, 5, 0), {"weight": 5}, raises=True))
    failures = iter([Conflict("apply", "busy", 409)] * 3)

    def busy(verb: str, manifest: Manifest) -> None:
        if manifest["kind"] == "HTTPRoute" and (error := next(failures, None)) is not None:
            raise error

    bench.cluster.before_write = busy
    await bench.act(EnsureRoute(RouteIntent("v1"), {"weight": 0}, raises=False, urgent=True))
    assert NAME not in str(bench.live("HTTPRoute", "movies")["spec"])  # type: ignore[index]
    assert b"recsys_rollback_seconds_count 1.0" in bench.telemetry.page()


async def test_a_secret_that_cannot_be_read_keeps_no_users_at_a_bad_version(bench: Bench) -> None:
    await bench.act(EnsureRoute(RouteIntent("v1", NAME, 5, 0), {"weight": 5}, raises=True))
    bench.cluster.unreadable = "Secret"
    await bench.act(EnsureRoute(RouteIntent("v1"), {"weight": 0}, raises=False, urgent=True))
    assert NAME not in str(bench.live("HTTPRoute", "movies")["spec"])  # type: ignore[index]


async def test_a_route_of_which_the_api_server_keeps_less_is_not_written_again_and_again(bench: Bench) -> None:
    """Gateway API of 2023 prunes `timeouts`; a webhook may change anything."""

    def prune(verb: str, manifest: Manifest) -> None:
        if manifest["kind"] == "HTTPRoute":
            manifest["spec"] = manifest["spec"] | {
                "rules": [
                    {key: part for key, part in rule.items() if key != "timeouts"} for rule in manifest["spec"]["rules"]
                ]
            }

    bench.cluster.before_write = prune
    put_back = EnsureRoute(RouteIntent("v1"), {"weight": 0}, raises=False)
    assert await bench.act(put_back)
    assert not await bench.act(put_back)
    bench.cluster.before_write = lambda verb, manifest: None
    bench.cluster.put_raw({"kind": "HTTPRoute", "metadata": {"name": "movies", "namespace": "shop"}, "spec": {"x": 1}})
    bench.see()
    assert await bench.act(put_back), "somebody else has changed it"
    assert await bench.act(EnsureRoute(RouteIntent("v2"), {"weight": 0}, raises=False))


async def test_a_route_without_parents_is_observed(bench: Bench) -> None:
    """Somebody edited it: parentRefs are optional in Gateway API."""
    await bench.act(EnsureRoute(RouteIntent("v1"), {}, raises=False))
    route = bench.live("HTTPRoute", "movies")
    assert route is not None
    route["metadata"]["resourceVersion"] = "9999"
    del route["spec"]["parentRefs"]
    bench.see()
    await bench.act()
    seen = bench.worlds[-1].route
    assert seen is not None
    assert (seen.accepted, seen.drifted) == (False, True)
