"""The little of an API client that the benchmark's own processes need; independent of the operator's."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import aiohttp
import yaml

Object = dict[str, Any]
LIMIT_BYTES = 4 * 2**20
ROUTES = "/apis/gateway.networking.k8s.io/v1"
MODELS = "/apis/recsys.dev/v1alpha1"
OURS = "app.kubernetes.io/managed-by=recsys-operator"


class ApiError(Exception):
    """An answer that is not a success."""

    def __init__(self, what: str, status: int, text: str) -> None:
        super().__init__(f"{what}: {status} {text[:500]}")
        self.status = status


class Api:
    """One connection pool. `role` becomes the user agent, by which the audit log tells who asked."""

    def __init__(self, kubeconfig: Path, role: str) -> None:
        document = yaml.safe_load(kubeconfig.read_text())
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        self.server = cluster["server"]
        self._tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self._tls.load_cert_chain(user["client-certificate"], user["client-key"])
        self._agent = f"bench-{role}"

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=64, ssl=self._tls), headers={"User-Agent": self._agent},
            read_bufsize=LIMIT_BYTES, timeout=aiohttp.ClientTimeout(total=30, sock_connect=5),
        )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, path: str, **params: str) -> Object:
        """An object or a list."""
        return await self._send("GET", path, params=params)

    async def create(self, path: str, body: Object) -> Object:
        """Create; the body where the name is taken already."""
        try:
            return await self._send("POST", path, body)
        except ApiError as error:
            if error.status == 409:
                return body
            raise

    async def patch(self, path: str, body: object) -> Object:
        """Merge patch."""
        return await self._send("PATCH", path, body, content="application/merge-patch+json")

    async def delete(self, path: str) -> None:
        """Delete at once; nothing where it is gone."""
        try:
            await self._send("DELETE", path, {"gracePeriodSeconds": 0})
        except ApiError as error:
            if error.status != 404:
                raise

    async def follow(self, path: str, selector: str = "") -> AsyncIterator[tuple[float, str, Object]]:
        """(clock when the line came, LISTED | ADDED | MODIFIED | DELETED, object), for ever."""
        base = {"labelSelector": selector} if selector else {}
        while True:
            try:
                listing = await self.get(path, **base)
            except ApiError as error:
                # a kind whose definition is new answers so for a moment
                if error.status not in (429, 503):
                    raise
                await asyncio.sleep(0.2)
                continue
            for item in listing["items"]:
                yield time.time(), "LISTED", item
            since = {"watch": "true", "resourceVersion": listing["metadata"]["resourceVersion"]}
            limit = aiohttp.ClientTimeout(total=None, sock_connect=5)
            try:
                async with self._session.get(self.server + path, params=base | since, timeout=limit) as stream:
                    async for line in stream.content:
                        at, event = time.time(), json.loads(line)
                        if event["type"] == "ERROR":
                            break
                        yield at, event["type"], event["object"]
            except aiohttp.ClientError:
                await asyncio.sleep(0.2)

    async def _send(
        self, verb: str, path: str, body: object = None, *, content: str = "application/json",
        params: dict[str, str] | None = None,
    ) -> Object:  # fmt: skip
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content}
        async with self._session.request(verb, self.server + path, data=data, params=params, headers=headers) as got:
            text = await got.text()
            if got.status >= 300:
                raise ApiError(f"{verb} {path}", got.status, text)
            found: Object = json.loads(text)
            return found
