"""The API client against a server of our own: what goes wrong becomes a typed error, or is sent again."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from tests.contract.operator import objects

from recsys_operator.adapters.cluster import ApiCluster
from recsys_operator.adapters.connection import Connection
from recsys_operator.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable, policy_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[ApiCluster]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server with one handler; the client for it."""
    opened: list[tuple[web.AppRunner, ApiCluster]] = []

    async def start(handler: Handler) -> ApiCluster:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        cluster = await ApiCluster(Connection(f"http://127.0.0.1:{runner.addresses[0][1]}", True)).__aenter__()
        opened.append((runner, cluster))
        return cluster

    yield start
    for runner, cluster in opened:
        await cluster.__aexit__()
        await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, Forbidden),
        (401, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (422, Invalid),
        (429, Unavailable),
        (503, Unavailable),
    ],
)
async def test_a_status_becomes_its_error_with_the_servers_words(
    serve: Serve, status: int, kind: type[Exception]
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "message": "because"}, status=status)

    cluster = await serve(refuse)
    with pytest.raises(kind, match=r"PATCH /api/v1/namespaces/shop/configmaps/some-run: because"):
        await cluster.apply(objects.config("shop"))


async def test_a_write_on_a_connection_that_was_closed_is_sent_again(serve: Serve) -> None:
    seen = []

    async def close_first(request: web.Request) -> web.Response:
        seen.append(request.method)
        if len(seen) == 1:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({"metadata": {"uid": "u", "resourceVersion": "1"}})

    cluster = await serve(close_first)
    assert (await cluster.apply(objects.config("shop")))["metadata"]["uid"] == "u"
    assert seen == ["PATCH", "PATCH"]


async def test_a_server_that_always_closes_is_unavailable(serve: Serve) -> None:
    async def close(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    cluster = await serve(close)
    with pytest.raises(Unavailable):
        await cluster.read("ConfigMap", "shop", "some-run")


def test_back_off_is_short_where_the_world_moved_and_long_where_a_person_must_act() -> None:
    assert policy_of(Conflict("x", "y")).first_seconds < 0.1
    assert not policy_of(Conflict("x", "y")).tell
    assert policy_of(Forbidden("x", "y")).tell
    assert policy_of(ZeroDivisionError()).reason == "InternalError"
