"""The Job and Deployment controllers and the kubelet, as far as the operator can tell: through the API alone."""

import asyncio
import hashlib
import itertools
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from benchmarks.control_plane.api import OURS, Api, Object

AT_ONCE = 16
LABEL_VERSION, LABEL_MODEL, LABEL_STAGE = "recsys.dev/version", "recsys.dev/model", "recsys.dev/component"
PodAddress = Callable[[str, str], Coroutine[Any, Any, str]]
"""(model, version) -> address of a new pod, which then answers there."""


class Workloads:
    """Completes every Job and makes every Deployment available, as soon as it is seen."""

    def __init__(self, api: Api, namespace: str, address: PodAddress) -> None:
        self._api = api
        self._address = address
        self._pods_path = f"/api/v1/namespaces/{namespace}/pods"
        self._jobs_path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self._deployments_path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._done: set[str] = set()
        self._pods: dict[str, list[str]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._numbers = itertools.count()

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_jobs(group))
            group.create_task(self._follow_deployments(group))

    async def _follow_jobs(self, group: asyncio.TaskGroup) -> None:
        async for _, event, job in self._api.follow(self._jobs_path, OURS):
            uid = job["metadata"]["uid"]
            if event != "DELETED" and uid not in self._done and not (job.get("status") or {}).get("conditions"):
                self._done.add(uid)
                group.create_task(self._complete(job))

    async def _follow_deployments(self, group: asyncio.TaskGroup) -> None:
        async for _, event, deployment in self._api.follow(self._deployments_path, OURS):
            metadata = deployment["metadata"]
            gone = event == "DELETED"
            seen = (deployment.get("status") or {}).get("observedGeneration", 0)
            if gone or seen < metadata["generation"]:
                group.create_task(self._scale(deployment, 0 if gone else deployment["spec"]["replicas"]))

    async def _complete(self, job: Object) -> None:
        """The pod with its message first, then the Job: the order in which a cluster would tell."""
        name, now = job["metadata"]["name"], _now()
        async with self._slots:
            pod = await self._create_pod(job, "Job", f"{name}-0")
            ended = {"exitCode": 0, "reason": "Completed", "message": message_of(job)}
            await self._set_pod(pod, "Succeeded", "", [_container("trainer", {"terminated": ended}, ready=False)])
            status = {
                "startTime": now, "completionTime": now, "succeeded": 1, "completedIndexes": "0", "ready": 0,
                "uncountedTerminatedPods": {},
                "conditions": [_condition("SuccessCriteriaMet", now), _condition("Complete", now)],
            }  # fmt: skip
            await self._api.patch(f"{self._jobs_path}/{name}/status", {"status": status})

    async def _scale(self, deployment: Object, replicas: int) -> None:
        metadata = deployment["metadata"]
        async with self._locks.setdefault(metadata["uid"], asyncio.Lock()), self._slots:
            pods = self._pods.setdefault(metadata["uid"], [])
            while len(pods) > replicas:
                await self._api.delete(f"{self._pods_path}/{pods.pop()}")
            while len(pods) < replicas:
                pods.append(await self._start_pod(deployment))
            if replicas:
                await self._tell(metadata, replicas)

    async def _start_pod(self, deployment: Object) -> str:
        metadata = deployment["metadata"]
        pod = await self._create_pod(deployment, "Deployment", f"{metadata['name']}-{next(self._numbers)}")
        address = await self._address(metadata["labels"][LABEL_MODEL], metadata["labels"][LABEL_VERSION])
        names = [container["name"] for container in deployment["spec"]["template"]["spec"]["containers"]]
        running = [_container(name, {"running": {"startedAt": _now()}}, ready=True) for name in names]
        await self._set_pod(pod, "Running", address, running)
        return str(pod["metadata"]["name"])

    async def _tell(self, metadata: Object, replicas: int) -> None:
        status = {"observedGeneration": metadata["generation"], "replicas": replicas, "updatedReplicas": replicas,
                  "readyReplicas": replicas, "availableReplicas": replicas,
                  "conditions": [_condition("Available", _now())]}  # fmt: skip
        await self._api.patch(f"{self._deployments_path}/{metadata['name']}/status", {"status": status})

    async def _create_pod(self, owner: Object, kind: str, name: str) -> Object:
        template, uid = owner["spec"]["template"], owner["metadata"]["uid"]
        reference = {"apiVersion": "batch/v1" if kind == "Job" else "apps/v1", "kind": kind,
                     "name": owner["metadata"]["name"], "uid": uid, "controller": True}  # fmt: skip
        metadata = {"name": name, "labels": template["metadata"]["labels"], "ownerReferences": [reference]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        return await self._api.create(self._pods_path, pod)

    async def _set_pod(self, pod: Object, phase: str, address: str, containers: list[Object]) -> None:
        ready = "True" if address else "False"
        status: Object = {"phase": phase, "containerStatuses": containers,
                          "conditions": [_condition("Ready", _now()) | {"status": ready}]}  # fmt: skip
        if address:
            status |= {"podIP": address, "podIPs": [{"ip": address}]}
        await self._api.patch(f"{self._pods_path}/{pod['metadata']['name']}/status", {"status": status})


def message_of(job: Object) -> str:
    """What the trainer would have left in /dev/termination-log (docs/contracts.md section 2)."""
    labels = job["metadata"]["labels"]
    stage = (job["metadata"].get("annotations") or {}).get("recsys.dev/reports-stage") or labels[LABEL_STAGE]
    digest = "sha256:" + hashlib.sha256(f"{stage}/{labels[LABEL_VERSION]}".encode()).hexdigest()
    answers: dict[str, Object] = {
        "prepare": {"digest": digest, "rows": 100_000, "users": 943, "items": 1682, "quarantined": 0},
        "train": {"digest": digest, "samplesPerSecond": 1.0, "seconds": 1.0, "device": "none", "epochs": 1},
        "evaluate": {"gates": [], "metrics": {}, "baseline": {}},
    }
    return json.dumps({"kind": stage} | answers[stage])


def _container(name: str, state: Object, *, ready: bool) -> Object:
    return {"name": name, "image": "none", "imageID": "", "ready": ready, "restartCount": 0, "state": state}


def _condition(kind: str, now: str) -> Object:
    return {"type": kind, "status": "True", "lastTransitionTime": now, "reason": "Bench"}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
