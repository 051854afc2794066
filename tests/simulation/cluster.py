"""A cluster in memory: objects with resourceVersions, Jobs that finish, pods that become ready, users who answer.

`execute` applies acts as the real executor does (conditions, live reads), `tick` lets a second pass, `observe` builds a
World, as fresh or as stale as it is asked for.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from tests.simulation.meters import Meters, Served

from recsys_api.model_action import ModelActionSpec, ModelActionStatus
from recsys_api.model_status import RecommenderModelStatus
from recsys_api.model_version import ModelVersionStatus
from recsys_api.recommender_model import RecommenderModelSpec
from recsys_api.run_spec import EvaluateResult, GateResult, PrepareResult, TrainResult
from recsys_operator.core import decision as acts
from recsys_operator.core import naming
from recsys_operator.core.samples import VersionSecond
from recsys_operator.core.world import (
    ActionView,
    AutoscalerView,
    JobView,
    ModelView,
    PodView,
    RouteIntent,
    RouteView,
    ServingView,
    VersionView,
    World,
)

NAMESPACE, NAME = "shop", "movies"
KEPT_SECONDS = 120.0


class Refused(Exception):  # noqa: N818
    """An act failed as it may in a real cluster; the pass ends."""


@dataclass
class Quality:
    """What a version is like, once it serves or is trained."""

    bad: float = 0.0
    slow: float = 0.0
    fallback: float = 0.0
    never_ready: bool = False
    crashes: float = 0.0
    """Chance per second that a pod restarts."""
    gate: str = "Pass"
    failure: str = ""
    """Of the training Job: oom, killed, diverged, data, deadline, silent."""


@dataclass
class Cluster:
    """The state, and what has happened to it."""

    random: Random
    now: float = 1_800_000_000.0
    skew: float = 0.0
    """What the clock of the operator's node is ahead of the API server's."""
    model: ModelView | None = None
    versions: dict[str, VersionView] = field(default_factory=dict)
    actions: dict[str, ActionView] = field(default_factory=dict)
    jobs: dict[str, JobView] = field(default_factory=dict)
    serving: dict[str, ServingView] = field(default_factory=dict)
    pods: dict[str, PodView] = field(default_factory=dict)
    route: RouteView | None = None
    keys: bool = False
    stable_service: str | None = None
    seconds: deque[VersionSecond] = field(default_factory=deque)
    sampled: tuple[str, ...] = ()
    samples_since: float | None = None
    renewed_at: float | None = None
    """What the Lease says: when an operator was there, on its clock."""
    attended_until: float | None = None
    """What it said when the present process took it."""
    meters: Meters = field(default_factory=Meters)
    generation: int = 0
    """Of the HTTPRoute."""
    qualities: dict[str, Quality] = field(default_factory=dict)
    outage: bool = False
    blind: set[str] = field(default_factory=set)
    """Versions whose pods cannot be scraped."""
    unread: dict[str, float] = field(default_factory=dict)
    """Version -> requests of its pods that nobody will read."""
    gateway: bool = True
    """Its statistics can be read."""
    rate: float = 40.0
    paused: bool = False
    events: list[acts.Announce] = field(default_factory=list)
    history: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=6))
    accepted_at: float = 0.0
    counter: int = 0

    # -- what people do

    def apply_model(self, spec: RecommenderModelSpec) -> None:
        """kubectl apply."""
        if self.model is None:
            self.model = ModelView(NAMESPACE, NAME, self._uid("model"), self._rv(), 1, spec, RecommenderModelStatus())
        elif self.model.spec != spec:
            self.model = replace(
                self.model, spec=spec, invalid="", generation=self.model.generation + 1, resource_version=self._rv()
            )

    def break_spec(self) -> None:
        """A spec that the operator cannot parse: the CRD is newer than it, or older."""
        assert self.model is not None
        self.model = replace(
            self.model, spec=None, invalid="spec: of another time", generation=self.model.generation + 1,
            resource_version=self._rv(),
        )  # fmt: skip

    def annotate(self, value: str) -> None:
        """kubectl annotate."""
        assert self.model is not None
        annotations = {**self.model.annotations, "recsys.dev/action": value}
        self.model = replace(self.model, annotations=annotations, resource_version=self._rv())

    def delete_model(self) -> None:
        """kubectl delete: the route and the Secret go with it."""
        self.model, self.route, self.keys, self.stable_service = None, None, False, None

    def create_action(self, verb: str, version: str | None = None) -> str:
        """kubectl create."""
        uid = self._uid("action")
        spec = ModelActionSpec(model_name=NAME, verb=verb, version=version, requested_by="ann")  # type: ignore[arg-type]
        self.actions[uid] = ActionView(uid, uid, self._rv(), self.now, spec, ModelActionStatus())
        return uid

    def kill_pod(self, name: str, unread_seconds: float = 1.0) -> None:
        """A node dies, and with it what its pod counted in so many seconds."""
        pod = self.pods.pop(name, None)
        if pod is not None and pod.ready:
            share = self.weight(pod.version) / 100 / (self.ready(pod.version) + 1)
            self.unread[pod.version] = self.unread.get(pod.version, 0.0) + self.rate * share * unread_seconds

    def blink(self, name: str, seconds: float) -> None:
        """A pod is not ready for some seconds."""
        if name in self.pods:
            self.pods[name] = replace(self.pods[name], ready=False, created_at=self.now + seconds - 2)

    def lower_by_hand(self) -> None:
        """Somebody edits the HTTPRoute: no user for the candidate."""
        if self.route is not None and self.route.intent.weight > 0:
            self._set_route(RouteIntent(self.route.intent.stable), self.route.decision)

    def set_unmanaged(self, value: bool) -> None:
        """kubectl annotate httproute recsys.dev/unmanaged."""
        if self.route is not None and self.route.unmanaged != value:
            self.route = replace(self.route, unmanaged=value, resource_version=self._rv())

    def weigh_by_hand(self, weight: int) -> None:
        """Who has the route edits its weights."""
        if self.route is not None and self.route.intent.candidate:
            intent = replace(self.route.intent, weight=weight)
            self.generation += 1
            self.route = replace(self.route, intent=intent, resource_version=self._rv())

    def delete_version(self, name: str) -> None:
        """kubectl delete modelversion: what it owns goes with it."""
        self.versions.pop(name, None)
        self.jobs = {key: job for key, job in self.jobs.items() if job.version != name}
        self.delete_serving(name)

    def delete_services(self, name: str) -> None:
        """kubectl delete service: that of the model and a version's own."""
        self.stable_service = None
        if name in self.serving:
            self.serving[name] = replace(self.serving[name], has_service=False, resource_version=self._rv())

    def delete_serving(self, name: str) -> None:
        """kubectl delete deployment."""
        self.serving.pop(name, None)
        self.pods = {key: pod for key, pod in self.pods.items() if pod.version != name}

    def autoscale(self, name: str) -> None:
        """The HorizontalPodAutoscaler wants another number of pods."""
        view = self.serving[name]
        if view.autoscaler is not None:
            replicas = self.random.randint(view.autoscaler.minimum, view.autoscaler.maximum)
            self.serving[name] = replace(view, replicas=replicas, resource_version=self._rv())

    # -- observing

    @property
    def clock(self) -> float:
        """What the operator takes for now."""
        return self.now + self.skew

    def snapshot(self) -> dict[str, Any]:
        """The objects as they are."""
        return {
            "model": self.model, "versions": tuple(self.versions.values()), "actions": tuple(self.actions.values()),
            "jobs": tuple(self.jobs.values()), "serving": self._serving_views(), "pods": tuple(self.pods.values()),
            "route": self._route_view(), "keys_secret": self.keys,
            "stable_service": self.stable_service,
        }  # fmt: skip

    def observe(self, stale: Mapping[str, int] | None = None) -> World:
        """A world; `stale` names kinds that are read from so many snapshots ago."""
        seen = self.snapshot()
        for kind, back in (stale or {}).items():
            if back <= len(self.history):
                seen[kind] = self.history[-back][kind]
        return World(
            NAMESPACE, NAME, **seen, seconds=tuple(self.seconds), samples_since=self.samples_since,
            begun=self.meters.begun, standing=self.meters.standing,
            rollouts_paused=self.paused, serving_image="serving:1", attended_until=self.attended_until,
            monotonic=self.now,
        )  # fmt: skip

    def ready(self, version: str) -> int:
        """Ready pods, live."""
        return sum(pod.ready for pod in self.pods.values() if pod.version == version)

    def weight(self, version: str) -> int:
        """What the route gives, live."""
        return self.route.intent.of(version) if self.route is not None else 0

    # -- acts

    def execute(self, act: acts.Act, world: World) -> None:
        """Apply one act.

        Raises:
            Refused: a precondition does not hold.
        """
        getattr(self, f"_do_{type(act).__name__}")(act, world)

    def _do_CreateVersion(self, act: acts.CreateVersion, _: World) -> None:  # noqa: N802
        if act.name not in self.versions:
            uid = self._uid("version")
            self.versions[act.name] = VersionView(
                act.name, uid, self._rv(), self.now, act.spec, ModelVersionStatus(), self._owner(act.owned)
            )

    def _do_RecordVersion(self, act: acts.RecordVersion, _: World) -> None:  # noqa: N802
        version = self.versions.get(act.name)
        if version is None or version.resource_version != act.resource_version:
            raise Refused(f"conflict on {act.name}")
        self.versions[act.name] = replace(version, status=_through_json(act.status), resource_version=self._rv())

    def _do_RecordModel(self, act: acts.RecordModel, _: World) -> None:  # noqa: N802
        if self.model is None or self.model.resource_version != act.resource_version:
            raise Refused("conflict on the model")
        status = RecommenderModelStatus.model_validate_json(act.status.model_dump_json(by_alias=True))
        self.model = replace(self.model, status=status, resource_version=self._rv())

    def _do_RecordAction(self, act: acts.RecordAction, _: World) -> None:  # noqa: N802
        action = self.actions.get(act.name)
        if action is None or action.resource_version != act.resource_version:
            raise Refused("conflict on an action")
        self.actions[act.name] = replace(action, status=act.status, resource_version=self._rv())

    def _do_StartJob(self, act: acts.StartJob, _: World) -> None:  # noqa: N802
        if act.version not in self.versions:
            raise Refused(f"{act.version} is gone")
        name = naming.job_name(act.version, act)
        if name not in self.jobs:
            self.jobs[name] = JobView(
                name, self._uid("job"), self._rv(), act.version, act.stage, act.attempt, act.key, self.now, active=1
            )

    def _do_EnsureKeys(self, _: acts.EnsureKeys, __: World) -> None:  # noqa: N802
        self.keys = True

    def _do_EnsureServing(self, act: acts.EnsureServing, _: World) -> None:  # noqa: N802
        version = self.versions.get(act.version)
        if version is None or version.status.template is None:
            raise Refused(f"{act.version} has no template")
        known = self.serving.get(act.version)
        uid = known.uid if known is not None else self._uid("serving")
        revision, scaler = version.status.template.revision, self._autoscaler(act)
        replicas = act.replicas
        if scaler is not None:
            # the size of a Deployment that has an autoscaler is not the operator's
            owned = known is not None and known.has_autoscaler
            replicas = min(max(known.replicas if owned and known else replicas, scaler.minimum), scaler.maximum)
        self.serving[act.version] = ServingView(act.version, uid, self._rv(), replicas, 0, revision, True, scaler)

    def _do_EnsureService(self, act: acts.EnsureService, _: World) -> None:  # noqa: N802
        if act.of_model:
            self.stable_service = act.version
        elif act.version in self.serving:
            self.serving[act.version] = replace(self.serving[act.version], has_service=True)

    def _do_EnsureRoute(self, act: acts.EnsureRoute, world: World) -> None:  # noqa: N802
        if self.model is None:
            raise Refused("the model is gone")
        if act.raises:
            for version, wanted in act.needs_ready.items():
                if self.ready(version) < wanted:
                    raise Refused(f"{version} is not ready")
            seen = world.route.resource_version if world.route is not None else ""
            if seen != (self.route.resource_version if self.route is not None else ""):
                raise Refused("conflict on the route")
        if self.route is not None and self.route.unmanaged:
            raise Refused("a person has the route")
        if self.route is None or self.route.intent != act.intent or dict(self.route.decision) != dict(act.decision):
            self._set_route(act.intent, act.decision)
        self.stable_service = act.intent.stable or self.stable_service

    def _do_DeleteObject(self, act: acts.DeleteObject, world: World) -> None:  # noqa: N802
        if world.model is None and self.model is not None:
            raise Refused("the model is there again")
        store: dict[str, Any] = {
            "Job": self.jobs, "Serving": self.serving, "ModelVersion": self.versions, "ModelAction": self.actions,
        }[act.kind]  # fmt: skip
        live = store.get(act.name)
        if live is None or live.uid != act.uid:
            return
        if live.resource_version != act.resource_version:
            raise Refused(f"conflict on deleting {act.name}")
        if act.kind == "Serving":
            version = self.versions.get(act.name)
            if version is not None and act.version_resource_version not in ("", version.resource_version):
                raise Refused("conflict on the version of a serving")
            if self.weight(act.name) > 0:
                raise Refused("the live route gives it weight")
            self.pods = {name: pod for name, pod in self.pods.items() if pod.version != act.name}
        if act.kind == "ModelVersion":
            self.jobs = {name: job for name, job in self.jobs.items() if job.version != act.name}
        del store[act.name]

    def _do_Announce(self, act: acts.Announce, _: World) -> None:  # noqa: N802
        self.events.append(act)

    # -- time

    def tick(self) -> None:
        """One second."""
        self.history.append(self.snapshot())
        self.now += 1.0
        self._run_pods()
        self._run_jobs()
        for version in dict.fromkeys((*self.serving, *self.sampled)):
            self.meters.serve(version, self._pods_of(version), int(self.now), self._served(version))
        if self.sampled:
            self.seconds.extend(self._sample())
        while self.seconds and self.seconds[0].at < self.clock - KEPT_SECONDS:
            self.seconds.popleft()

    def watch(self, versions: tuple[str, ...]) -> None:
        """What the sampler does from now on."""
        if versions and not self.sampled:
            self.samples_since = self.clock
        if not versions:
            self.samples_since = None
            self.seconds.clear()
            self.meters.forget()
        self.sampled = versions

    def quality(self, version: str) -> Quality:
        """Of a version."""
        return self.qualities.setdefault(version, Quality())

    def _run_pods(self) -> None:
        for version, view in self.serving.items():
            own = [pod for pod in self.pods.values() if pod.version == version]
            for pod in own[view.replicas :]:
                del self.pods[pod.name]
            for _ in range(view.replicas - len(own)):
                uid = self._uid("pod")
                self.pods[uid] = PodView(uid, uid, version, False, 0, self.now)
        for name, pod in list(self.pods.items()):
            quality = self.quality(pod.version)
            if pod.version not in self.serving:
                del self.pods[name]
            elif pod.ready and quality.crashes and self.random.random() < quality.crashes:
                self.pods[name] = replace(pod, restarts=pod.restarts + 1, last_terminated="triton: OOMKilled (137)")
            elif not pod.ready and not quality.never_ready and self.now - pod.created_at >= 2:
                self.pods[name] = replace(pod, ready=True)

    def _run_jobs(self) -> None:
        for name, job in list(self.jobs.items()):
            if job.active and self.now - job.created_at >= 3:
                done = self._finished(job, self.quality(job.version))
                self.jobs[name] = replace(done, active=0, resource_version=self._rv())

    def _finished(self, job: JobView, quality: Quality) -> JobView:
        if job.stage == "train" and quality.failure:
            return self._failed(job, quality.failure)
        if job.stage == "prepare" and quality.failure == "data":
            return self._failed(job, "data")
        if job.stage == "report":
            stage = "prepare" if "prepare" in job.name else "train" if "train" in job.name else "evaluate"
            return replace(job, complete=True, result=self._result(job, stage, quality))
        if quality.failure == "silent":
            return replace(job, complete=True)
        return replace(job, complete=True, result=self._result(job, job.stage, quality))

    def _failed(self, job: JobView, failure: str) -> JobView:
        first = job.attempt == 1
        if failure == "silent":
            return replace(job, complete=True)
        if failure in ("oom", "killed") and not first and self.random.random() < 0.5:
            return replace(job, complete=True, result=self._result(job, "train", Quality()))
        codes = {"oom": 137, "killed": 137, "diverged": 70, "data": 65, "deadline": None}
        return replace(
            job, failed=True, exit_code=codes[failure], terminated_reason="OOMKilled" if failure == "oom" else "Error",
            failed_reason="DeadlineExceeded" if failure == "deadline" else "PodFailurePolicy",
        )  # fmt: skip

    def _result(self, job: JobView, stage: str, quality: Quality) -> PrepareResult | TrainResult | EvaluateResult:
        if stage == "prepare":
            return PrepareResult(digest=f"sha256:data-{int(self.now) // 50}", rows=1000, users=10, items=10)
        if stage == "train":
            return TrainResult(digest=f"sha256:{job.version}", seconds=3, device="cpu", epochs=2)
        gate = GateResult(name="absolute", outcome=quality.gate, message="of the simulation")  # type: ignore[arg-type]
        return EvaluateResult(gates=(gate,))

    def _sample(self) -> list[VersionSecond]:
        pods = {version: self._pods_of(version) for version in self.sampled}
        lost = {version: self.unread.pop(version, 0.0) for version in self.sampled}
        return self.meters.read(
            self.clock, pods, blind=self.blind, outage=self.outage, gateway=self.gateway, generation=self.generation, lost=lost
        )  # fmt: skip

    def _served(self, version: str) -> Served:
        ready, quality = self.ready(version), self.quality(version)
        n = self._draw(self.rate * self.weight(version) / 100)
        good = n if ready else 0
        return Served(
            requests=n, answers=good, bad=n if not ready else self._count(n, quality.bad),
            slow=self._count(good, quality.slow), fallbacks=self._count(good, quality.fallback),
            unknown=self._count(good, 0.05),
        )  # fmt: skip

    def _pods_of(self, version: str) -> list[PodView]:
        return [pod for pod in self.pods.values() if pod.version == version]

    def _draw(self, mean: float) -> int:
        return int(mean) + (self.random.random() < mean - int(mean))

    def _count(self, n: int, rate: float) -> int:
        return sum(self.random.random() < rate for _ in range(n)) if rate else 0

    def _serving_views(self) -> dict[str, ServingView]:
        return {name: replace(view, ready=self.ready(name)) for name, view in self.serving.items()}

    def _route_view(self) -> RouteView | None:
        return replace(self.route, accepted=self.now >= self.accepted_at) if self.route is not None else None

    def _set_route(self, intent: RouteIntent, decision: Mapping[str, object]) -> None:
        uid = self.route.uid if self.route is not None else self._uid("route")
        self.accepted_at = self.now + 1.0
        if self.route is None or self.route.intent != intent:
            self.generation += 1
        self.route = RouteView(uid, self._rv(), intent, dict(decision), accepted=False)

    def _autoscaler(self, act: acts.EnsureServing) -> AutoscalerView | None:
        scaling = (
            self.model.spec.serving.autoscaling if self.model is not None and self.model.spec is not None else None
        )
        if scaling is None or act.minimum is None:
            return None
        largest = max(act.minimum, scaling.max_replicas)
        return AutoscalerView(act.minimum, largest, scaling.target_cpu_utilization_percent)

    def _owner(self, owned: bool) -> str:
        return self.model.uid if owned and self.model is not None else ""

    def _rv(self) -> str:
        self.counter += 1
        return str(self.counter)

    def _uid(self, kind: str) -> str:
        self.counter += 1
        return f"{kind}-{self.counter}"


def _through_json(status: ModelVersionStatus) -> ModelVersionStatus:
    """As it comes back from the API server."""
    return ModelVersionStatus.model_validate_json(status.model_dump_json(by_alias=True, exclude_none=True))
