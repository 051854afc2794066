"""A model on the real cluster with users who ask it: what the tests of rollouts act with."""

import contextlib
import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from recsys_local.demo.api import Api
from recsys_local.demo.install import OPERATOR_NAMESPACE, RELEASE, endpoints, make_namespace
from recsys_local.demo.stage import Kubectl, Stage, replaying
from recsys_local.paths import CHECKOUT

EXAMPLE = CHECKOUT / "examples" / "movies.yaml"
BUCKET = "s3://lake/ml-100k/"
Object = dict[str, Any]
Spec = dict[str, Any]


class Shop(Stage):
    """One RecommenderModel in a namespace of its own."""

    def __init__(self, api: Api, kubectl: Kubectl, namespace: str, model: str = "movies") -> None:
        super().__init__(api, kubectl, namespace, model)
        self.url = f"{endpoints().gateway}/{namespace}/{model}"
        self.document: Object = yaml.safe_load(EXAMPLE.read_text())
        self.document["metadata"] = {"name": model, "namespace": namespace}
        _make_quick(self.document["spec"])
        self.document["spec"]["rollout"]["gateway"]["pathPrefix"] = f"/{namespace}/{model}"

    def apply(self, change: Callable[[Spec], object] = lambda spec: None) -> None:
        """Change the manifest and apply it, as a person would."""
        change(self.document["spec"])
        self.kubectl("apply", "-f", "-", stdin=json.dumps(self.document))

    def name(self, number: int) -> str:
        """Name of the version with this number."""
        return str(self.version(number)["metadata"]["name"])

    def pods(self, version: str) -> list[Object]:
        """Serving pods of a version that are not on their way out."""
        selector = f"recsys.dev%2Fversion%3D{version},recsys.dev%2Fcomponent%3Dserving"
        found = self.api.request("GET", f"/api/v1/namespaces/{self.namespace}/pods?labelSelector={selector}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def shares(self) -> dict[str, int]:
        """{version: percent} of those that have users."""
        return {name: weight for name, weight in self.weights().items() if weight}

    def jobs(self) -> set[str]:
        """Names of all Jobs of the namespace."""
        found = self.api.request("GET", f"/apis/batch/v1/namespaces/{self.namespace}/jobs")["items"]
        return {job["metadata"]["name"] for job in found}

    @contextlib.contextmanager
    def users(self, folder: Path, *, rate: float = 20.0) -> Iterator["Answers"]:
        """Users ask through the gateway, each with their bucket, until the end of the block."""
        who = folder / "users.json"
        who.write_text(json.dumps({str(user): [] for user in range(1, 944)}))
        answers = Answers(folder / "answers.jsonl")
        with replaying(self, self.url, who, answers.file, rate=rate):
            yield answers


class Answers:
    """What the users got, line by line."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.touch()

    def all(self) -> list[Object]:
        """All complete lines so far."""
        lines = self.file.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def of(self, version: str, *, since: float = 0.0) -> list[Object]:
        """Answers that carry this version."""
        return [line for line in self.all() if line["version"] == version and line["at"] >= since]


def eventually(holds: Callable[[], object], *, seconds: float, what: str) -> None:
    """Ask until it is true; AssertionError, naming what was waited for, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.1)


@contextlib.contextmanager
def operator_away(shop: Shop) -> Iterator[None]:
    """The cluster's own operator ends its pod before the block and is ready again after it."""
    scale = ("-n", OPERATOR_NAMESPACE, "scale", "deployment", RELEASE)
    shop.kubectl(*scale, "--replicas=0")
    pods = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods"
    shop.api.wait(pods, lambda found: not found["items"], seconds=60, what="the operator's pod has ended")
    try:
        yield
    finally:
        shop.kubectl(*scale, "--replicas=1")
        shop.kubectl("-n", OPERATOR_NAMESPACE, "rollout", "status", "deployment", RELEASE, "--timeout=120s")


@contextlib.contextmanager
def new_namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace that enforces Pod Security `restricted`, with the S3 credentials; deleted afterwards."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    make_namespace(kubectl, name)
    try:
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


def _make_quick(spec: Spec) -> None:
    """Trained in seconds; pods that are small for the scheduler; objectives that a busy machine keeps."""
    spec["model"] = {"architecture": "GMF", "embeddingDim": 8}
    spec["training"] |= {"epochs": 1, "refit": "Never"}
    spec["training"]["resources"] = {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}}
    spec["evaluation"] = {"gates": [], "onUndecided": "Pass"}
    requests, limits = {"cpu": "50m", "memory": "256Mi"}, {"cpu": "1", "memory": "1Gi"}
    spec["serving"] = {"replicas": 1, "resources": {"requests": requests, "limits": limits}}
    latency = {"name": "fast", "sli": {"type": "Latency", "thresholdMilliseconds": 1000}, "objectivePercent": "90"}
    spec["rollout"]["slos"] = [spec["rollout"]["slos"][0], latency]
    spec["rollout"] |= {"stableHealthSeconds": 5, "bakeSeconds": 10}
