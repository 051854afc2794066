"""How an object is deleted: what the deletion rests on is read live, and it is that object alone."""

from recsys_operator.adapters.cache import Cache
from recsys_operator.children import Children
from recsys_operator.core.decision import DeleteObject
from recsys_operator.core.world import World
from recsys_operator.errors import Conflict
from recsys_operator.ports import Cluster

__all__ = ["Deletions"]


class Deletions:
    """Deletes what decisions name."""

    def __init__(self, cluster: Cluster, cache: Cache, children: Children) -> None:
        self._cluster = cluster
        self._cache = cache
        self._children = children

    async def delete(self, world: World, act: DeleteObject, version_uid: str) -> bool:
        """Delete one object, or what serves a version; False where it is gone, going or another one by now.

        Args:
            version_uid: of the version that `act` names; empty where there is none.

        Raises:
            Conflict: a reason for it holds no longer.
        """
        await self._require_same_reasons(world, act)
        if act.kind == "Serving":
            return await self._children.delete_serving(world.namespace, world.name, act, version_uid)
        live = await self._cluster.read(act.kind, world.namespace, act.name, metadata_only=True)
        if live is None or live["metadata"]["uid"] != act.uid:
            self._cache.drop(act.uid)
            return False
        if live["metadata"].get("deletionTimestamp"):
            return False
        return await self._cluster.delete(
            act.kind, world.namespace, act.name, uid=act.uid, resource_version=act.resource_version
        )

    async def _require_same_reasons(self, world: World, act: DeleteObject) -> None:
        """A cache may have missed that the model is back or the version wanted."""
        namespace = world.namespace
        if world.model is None and await self._cluster.read("RecommenderModel", namespace, world.name) is not None:
            raise Conflict(f"delete {act.kind} {act.name}", "its RecommenderModel is back")
        if not act.version_resource_version:
            return
        version = await self._cluster.read("ModelVersion", namespace, act.name, metadata_only=True)
        if version is not None and version["metadata"]["resourceVersion"] != act.version_resource_version:
            raise Conflict(f"delete {act.kind} {act.name}", "its ModelVersion has changed since it was decided")
