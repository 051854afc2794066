"""The API client against a server of our own: what goes wrong becomes a typed error, or is sent again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from tests.contract.operator import objects

from recsys_operator.adapters.cluster import ApiCluster
from recsys_operator.adapters.connection import Connection
from recsys_operator.adapters.switch import RETRY_SECONDS, Switch
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


@pytest.mark.parametrize(
    ("told", "seconds"), [("7", 7.0), (None, 0.0), ("\xb2", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0)]
)
async def test_how_long_to_wait_is_read_where_it_is_said_in_seconds(
    serve: Serve, told: str | None, seconds: float
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": told} if told else {})

    cluster = await serve(refuse)
    with pytest.raises(Unavailable) as caught:
        await cluster.apply(objects.config("shop"))
    assert caught.value.retry_after == seconds


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


@pytest.mark.parametrize("body", [b"<html>sign in</html>", b'{"metadata": {"na', b"null", b"[]"])
async def test_an_answer_that_is_no_object_is_unavailable(serve: Serve, body: bytes) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="text/html")

    cluster = await serve(answer)
    with pytest.raises(Unavailable, match="the answer is no JSON object"):
        await cluster.read("ConfigMap", "shop", "some-run")


async def test_the_token_follows_no_redirect(serve: Serve) -> None:
    asked = []

    async def redirect(request: web.Request) -> web.Response:
        asked.append(request.path)
        raise web.HTTPFound("/elsewhere")

    cluster = await serve(redirect)
    with pytest.raises(Unavailable):
        await cluster.read("ConfigMap", "shop", "some-run")
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b'{"type": "ERROR", "object": {"code": 410, "message": "too old"}}\n', Conflict),
        (b'{"type": "ERROR", "object": {"code": 500, "message": "out of order"}}\n', Unavailable),
        (b'{"type": "MODIFIED", "obj', Unavailable),
        (b'{"type": "MODIFIED", "object": {"data": {"x": "' + b"y" * 2**20 + b'"}}}\n', Unavailable),
    ],
)
async def test_a_watch_that_goes_wrong_ends_in_a_typed_error(serve: Serve, line: bytes, kind: type[Exception]) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=line)

    cluster = await serve(answer)
    with pytest.raises(kind):
        async for _ in cluster.watch("ConfigMap", "shop", "some-run", "5"):
            pass


async def test_a_switch_whose_stream_ends_at_once_asks_with_pauses(serve: Serve) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.query.get("watch"))
        if request.query.get("watch"):
            return web.Response()
        return web.json_response({"metadata": {"resourceVersion": "1"}, "data": {"rollouts": "Paused"}})

    told: list[bool] = []
    switch = Switch(await serve(answer), "recsys-system", lambda: told.append(True))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(RETRY_SECONDS / 2):
            await switch.run()
    assert switch.paused
    assert asked == [None, "true"]


def test_back_off_is_short_where_the_world_moved_and_long_where_a_person_must_act() -> None:
    assert policy_of(Conflict("x", "y")).first_seconds < 0.1
    assert not policy_of(Conflict("x", "y")).tell
    assert policy_of(Forbidden("x", "y")).tell
    assert policy_of(ZeroDivisionError()).reason == "InternalError"
