"""A cluster in memory behind HTTP: discovery, lists, watch streams and what the operator writes, as kopf and our client ask."""

import asyncio
import json
from collections import defaultdict
from typing import Any

from aiohttp import web
from tests.contract.operator.fake_cluster import FakeCluster

from recsys_operator.errors import ApiError
from recsys_operator.resources.kinds import KINDS, Kind, Manifest


class FakeApiServer:
    """Serves a `FakeCluster`. Streams tell only what a test sends: a write is no event by itself."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.watched: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        """Kind -> set when somebody watches it."""
        self._streams: dict[str, list[web.StreamResponse]] = defaultdict(list)
        self._runner: web.AppRunner | None = None
        self._ended = asyncio.Event()

    async def start(self) -> str:
        """Its URL."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def end(self) -> None:
        """Close all streams."""
        self._ended.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def send(self, kind: str, event: str, manifest: Manifest) -> None:
        """An event on the streams of a kind."""
        await asyncio.wait_for(self.watched[kind].wait(), 10.0)
        for stream in self._streams[kind]:
            await stream.write(json.dumps({"type": event, "object": manifest}).encode() + b"\n")

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if (found := _discovered(request.path)) is not None:
            return web.json_response(found)
        kind, namespace, name, subresource = _target(request.path)
        if request.query.get("watch"):
            return await self._watch(request, kind)
        try:
            return web.json_response(await self._object(request, kind, namespace, name, subresource))
        except ApiError as error:
            return web.json_response({"kind": "Status", "message": str(error)}, status=error.status or 409)

    async def _object(self, request: web.Request, kind: Kind, namespace: str, name: str, subresource: str) -> Manifest:
        body = await request.json() if request.can_read_body else None
        if request.method == "POST":
            return await self.cluster.create(body | {"kind": kind.name})
        if request.method == "PUT":
            return await self.cluster.replace(body)
        if request.method == "PATCH" and not subresource:
            return await self.cluster.apply(body)
        if not name:
            listing = await self.cluster.list(kind, namespace)
            return {"items": list(listing.items), "metadata": {"resourceVersion": listing.resource_version}}
        found = await self.cluster.read(kind.name, namespace, name)
        if found is None:
            raise ApiError(f"{request.method} {request.path}", "not found", 404)
        return found

    async def _watch(self, request: web.Request, kind: Kind) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        self._streams[kind.name].append(stream)
        self.watched[kind.name].set()
        await self._ended.wait()
        return stream


def _discovered(path: str) -> dict[str, Any] | None:
    if path == "/api":
        return {"versions": ["v1"]}
    if path == "/apis":
        groups = sorted({kind.api_version for kind in KINDS.values() if kind.group})
        return {"groups": [_group(*api_version.split("/")) for api_version in groups]}
    kinds = [kind for kind in KINDS.values() if path in (f"/api/{kind.api_version}", f"/apis/{kind.api_version}")]
    if not kinds:
        return {} if path == "/version" else None
    verbs = ["list", "watch", "get", "patch"]
    return {
        "resources": [
            {"kind": kind.name, "name": kind.plural, "singularName": "", "namespaced": True, "verbs": verbs}
            for kind in kinds
        ]
    }


def _group(name: str, version: str) -> dict[str, Any]:
    told = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [told], "preferredVersion": told}


def _target(path: str) -> tuple[Kind, str, str, str]:
    """(kind, namespace, name, subresource) of a path."""
    for kind in KINDS.values():
        root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.api_version}"
        if not path.startswith(f"{root}/"):
            continue
        namespace, parts = "", path.removeprefix(f"{root}/").split("/")
        if parts[0] == "namespaces" and len(parts) > 2:
            namespace, parts = parts[1], parts[2:]
        if parts[0] == kind.plural:
            return kind, namespace, *(*parts[1:], "", "")[:2]  # type: ignore[return-value]
    raise web.HTTPNotFound
