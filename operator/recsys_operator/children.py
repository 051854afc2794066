"""Objects that a version or a model has: applied where they differ, deleted after a live read, never taken from others."""

import hashlib
import json

from recsys_operator.adapters.cache import Cache
from recsys_operator.core import naming
from recsys_operator.core.decision import DeleteObject, EnsureServing
from recsys_operator.errors import AlreadyOwned, Conflict
from recsys_operator.ports import Cluster
from recsys_operator.resources import serving
from recsys_operator.resources.kinds import KINDS, Manifest, contains, is_ours, owner_uid
from recsys_operator.resources.route import read_intent

__all__ = ["Children"]


class Children:
    """Writes them; what was applied last is remembered within this process."""

    def __init__(self, cluster: Cluster, cache: Cache) -> None:
        self._cluster = cluster
        self._cache = cache
        self._applied: dict[tuple[str, str, str], tuple[str, str]] = {}

    async def ensure(self, wanted: Manifest) -> bool:
        """Apply what is not so already, never over an object that is not ours; True where it was written."""
        kind, metadata = wanted["kind"], wanted["metadata"]
        key = (kind, metadata["namespace"], metadata["name"])
        live = self._cache.get(*key) or await self._cluster.read(*key)
        digest = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()
        if live is not None:
            _check_ours(live, wanted)
            # quantities come back in canonical form ("0.5" as "500m"): then only the memory of our own write tells
            if contains(live, wanted) or self._applied.get(key) == (digest, _state(live)):
                return False
        made = await self._cluster.apply(wanted)
        self._applied[key] = (digest, _state(made))
        if KINDS[kind].watched:
            self._cache.put(made)
        return True

    async def hand_over(self, namespace: str, act: EnsureServing, options: serving.ServingOptions) -> bool:
        """Keep the size of a Deployment whose `replicas` we wrote until now and an autoscaler owns from now on."""
        deployment = self._cache.get("Deployment", namespace, act.version)
        scaler = self._cache.get("HorizontalPodAutoscaler", namespace, act.version)
        if not serving.has_autoscaler(act, options) or deployment is None or scaler is not None:
            return False
        size = deployment["spec"].get("replicas", 1) or act.replicas
        await self._cluster.apply(
            serving.build_handover(namespace, act.version, size), manager="recsys-operator-handover"
        )
        return True

    async def delete(self, kind: str, namespace: str, name: str, owner: str) -> bool:
        """Delete what its owner has, after a live read; False where there is none of it."""
        if (known := self._cache.get(kind, namespace, name)) is None:
            return False
        live = await self._cluster.read(kind, namespace, name, metadata_only=True)
        if live is None:
            self._cache.drop(known["metadata"]["uid"])
            return False
        if not owner or owner_uid(live) != owner:
            return False
        self._applied.pop((kind, namespace, name), None)
        return await self._cluster.delete(kind, namespace, name, uid=live["metadata"]["uid"], resource_version="")

    async def delete_serving(self, namespace: str, model: str, act: DeleteObject, version_uid: str) -> bool:
        """Delete Deployment, Service and autoscaler of a version, unless the live route still gives it weight."""
        route = await self._cluster.read("HTTPRoute", namespace, naming.route_name(model))
        if route is not None and read_intent(route).of(act.name) > 0:
            raise Conflict(f"delete serving of {act.name}", "the live HTTPRoute still gives it weight")
        live = await self._cluster.read("Deployment", namespace, act.name, metadata_only=True)
        if (live["metadata"]["uid"] if live is not None else "") != act.uid:
            self._cache.drop(act.uid)
            return False
        owner = owner_uid(live) if live is not None else version_uid
        # the Deployment last: while it is there the next pass goes on with what this one could not do
        wrote = await self.delete("HorizontalPodAutoscaler", namespace, act.name, owner)
        wrote |= await self.delete("Service", namespace, act.name, owner)
        if live is None:
            return wrote
        self._applied.pop(("Deployment", namespace, act.name), None)
        gone = await self._cluster.delete(
            "Deployment", namespace, act.name, uid=act.uid, resource_version=act.resource_version
        )
        return gone or wrote


def _check_ours(live: Manifest, wanted: Manifest) -> None:
    what = f"apply {wanted['kind']} {wanted['metadata']['name']}"
    if not is_ours(live):
        raise AlreadyOwned(what, "an object of that name is not ours; rename or delete it")
    if live["metadata"].get("deletionTimestamp") or owner_uid(live) != owner_uid(wanted):
        raise Conflict(what, "an older object of that name is still being deleted")


def _state(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return f"{metadata['uid']}/{metadata.get('generation') or metadata['resourceVersion']}"
