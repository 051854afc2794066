"""kopf's events into the cache, and the operator's own metrics and probes."""

import asyncio

import aiohttp
import pytest
from tests.unit.loopbacks import LOOPBACKS

from recsys_api.listening import in_url
from recsys_operator.adapters.cache import Cache
from recsys_operator.adapters.connection import Connection
from recsys_operator.errors import SettingsError
from recsys_operator.handlers import EventSource
from recsys_operator.metrics import WEIGHT, Telemetry
from recsys_operator.resources.kinds import KINDS, Manifest
from recsys_operator.server import STUCK_SECONDS, start_server
from recsys_operator.settings import read_settings

KIND = KINDS["RecommenderModel"]


def event_object(version: int = 5) -> Manifest:
    """An object as kopf hands it over."""
    return {"metadata": {"name": "movies", "namespace": "shop", "uid": "m", "resourceVersion": str(version)}}


def test_events_fill_the_cache_and_name_their_kind() -> None:
    cache, told = Cache(), list[Manifest]()
    source = EventSource(cache, Connection("http://api", True), (), told.append)
    source.take(KIND, None, event_object(5))
    source.take(KIND, "MODIFIED", event_object(5))
    assert [item["kind"] for item in told] == ["RecommenderModel"]
    source.take(KIND, "DELETED", event_object(6))
    assert cache.get("RecommenderModel", "shop", "movies") is None
    assert len(told) == 2


def test_a_label_taken_away_and_given_back_is_told_as_a_deletion_and_an_addition() -> None:
    cache, told = Cache(), list[Manifest]()
    source = EventSource(cache, Connection("http://api", True), (), told.append)
    for event, version in (("ADDED", 5), ("DELETED", 6), ("ADDED", 7)):
        source.take(KIND, event, event_object(version))
    assert cache.get("RecommenderModel", "shop", "movies") is not None
    assert len(told) == 3


def test_phases_that_ended_and_models_that_are_gone_leave_the_metrics() -> None:
    telemetry = Telemetry()
    telemetry.observe_decision("shop", "movies", {WEIGHT: 25.0, "versions": 2.0}, {"Stable", "Canary"})
    telemetry.observe_decision("shop", "movies", {WEIGHT: 50.0, "versions": 2.0}, {"Stable"})
    page = telemetry.page().decode()
    assert 'recsys_operator_weight{model="movies",namespace="shop"} 50.0' in page
    assert 'phase="Stable"' in page
    assert "Canary" not in page
    telemetry.observe_verdict("shop", "movies", "Fail")
    telemetry.forget("shop", "movies")
    telemetry.forget("shop", "movies")
    assert "movies" not in telemetry.page().decode()


async def test_probes_tell_a_stuck_worker_and_an_empty_cache() -> None:
    state = {"active": 0.0, "ready": False}
    runner, port = await start_server(
        Telemetry(),
        address="127.0.0.1",
        port=0,
        active_seconds=lambda: state["active"],
        ready=lambda: bool(state["ready"]),
    )
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

        async def status(path: str) -> int:
            async with session.get(path) as response:
                return response.status

        assert (await status("/healthz"), await status("/readyz"), await status("/metrics")) == (200, 503, 200)
        state |= {"active": STUCK_SECONDS + 1, "ready": True}
        assert (await status("/healthz"), await status("/readyz")) == (503, 200)
    await runner.cleanup()
    await asyncio.sleep(0)


@pytest.mark.parametrize("host", LOOPBACKS)
async def test_the_operator_answers_by_ipv4_and_ipv6(host: str) -> None:
    address = read_settings({"RECSYS_TRAINER_IMAGE": "x", "RECSYS_SERVING_IMAGE": "x"}).metrics_address
    runner, port = await start_server(
        Telemetry(), address=address, port=0, active_seconds=lambda: 0.0, ready=lambda: True
    )
    async with aiohttp.ClientSession() as session, session.get(f"http://{in_url(host)}:{port}/readyz") as response:
        assert response.status == 200
    await runner.cleanup()


async def test_a_port_in_use_is_named() -> None:
    runner, port = await start_server(
        Telemetry(), address="127.0.0.1", port=0, active_seconds=lambda: 0.0, ready=lambda: True
    )
    with pytest.raises(SettingsError, match=f"RECSYS_METRICS_PORT={port}"):
        await start_server(Telemetry(), address="127.0.0.1", port=port, active_seconds=lambda: 0.0, ready=lambda: True)
    await runner.cleanup()
