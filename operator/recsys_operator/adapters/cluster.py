"""The API server by aiohttp: apply, create, live reads, status, deletes with preconditions, lists."""

import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Self

import aiohttp
from aiohttp.http import HttpProcessingError

from recsys_operator.adapters.answers import error_of_answer, named, parsed
from recsys_operator.adapters.connection import Connection
from recsys_operator.errors import AlreadyOwned, Conflict, NotFound, Unavailable, error_of_status
from recsys_operator.resources.kinds import KINDS, MANAGER, Kind, Manifest, is_ours, owner_uid

__all__ = ["ApiCluster", "Listing"]

APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
PAGE = 500
TIMEOUT_SECONDS = 10.0
WATCH_SECONDS = 240
_CLOSED = (aiohttp.ServerDisconnectedError, ConnectionResetError)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listing:
    """What a list said: objects (or their metadata) as of one resourceVersion."""

    items: tuple[Manifest, ...]
    resource_version: str


class ApiCluster:
    """`ports.Cluster` and `ports.Lister` over HTTP, one connection pool.

    Args:
        connection: where and as whom.
        on_write: told (kind, verb) of each write that succeeded, for the metrics.
    """

    def __init__(self, connection: Connection, on_write: Callable[[str, str], None] | None = None) -> None:
        self._connection = connection
        self._on_write = on_write or (lambda kind, verb: None)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=64, ssl=self._connection.tls, keepalive_timeout=60)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS, sock_connect=3.0)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def apply(
        self, manifest: Manifest, *, subresource: str = "", resource_version: str = "", manager: str = MANAGER
    ) -> Manifest:
        """Server-side apply (force). For `status`: replace it, on condition of resource_version.

        Raises:
            ApiError: Conflict where resource_version is given and stale.
        """
        kind, path = _target(manifest)
        if subresource:
            return await self._replace_status(kind, path, subresource, manifest, resource_version)
        body = manifest
        if resource_version:
            body = manifest | {"metadata": manifest["metadata"] | {"resourceVersion": resource_version}}
        params = {"fieldManager": manager, "force": "true"}
        answer = await self._request("PATCH", path, body, params=params, content=APPLY)
        self._on_write(kind.name, "apply")
        return answer

    async def create(self, manifest: Manifest) -> Manifest:
        """Create; the existing object where the name is taken by one of ours with the same owner.

        Raises:
            AlreadyOwned: the name is taken by somebody else's object.
        """
        kind, path = _target(manifest)
        namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
        try:
            answer = await self._request("POST", kind.path(namespace), manifest, params={"fieldManager": MANAGER})
        except Conflict as error:
            live = await self.read(kind.name, namespace, name)
            if live is None:
                raise
            if not is_ours(live) or owner_uid(live) != owner_uid(manifest):
                raise AlreadyOwned(
                    f"create {path}", "an object of that name is not ours; rename or delete it"
                ) from error
            return live
        self._on_write(kind.name, "create")
        return answer

    async def read(self, kind: str, namespace: str, name: str, *, metadata_only: bool = False) -> Manifest | None:
        """A live read; None where it does not exist."""
        accept = METADATA if metadata_only else "application/json"
        try:
            return await self._request("GET", KINDS[kind].path(namespace, name), accept=accept)
        except NotFound:
            return None

    async def delete(self, kind: str, namespace: str, name: str, *, uid: str, resource_version: str) -> bool:
        """Delete in the background with preconditions; False where it is gone or another object by now."""
        preconditions = {"uid": uid} | ({"resourceVersion": resource_version} if resource_version else {})
        options = {
            "apiVersion": "v1", "kind": "DeleteOptions",
            "propagationPolicy": "Background", "preconditions": preconditions,
        }  # fmt: skip
        try:
            await self._request("DELETE", KINDS[kind].path(namespace, name), options)
        except NotFound:
            return False
        except Conflict:
            live = await self.read(kind, namespace, name, metadata_only=True)
            if live is None or live["metadata"]["uid"] != uid:
                return False
            raise
        self._on_write(kind, "delete")
        return True

    async def replace(self, manifest: Manifest) -> Manifest:
        """PUT a whole object; its resourceVersion is the precondition (Conflict where stale)."""
        kind, path = _target(manifest)
        answer = await self._request("PUT", path, manifest, params={"fieldManager": MANAGER})
        self._on_write(kind.name, "replace")
        return answer

    async def list(
        self, kind: Kind, namespace: str = "", *, selector: str | None = None, metadata_only: bool = False
    ) -> Listing:
        """All objects of a kind in a namespace (or everywhere), page by page."""
        chosen = kind.selector if selector is None else selector
        items: list[Manifest] = []
        version = ""
        async for page in self._pages(kind, namespace, chosen, metadata_only):
            # an empty list of metadata comes as null
            items += (named(item, kind) for item in page.get("items") or ())
            version = page["metadata"]["resourceVersion"]
        return Listing(tuple(items), version)

    async def watch(self, kind: str, namespace: str, name: str, since: str) -> AsyncIterator[tuple[str, Manifest]]:
        """(type, object) of the changes of one object, until the API server ends the stream (some minutes)."""
        assert self._session is not None, "use `async with ApiCluster(...)`"
        path = KINDS[kind].path(namespace)
        params = {"watch": "true", "fieldSelector": f"metadata.name={name}", "timeoutSeconds": str(WATCH_SECONDS)}
        params |= {"resourceVersion": since} if since else {}
        limit = aiohttp.ClientTimeout(total=WATCH_SECONDS + 10.0, sock_connect=3.0)
        try:
            async with self._session.get(
                self._connection.server + path, params=params, headers=self._connection.headers(), timeout=limit,
                allow_redirects=False,
            ) as response:  # fmt: skip
                if response.status >= 300:
                    raise error_of_answer(f"WATCH {path}", response.status, await response.read(), None)
                async for line in response.content:
                    event = parsed(f"WATCH {path}", line)
                    if event["type"] == "ERROR":
                        said = event["object"]
                        raise error_of_status(f"WATCH {path}", said.get("code", 0), said.get("message", ""))
                    yield event["type"], event["object"]
        except (aiohttp.ClientError, HttpProcessingError, TimeoutError) as error:
            # HttpProcessingError: a line that is longer than the client takes
            raise Unavailable(f"WATCH {path}", f"{type(error).__name__}: {error}") from error

    async def _pages(self, kind: Kind, namespace: str, selector: str, metadata_only: bool) -> AsyncIterator[Manifest]:
        params = {"limit": str(PAGE)} | ({"labelSelector": selector} if selector else {})
        accept = METADATA_LIST if metadata_only else "application/json"
        token = ""
        while True:
            wanted = params | ({"continue": token} if token else {})
            page = await self._request("GET", kind.path(namespace), params=wanted, accept=accept)
            yield page
            token = page["metadata"].get("continue", "")
            if not token:
                return

    async def _replace_status(
        self, kind: Kind, path: str, subresource: str, manifest: Manifest, resource_version: str
    ) -> Manifest:
        # replacing resourceVersion by the decided one is how a JSON patch says "only if unchanged" (409 otherwise)
        guard = [{"op": "replace", "path": "/metadata/resourceVersion", "value": resource_version}]
        patch = (guard if resource_version else []) + [{"op": "add", "path": "/status", "value": manifest["status"]}]
        answer = await self._request("PATCH", f"{path}/{subresource}", patch, content=JSON_PATCH)
        self._on_write(kind.name, "status")
        return answer

    async def _request(
        self, verb: str, path: str, body: object = None, *, params: Mapping[str, str] | None = None,
        content: str = "application/json", accept: str = "application/json",
    ) -> Manifest:  # fmt: skip
        assert self._session is not None, "use `async with ApiCluster(...)`"
        headers = {"Accept": accept, "Content-Type": content, **self._connection.headers()}
        data = None if body is None else json.dumps(body)
        try:
            return await self._send(verb, path, data, params, headers)
        except _CLOSED:
            # the pooled connection was closed under us. Every write of ours may be sent twice: an apply changes nothing
            # the second time, a create finds our object, status and delete carry a resourceVersion
            log.debug("connection closed, sending %s %s again", verb, path)
        try:
            return await self._send(verb, path, data, params, headers)
        except _CLOSED as error:
            raise Unavailable(f"{verb} {path}", f"{type(error).__name__}: {error}") from error

    async def _send(
        self, verb: str, path: str, data: str | None, params: Mapping[str, str] | None, headers: Mapping[str, str]
    ) -> Manifest:
        assert self._session is not None
        url = self._connection.server + path
        try:
            async with self._session.request(
                verb, url, data=data, params=params, headers=headers, allow_redirects=False
            ) as response:
                raw = await response.read()
                if response.status >= 300:
                    raise error_of_answer(f"{verb} {path}", response.status, raw, response.headers.get("Retry-After"))
        except _CLOSED:
            raise
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"{verb} {path}", f"{type(error).__name__}: {error}") from error
        return parsed(f"{verb} {path}", raw)


def _target(manifest: Manifest) -> tuple[Kind, str]:
    kind = KINDS[manifest["kind"]]
    return kind, kind.path(manifest["metadata"]["namespace"], manifest["metadata"]["name"])
