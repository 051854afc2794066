"""Builds the World of one model: all the reading of a pass, from caches and samples."""

import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

from recsys_api.serving_pod import ImagePullPolicy
from recsys_operator.adapters.cache import Cache
from recsys_operator.adapters.metrics.sampler import Sampler
from recsys_operator.adapters.views import (
    view_of_action,
    view_of_job,
    view_of_model,
    view_of_pod,
    view_of_serving,
    view_of_version,
)
from recsys_operator.core import naming
from recsys_operator.core.world import JobView, ModelView, PodView, ServingView, World
from recsys_operator.errors import ApiError
from recsys_operator.ports import Clock, Cluster, TrafficRouter
from recsys_operator.resources.kinds import LABEL_COMPONENT, LABEL_VERSION, Manifest, owner_uid
from recsys_operator.resources.route import RouteSettings

__all__ = ["Observer"]

log = logging.getLogger(__name__)
KEYS_RECHECK_SECONDS = 300.0
SeenJob = tuple[tuple[str, ...], JobView]
"""(resourceVersions that it was made from, view)."""


class Observer:
    """Reads; the only live read is whether a model's Secret exists, remembered for some minutes."""

    def __init__(
        self, *, cache: Cache, cluster: Cluster, router: TrafficRouter, sampler: Sampler, clock: Clock,
        serving_image: str, triton_start_seconds: int, image_pull_policy: ImagePullPolicy,
        paused: Callable[[], bool], attended_until: Callable[[], float | None],
    ) -> None:  # fmt: skip
        self._cache = cache
        self._cluster = cluster
        self._router = router
        self._sampler = sampler
        self._clock = clock
        self._serving_image = serving_image
        self._triton_start_seconds = triton_start_seconds
        self._image_pull_policy = image_pull_policy
        self._paused = paused
        self._attended_until = attended_until
        self._keys: dict[tuple[str, str], float] = {}
        self._jobs: dict[str, dict[str, SeenJob]] = {}
        """Model -> uid -> view of each Job that is there."""

    async def observe(self, namespace: str, name: str) -> World:
        """Everything that concerns one model."""
        manifest = self._cache.get("RecommenderModel", namespace, name)
        model = self._observe_model(manifest) if manifest is not None else None
        of_model = self._cache.of_model
        versions = [self._cache.view(item, view_of_version) for item in of_model(namespace, name, "ModelVersion")]
        actions = (self._cache.view(item, view_of_action) for item in of_model(namespace, name, "ModelAction"))
        pods = of_model(namespace, name, "Pod")
        serving, leftovers = self._observe_serving(namespace, name)
        key = f"{namespace}/{name}"
        if model is None:
            # its Secret goes with it: a model that is made again has none
            self._keys.pop((namespace, name), None)
        return World(
            namespace=namespace, name=name, model=model,
            versions=tuple(version for version in versions if not isinstance(version, str)),
            unreadable=tuple(version for version in versions if isinstance(version, str)),
            actions=tuple(
                replace(action, asked_version=self._cache.asked_version(action.uid))
                for action in actions
                if action is not None
            ),
            jobs=self._observe_jobs(key, of_model(namespace, name, "Job"), pods),
            serving=serving, leftovers=leftovers,
            pods=self._observe_pods(pods),
            route=await self._router.observe_route(namespace, name, _route_settings(model)),
            stable_service=self._observe_stable_service(namespace, name),
            keys_secret=model is not None and await self._observe_keys(namespace, name),
            seconds=self._sampler.seconds(key), samples_since=self._sampler.since(key),
            attended_until=self._attended_until(), monotonic=self._clock.monotonic(),
            begun=self._sampler.begun(key), standing=self._sampler.standing(key),
            rollouts_paused=self._paused(), serving_image=self._serving_image,
            triton_start_seconds=self._triton_start_seconds, image_pull_policy=self._image_pull_policy,
        )  # fmt: skip

    def know_keys(self, namespace: str, name: str) -> None:
        """The Secret of a model exists: it was made a moment ago."""
        self._keys[namespace, name] = self._clock.monotonic()

    def _observe_model(self, manifest: Manifest) -> ModelView:
        view = self._cache.view(manifest, view_of_model)
        asked = self._cache.asked_version(view.uid)
        return replace(view, asked_version=asked) if asked else view

    async def _observe_keys(self, namespace: str, name: str) -> bool:
        now = self._clock.monotonic()
        if now - self._keys.get((namespace, name), float("-inf")) < KEYS_RECHECK_SECONDS:
            return True
        try:
            found = await self._cluster.read("Secret", namespace, naming.keys_name(name), metadata_only=True)
        except ApiError as error:
            # nothing may keep a pass from taking weight away; whoever makes the Secret is refused, and that is told
            log.warning("Secret %s/%s cannot be read: %s", namespace, naming.keys_name(name), error)
            return (namespace, name) in self._keys
        if found is None:
            self._keys.pop((namespace, name), None)
            return False
        self._keys[namespace, name] = now
        return True

    def _observe_stable_service(self, namespace: str, name: str) -> str | None:
        service = self._cache.get("Service", namespace, naming.stable_service_name(name))
        return ((service["spec"].get("selector") or {}).get(LABEL_VERSION) or "") if service is not None else None

    def _observe_jobs(self, key: str, jobs: list[Manifest], pods: list[Manifest]) -> tuple[JobView, ...]:
        by_owner: dict[str, list[Manifest]] = defaultdict(list)
        for pod in pods:
            if owner := owner_uid(pod, "Job"):
                by_owner[owner].append(pod)
        before = self._jobs.pop(key, {})
        seen = {(uid := job["metadata"]["uid"]): _seen_job(before.get(uid), job, by_owner[uid]) for job in jobs}
        if seen:
            self._jobs[key] = seen
        return tuple(view for _, view in seen.values())

    def _observe_serving(self, namespace: str, name: str) -> tuple[dict[str, ServingView], frozenset[str]]:
        """(by version, versions that have a Service or an autoscaler alone)."""
        of_version = {
            kind: {
                item["metadata"]["name"]: item for item in self._cache.of_model(namespace, name, kind) if _serves(item)
            }
            for kind in ("Deployment", "HorizontalPodAutoscaler", "Service")
        }
        deployments, scalers, services = of_version.values()
        views = [
            view_of_serving(item, scalers.get(version), has_service=version in services)
            for version, item in deployments.items()
        ]
        return {view.version: view for view in views}, frozenset({*scalers, *services} - deployments.keys())

    def _observe_pods(self, pods: list[Manifest]) -> tuple[PodView, ...]:
        return tuple(
            self._cache.view(pod, view_of_pod)
            for pod in pods
            if pod["metadata"]["labels"].get(LABEL_COMPONENT) == "serving"
        )


def _seen_job(known: SeenJob | None, job: Manifest, pods: list[Manifest]) -> SeenJob:
    """The view, made anew where the Job or one of its pods has changed."""
    state = tuple(str(item["metadata"]["resourceVersion"]) for item in (job, *pods))
    return known if known is not None and known[0] == state else (state, view_of_job(job, pods))


def _serves(manifest: Manifest) -> bool:
    """Whether it is a version's own: the model's Service and those of Jobs have other names."""
    metadata = manifest["metadata"]
    return bool((metadata.get("labels") or {}).get(LABEL_VERSION) == metadata["name"])


def _route_settings(model: ModelView | None) -> RouteSettings | None:
    return RouteSettings.of(model.uid, model.spec.rollout) if model is not None and model.spec is not None else None
