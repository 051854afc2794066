"""A small client of the Kubernetes API for story and observer: standard library only, no operator code."""

import base64
import http.client
import json
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

Object = dict[str, Any]


class ApiError(RuntimeError):
    """The API server refused; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status = status


class Api:
    """Requests with the credentials of a kubeconfig file (client certificates)."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        parts = urlsplit(cluster["server"])
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 443
        self._tls = ssl.create_default_context(cafile=_file(cluster, "certificate-authority"))
        self._tls.load_cert_chain(_file(user, "client-certificate"), _file(user, "client-key"))

    def request(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> Object:
        """One request; the decoded JSON answer."""
        connection = http.client.HTTPSConnection(self._host, self._port, context=self._tls, timeout=30)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, {"Content-Type": content_type, "Accept": "application/json"})
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if response.status >= 300:
            raise ApiError(response.status, _message(text))
        return dict(json.loads(text))

    def get(self, path: str) -> Object | None:
        """The object at a path, or None where it does not exist."""
        try:
            return self.request("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def stream(self, path: str, *, timeout_seconds: float = 60) -> Iterator[bytes]:
        """Lines of a watch or of a followed log, as they come; ends when the server ends it."""
        connection = http.client.HTTPSConnection(self._host, self._port, context=self._tls, timeout=timeout_seconds)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            if response.status >= 300:
                raise ApiError(response.status, _message(response.read().decode()))
            while line := response.readline():
                yield line
        finally:
            connection.close()

    def wait(self, path: str, holds: Callable[[Object], bool], *, seconds: float, what: str) -> Object:
        """The object once `holds` is true of it; TimeoutError, naming what was waited for, after `seconds`."""
        deadline = time.monotonic() + seconds
        seen: Object | None = None
        while time.monotonic() < deadline:
            seen = self.get(path)
            if seen is not None and holds(seen):
                return seen
            time.sleep(0.05)
        raise TimeoutError(f"{what}: not within {seconds:.0f} s; last seen: {_brief(seen)}")


def _file(entry: Object, key: str) -> str:
    """The path of a credential, which a kubeconfig holds as a path or as base64 data."""
    if key in entry:
        return str(entry[key])
    with tempfile.NamedTemporaryFile(delete=False, prefix="recsys-kubeconfig-") as file:
        file.write(base64.b64decode(entry[f"{key}-data"]))
    return file.name


def _message(text: str) -> str:
    try:
        return str(json.loads(text).get("message", text))
    except ValueError:
        return text


def _brief(seen: Object | None) -> str:
    return "nothing" if seen is None else json.dumps(seen.get("status", {}), default=str)[:600]
