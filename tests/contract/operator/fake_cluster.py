"""An API server in memory: uids, resourceVersions, generations, ownership, preconditions - and failures on demand.

It promises no more than the contract suite asks of it and of a real API server alike.
"""

import copy
from collections.abc import Callable
from typing import Any

from recsys_operator.errors import AlreadyOwned, Conflict, Forbidden, Invalid, NotFound
from recsys_operator.resources.kinds import KINDS, Kind, Manifest, is_ours, owner_uid

Key = tuple[str, str, str]
STATUS_KINDS = frozenset({"RecommenderModel", "ModelVersion", "ModelAction", "HTTPRoute", "Deployment", "Job", "Pod"})


class FakeListing:
    """`adapters.cluster.Listing` of the fake."""

    def __init__(self, items: tuple[Manifest, ...], resource_version: str) -> None:
        self.items = items
        self.resource_version = resource_version


class FakeCluster:
    """`ports.Cluster` and lists."""

    def __init__(self) -> None:
        self.objects: dict[Key, Manifest] = {}
        self.writes: list[tuple[str, str, str]] = []
        """(verb, kind, name) of everything that changed something."""
        self.before_write: Callable[[str, Manifest], None] = lambda verb, manifest: None
        """Called before each write; may change the world or raise."""
        self.unreadable = ""
        """A kind that may not be read."""
        self._version = 1000
        self._uids = 0

    async def apply(
        self, manifest: Manifest, *, subresource: str = "", resource_version: str = "", manager: str = "recsys-operator"
    ) -> Manifest:
        """Server-side apply; status is replaced."""
        self.before_write("status" if subresource else "apply", manifest)
        key = _key(manifest)
        known = self.objects.get(key)
        if subresource and known is None:
            raise NotFound(f"status {key}", "not found", 404)
        if known is None:
            if resource_version:
                raise Conflict(f"apply {key}", "it does not exist at that resourceVersion", 409)
            return self._add(manifest)
        if resource_version and known["metadata"]["resourceVersion"] != resource_version:
            raise Conflict(f"apply {key}", "the object has been modified", 409)
        after = copy.deepcopy(known)
        if subresource:
            after["status"] = copy.deepcopy(manifest["status"])
        else:
            _merge(after, {name: part for name, part in manifest.items() if name != "status"})
        return self._replace(key, known, after, "status" if subresource else "apply")

    async def create(self, manifest: Manifest) -> Manifest:
        """Create, or ours that is there."""
        self.before_write("create", manifest)
        live = self.objects.get(_key(manifest))
        if live is None:
            return self._add(manifest, verb="create")
        if not is_ours(live) or owner_uid(live) != owner_uid(manifest):
            raise AlreadyOwned(f"create {_key(manifest)}", "an object of that name is not ours")
        return copy.deepcopy(live)

    async def read(self, kind: str, namespace: str, name: str, *, metadata_only: bool = False) -> Manifest | None:
        """A copy."""
        if kind == self.unreadable:
            raise Forbidden(f"GET {kind} {name}", "no", 403)
        found = self.objects.get((kind, namespace, name))
        return None if found is None else copy.deepcopy(found)

    async def delete(self, kind: str, namespace: str, name: str, *, uid: str, resource_version: str) -> bool:
        """Delete with preconditions."""
        key = (kind, namespace, name)
        live = self.objects.get(key)
        if live is None or live["metadata"]["uid"] != uid:
            return False
        self.before_write("delete", live)
        if resource_version and live["metadata"]["resourceVersion"] != resource_version:
            raise Conflict(f"delete {key}", "the resourceVersion does not match", 409)
        del self.objects[key]
        self.writes.append(("delete", kind, name))
        return True

    async def replace(self, manifest: Manifest) -> Manifest:
        """PUT, on condition of its resourceVersion."""
        self.before_write("replace", manifest)
        key = _key(manifest)
        known = self.objects.get(key)
        if known is None:
            raise NotFound(f"replace {key}", "not found", 404)
        if manifest["metadata"]["resourceVersion"] != known["metadata"]["resourceVersion"]:
            raise Conflict(f"replace {key}", "the object has been modified", 409)
        return self._replace(key, known, copy.deepcopy(manifest), "replace")

    async def list(
        self, kind: Kind, namespace: str = "", *, selector: str | None = None, metadata_only: bool = False
    ) -> FakeListing:
        """By equality selectors."""
        wanted = dict(part.split("=") for part in (kind.selector if selector is None else selector).split(",") if part)
        items = tuple(
            copy.deepcopy(item)
            for (name, space, _), item in self.objects.items()
            if name == kind.name and namespace in ("", space) and wanted.items() <= _labels(item).items()
        )
        return FakeListing(items, str(self._version))

    def put_raw(self, manifest: Manifest) -> Manifest:
        """Somebody else's write: controllers, users. A whole object, status included."""
        key = _key(manifest)
        known = self.objects.get(key)
        if known is None:
            made = self._add(manifest, verb="raw")
            if "status" in manifest:
                self.objects[key]["status"] = copy.deepcopy(manifest["status"])
            return copy.deepcopy(self.objects[key]) if "status" in manifest else made
        after = copy.deepcopy(known)
        _merge(after, manifest)
        return self._replace(key, known, after, "raw")

    def _add(self, manifest: Manifest, verb: str = "apply") -> Manifest:
        if manifest["kind"] not in KINDS:
            raise Invalid(f"create {manifest['kind']}", "no such kind", 400)
        made = copy.deepcopy(manifest)
        if manifest["kind"] in STATUS_KINDS:
            made.pop("status", None)
        self._uids += 1
        made["metadata"] |= {
            "uid": f"uid-{self._uids}", "resourceVersion": self._next(), "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        self.objects[_key(manifest)] = made
        self.writes.append((verb, manifest["kind"], manifest["metadata"]["name"]))
        return copy.deepcopy(made)

    def _replace(self, key: Key, before: Manifest, after: Manifest, verb: str) -> Manifest:
        if after == before:
            return copy.deepcopy(before)
        if after.get("spec") != before.get("spec"):
            after["metadata"]["generation"] = before["metadata"]["generation"] + 1
        after["metadata"]["resourceVersion"] = self._next()
        self.objects[key] = after
        self.writes.append((verb, key[0], key[2]))
        return copy.deepcopy(after)

    def _next(self) -> str:
        self._version += 1
        return str(self._version)


def _key(manifest: Manifest) -> Key:
    return manifest["kind"], manifest["metadata"]["namespace"], manifest["metadata"]["name"]


def _labels(manifest: Manifest) -> dict[str, str]:
    found: dict[str, str] = manifest["metadata"].get("labels") or {}
    return found


def _merge(into: dict[str, Any], given: dict[str, Any]) -> None:
    for name, value in given.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = copy.deepcopy(value)
