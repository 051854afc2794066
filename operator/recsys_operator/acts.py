"""How each act of a decision is executed. One class for a pass, one method for each act; errors end the pass."""

import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from recsys_operator.adapters.cache import Cache
from recsys_operator.adapters.views import view_of_version
from recsys_operator.children import Children
from recsys_operator.core import naming
from recsys_operator.core.decision import (
    Act,
    Announce,
    CreateVersion,
    DeleteObject,
    EnsureKeys,
    EnsureRoute,
    EnsureService,
    EnsureServing,
    RecordAction,
    RecordModel,
    RecordVersion,
    StartJob,
)
from recsys_operator.core.world import VersionView, World
from recsys_operator.deletions import Deletions
from recsys_operator.errors import ApiError, NotReady
from recsys_operator.ports import Cluster, PodReader, TrafficRouter
from recsys_operator.resources import events, jobs, serving
from recsys_operator.resources.kinds import (
    KINDS,
    Manifest,
    owner_reference,
    owner_uid,
    version_labels,
)
from recsys_operator.resources.route import RouteSettings

__all__ = ["ActExecutor", "Pass"]

log = logging.getLogger(__name__)


@dataclass
class Pass:
    """What one pass knows, and what its own acts have changed since it observed."""

    world: World
    versions: dict[str, VersionView]
    resource_versions: dict[str, str] = field(default_factory=dict)
    """uid -> resourceVersion after a write of this pass."""

    @classmethod
    def of(cls, world: World) -> "Pass":
        """A pass over a world."""
        return cls(world, {version.name: version for version in world.versions})

    @property
    def route_settings(self) -> RouteSettings | None:
        """Today's route settings; None where the model is gone or its spec unreadable."""
        model = self.world.model
        return RouteSettings.of(model.uid, model.spec.rollout) if model is not None and model.spec is not None else None


class ActExecutor:
    """Executes acts by a cluster and a router.

    Args:
        images: of Jobs.
        random_bytes: source of keys; a seam for tests.
        on_keys: told when a model's Secret is known to exist.
    """

    def __init__(
        self, *, cluster: Cluster, cache: Cache, router: TrafficRouter, pods: PodReader, images: jobs.Images,
        instance: str, now: Callable[[], float], on_keys: Callable[[str, str], None],
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:  # fmt: skip
        self._cluster = cluster
        self._cache = cache
        self._router = router
        self._pods = pods
        self._images = images
        self._instance = instance
        self._now = now
        self._on_keys = on_keys
        self._random_bytes = random_bytes
        self._children = Children(cluster, cache)
        self._deletions = Deletions(cluster, cache, self._children)
        self._announced: dict[tuple[str, str, str, str], float] = {}
        self._table: dict[type[Any], Callable[[Pass, Any], Awaitable[bool]]] = {
            CreateVersion: self._create_version,
            RecordVersion: self._record_version,
            RecordModel: self._record_model,
            RecordAction: self._record_action,
            StartJob: self._start_job,
            EnsureKeys: self._ensure_keys,
            EnsureServing: self._ensure_serving,
            EnsureService: self._ensure_service,
            EnsureRoute: self._ensure_route,
            DeleteObject: self._delete,
            Announce: self._announce,
        }

    async def execute(self, run: Pass, act: Act) -> bool:
        """Do one act; True where something was written.

        Raises:
            OperatorError: the pass ends here.
        """
        return await self._table[type(act)](run, act)

    async def _create_version(self, run: Pass, act: CreateVersion) -> bool:
        world = run.world
        assert world.model is not None, "a version is created for a model that exists"
        if (existing := self._cache.get("ModelVersion", world.namespace, act.name)) is not None:
            self._know_version(run, existing)
            return False
        metadata: Manifest = {
            "name": act.name, "namespace": world.namespace, "labels": version_labels(world.name, act.name),
        }  # fmt: skip
        if act.owned:
            metadata["ownerReferences"] = [owner_reference("RecommenderModel", world.name, world.model.uid)]
        kind = KINDS["ModelVersion"]
        made = await self._cluster.create(
            {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": act.spec.to_dict()}
        )
        self._cache.put(made)
        self._know_version(run, made)
        return True

    async def _record_version(self, run: Pass, act: RecordVersion) -> bool:
        wrote, made = await self._record(run, "ModelVersion", act.name, act.resource_version, act.status.to_dict())
        known = run.versions.get(act.name)
        if known is not None:
            version = made["metadata"]["resourceVersion"] if made is not None else known.resource_version
            run.versions[act.name] = replace(known, status=act.status, resource_version=version)
        return wrote

    async def _record_model(self, run: Pass, act: RecordModel) -> bool:
        name = run.world.name
        return (await self._record(run, "RecommenderModel", name, act.resource_version, act.status.to_dict()))[0]

    async def _record_action(self, run: Pass, act: RecordAction) -> bool:
        return (await self._record(run, "ModelAction", act.name, act.resource_version, act.status.to_dict()))[0]

    async def _start_job(self, run: Pass, act: StartJob) -> bool:
        version, namespace = run.versions[act.version], run.world.namespace
        name = naming.job_name(version.name, act)
        if (existing := self._cache.get("Job", namespace, name)) is not None and owner_uid(existing) == version.uid:
            return False
        spec = run.world.model.spec if run.world.model is not None else None
        job = jobs.build_job(namespace, version, act, spec, self._images, run.versions.get(act.stable))
        if job["spec"]["completions"] > 1:
            await self._children.ensure(jobs.build_headless_service(namespace, version, act))
        self._cache.put(await self._cluster.create(job))
        return True

    async def _ensure_keys(self, run: Pass, _: EnsureKeys) -> bool:
        world = run.world
        if world.keys_secret:
            return False
        assert world.model is not None, "keys are made for a model that exists"
        keys = self._random_bytes(32), self._random_bytes(32)
        await self._cluster.create(serving.build_keys(world.namespace, world.name, world.model.uid, *keys))
        self._on_keys(world.namespace, world.name)
        return True

    async def _ensure_serving(self, run: Pass, act: EnsureServing) -> bool:
        version, namespace = run.versions[act.version], run.world.namespace
        model = run.world.model
        scaling = model.spec.serving.autoscaling if model is not None and model.spec is not None else None
        options = serving.ServingOptions(self._images.pull_policy, scaling)
        wrote = await self._children.hand_over(namespace, act, options)
        wrote |= await self._children.ensure(serving.build_service(namespace, version))
        wrote |= await self._children.ensure(serving.build_deployment(namespace, version, act, options))
        if scaling is not None and serving.has_autoscaler(act, options):
            return wrote | await self._children.ensure(serving.build_autoscaler(namespace, version, act, scaling))
        return wrote | await self._children.delete("HorizontalPodAutoscaler", namespace, act.version, version.uid)

    async def _ensure_route(self, run: Pass, act: EnsureRoute) -> bool:
        namespace, name = run.world.namespace, run.world.name
        if act.raises:
            await self._require_ready(namespace, act.needs_ready)
        settled = await self._router.ensure_route(
            namespace, name, act.intent, act.decision, settings=run.route_settings, raises=act.raises
        )
        return not settled

    async def _ensure_service(self, run: Pass, act: EnsureService) -> bool:
        world = run.world
        if not act.of_model:
            return await self._children.ensure(serving.build_service(world.namespace, run.versions[act.version]))
        assert world.model is not None, "the Service is made for a model that exists"
        service = serving.build_stable_service(world.namespace, world.name, world.model.uid, act.version)
        return await self._children.ensure(service)

    async def _require_ready(self, namespace: str, needs: Mapping[str, int]) -> None:
        for version, wanted in needs.items():
            ready = len(await self._pods.ready_pods(namespace, version))
            if ready < wanted:
                raise NotReady(f"{version}: {ready} of {wanted} pods are ready; its weight is not raised")

    async def _delete(self, run: Pass, act: DeleteObject) -> bool:
        version = run.versions.get(act.name)
        return await self._deletions.delete(run.world, act, version.uid if version is not None else "")

    async def _announce(self, run: Pass, act: Announce) -> bool:
        world = run.world
        about = run.versions.get(act.version) if act.version else world.model
        if about is None:
            return False
        now = self._now()
        if not self._is_news((world.namespace, about.name, act.reason, act.message), now):
            return False
        kind = "ModelVersion" if act.version else "RecommenderModel"
        regarding = events.Regarding(kind, world.namespace, about.name, about.uid)
        event = events.build_event(
            regarding, act.reason, act.message, act.warning, now, self._instance, self._random_bytes(4)
        )
        try:
            await self._cluster.create(event)
        except ApiError as error:
            # an Event is a courtesy: the record that it speaks of was written
            log.warning("event %s was not written: %s", act.reason, error)
            return False
        return False

    def _is_news(self, line: tuple[str, str, str, str], now: float) -> bool:
        self._announced = {key: at for key, at in self._announced.items() if now - at < 600.0}
        if line in self._announced:
            return False
        self._announced[line] = now
        return True

    async def _record(
        self, run: Pass, kind: str, name: str, decided_upon: str, status: Manifest
    ) -> tuple[bool, Manifest | None]:
        """Replace a status where it differs, on condition of what was decided upon or of this pass's own last write."""
        namespace = run.world.namespace
        cached = self._cache.get(kind, namespace, name)
        if cached is not None and (cached.get("status") or {}) == status:
            return False, None
        uid = cached["metadata"]["uid"] if cached is not None else ""
        manifest = {"kind": kind, "metadata": {"name": name, "namespace": namespace}, "status": status}
        condition = run.resource_versions.get(uid, decided_upon)
        made = await self._cluster.apply(manifest, subresource="status", resource_version=condition)
        self._cache.put(made)
        run.resource_versions[made["metadata"]["uid"]] = made["metadata"]["resourceVersion"]
        return True, made

    def _know_version(self, run: Pass, manifest: Manifest) -> None:
        view = view_of_version(manifest)
        if not isinstance(view, str):
            run.versions[view.name] = view
