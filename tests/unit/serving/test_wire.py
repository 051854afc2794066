"""Bytes that callers send, through the HTTP server of production: strange, large, slow, and none at all."""

import asyncio
import dataclasses
import json

import pytest
from tests.unit.loopbacks import LOOPBACKS

from recsys_serving.app import build_app
from recsys_serving.connections import BoundedProtocol
from recsys_serving.testing.asgi import call

BODY = b'{"user":"u1","k":1}'


def post(body: bytes = BODY, *headers: str, version: str = "1.1", length: int | None = None) -> bytes:
    """One request, after which the connection ends."""
    lines = [f"POST /v1/recommend HTTP/{version}", "host: pod", "connection: close", *headers]
    lines.append(f"content-length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(*chunks: bytes) -> bytes:
    head = b"POST /v1/recommend HTTP/1.1\r\nhost: pod\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def requests_of(page: str) -> dict[str, float]:
    """Code -> requests."""
    lines = [line for line in page.splitlines() if line.startswith("recsys_requests_total")]
    found = {line.split('code="')[1][:3]: 0.0 for line in lines}
    for line in lines:
        found[line.split('code="')[1][:3]] += float(line.split()[-1])
    return {code: count for code, count in found.items() if count}


ACCEPTED = {
    "HTTP/1.0": post(version="1.0"),
    "chunks": chunked(BODY[:5], BODY[5:]),
    "expect": post(BODY, "expect: 100-continue"),
    "another media type": post(BODY, "content-type: text/plain; charset=latin-1"),
}


@pytest.mark.parametrize("name", ACCEPTED)
async def test_what_is_a_request_in_any_form_is_answered(pod, listen, name: str) -> None:
    async with listen(pod) as wire:
        answer = await wire.send(ACCEPTED[name])
    assert answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").startswith(b"HTTP/1.1 200 OK")
    assert requests_of((await pod.get("/metrics")).body.decode()) == {"200": 1}


@pytest.mark.parametrize("host", LOOPBACKS)
async def test_a_pod_answers_by_ipv4_and_ipv6(pod, listen, host: str) -> None:
    async with listen(pod) as wire:
        reader, writer = await wire.connect(host)
        writer.write(post())
        assert status_of(await reader.readline()) == 200
        writer.close()


async def test_pipelined_requests_are_answered_in_their_order(pod, listen) -> None:
    requests = [post(json.dumps({"user": "u1", "k": k}).encode()) for k in (3, 1, 2)]
    raw = b"".join(request.replace(b"connection: close\r\n", b"") for request in requests[:2]) + requests[2]
    async with listen(pod) as wire:
        answers = (await wire.send(raw)).split(b"HTTP/1.1 ")[1:]
    assert [len(json.loads(answer.split(b"\r\n\r\n")[1])["items"]) for answer in answers] == [3, 1, 2]


REFUSED = {
    "10 MB": (post(b" " * 10_000_000), 413),
    "10 MB in chunks": (chunked(*[b" " * 500_000] * 20), 413),
    "100,000 items": (post(json.dumps({"user": "u1", "seen": list(range(100_000))}).encode()), 400),
    "latin-1": (post('{"user":"\xfc"}'.encode("latin-1"), "content-type: application/json; charset=latin-1"), 400),
    "compressed": (post(b"\x1f\x8b\x08\x00", "content-encoding: gzip"), 400),
    "no body": (post(b""), 400),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_refused_is_told_why_and_counted_once(pod, listen, name: str) -> None:
    raw, status = REFUSED[name]
    async with listen(pod) as wire:
        answer = await wire.send(raw)
    assert status_of(answer) == status
    assert set(json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]) == {"field", "value", "message"}
    assert requests_of((await pod.get("/metrics")).body.decode()) == {str(status): 1}


NO_REQUESTS = {
    "garbage": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "two lengths": post(BODY, "content-length: 5"),
    "length and chunks": post(BODY, "transfer-encoding: chunked"),
    "headers without end": b"GET /healthz HTTP/1.1\r\n" + b"x: y\r\n" * 200_000,
}


@pytest.mark.parametrize("name", NO_REQUESTS)
async def test_what_is_no_request_gets_400_and_counts_nowhere(pod, listen, name: str) -> None:
    async with listen(pod) as wire:
        reader, writer = await wire.connect()
        writer.write(NO_REQUESTS[name])
        async with asyncio.timeout(10):
            assert status_of(await reader.readline()) == 400
        writer.close()
    assert requests_of((await pod.get("/metrics")).body.decode()) == {}


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of a second for a head."""
    monkeypatch.setattr(BoundedProtocol, "head_seconds", 0.1)


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("sent", [b"POST /v1/rec", b"GET /healthz HTTP/1.1\r\nhost: pod\r\n"])
async def test_a_head_that_does_not_come_ends_the_connection(pod, listen, sent: bytes) -> None:
    async with listen(pod) as wire:
        assert await wire.send(sent) == b""


@pytest.mark.usefixtures("hurry")
async def test_a_head_that_stops_after_an_answer_ends_the_connection_too(pod, listen) -> None:
    async with listen(pod) as wire:
        answer = await wire.send(b"GET /healthz HTTP/1.1\r\nhost: pod\r\n\r\nGET /heal")
    assert status_of(answer) == 200
    assert answer.count(b"HTTP/1.1") == 1


async def test_a_connection_without_a_request_ends_as_an_idle_one(pod, listen) -> None:
    async with listen(pod, keep_alive_seconds=0.1) as wire:
        assert await wire.send(b"") == b""


async def test_a_body_that_does_not_come_is_408_and_ends_the_connection(pod, listen) -> None:
    pod.api = dataclasses.replace(pod.api, body_seconds=0.1)
    async with listen(pod) as wire:
        answer = await wire.send(post(BODY[:5], length=19).replace(b"connection: close\r\n", b""))
    assert status_of(answer) == 408
    assert "within 0.1 s" in json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]["message"]
    assert requests_of((await pod.get("/metrics")).body.decode()) == {"408": 1}


async def test_the_time_that_a_caller_takes_to_send_is_not_the_versions(pod) -> None:
    now = [0.0]
    pod.api = dataclasses.replace(pod.api, timer=lambda: now[0])

    async def slow_caller(scope, receive, send) -> None:
        async def body():
            now[0] += 3.0
            return await receive()

        await build_app(pod.api)(scope, body, send)

    assert (await call(slow_caller, "POST", "/v1/recommend", {"user": "u1", "k": 1})).status == 200
    assert await pod.metric('recsys_request_seconds_sum{source="Model"}') == 0
