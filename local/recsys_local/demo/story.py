"""The story that `make demo` tells, chapter by chapter; every line is something that must come true."""

import json
import time
from collections.abc import Callable
from typing import Any

from recsys_local.demo.stage import MODEL, NAMESPACE, Manifests, Narrator, Stage

Spec = dict[str, Any]
WIDER = "a wider network"
LAYERS_WITHIN_A_LIMIT = (640, 896, 320)
"""About 3 GFLOP for an answer over the catalogue: too much for a seventh of a core."""
LAYERS_WITHOUT_A_LIMIT = (1024, 1536, 512)
"""About 8 GFLOP: too much for the whole machine, which stable shares."""


def first_version(narrator: Narrator, stage: Stage, manifests: Manifests) -> None:
    """Apply, train, judge, serve."""
    narrator.chapter("Version 1: from `kubectl apply` to 100 % of the traffic")
    manifests.commit("first model")
    stage.kubectl("apply", "-n", NAMESPACE, "-f", str(manifests.file))
    narrator.tell("the data is valid and the snapshot is written", lambda: _phase(stage, 1, "Training", 120))
    narrator.tell("the training Job has ended, the artifact has a digest", lambda: _phase(stage, 1, "Evaluating", 300))
    narrator.tell("the gates let it pass", lambda: _phase(stage, 1, "Warming", 180))
    narrator.tell("a real Triton serves it with 100 %", lambda: _phase(stage, 1, "Stable", 180))


def wider_version(narrator: Narrator, stage: Stage, manifests: Manifests, kill_operator: Any) -> None:
    """Another model rolls out in steps; the operator is killed on the way."""
    narrator.chapter("Version 2: a wider network, 5 -> 25 -> 50 -> 100 % of the users")

    def change(spec: Spec) -> None:
        spec["model"] |= {"embeddingDim": 32, "hiddenLayers": [64, 32, 16]}
        spec["training"] |= {"epochs": 14, "patience": 14}

    manifests.edit(WIDER, change)
    stage.kubectl("apply", "-n", NAMESPACE, "-f", str(manifests.file))
    narrator.tell("trained and judged", lambda: _phase(stage, 2, "Canary", 420))
    name = stage.versions()[1]["metadata"]["name"]
    for percent in (5, 25):
        narrator.tell(f"{percent} % of the users", lambda p=percent: _weight(stage, name, p))  # type: ignore[misc]
    narrator.tell("the operator is killed with SIGKILL in the middle of the canary", kill_operator)
    for percent in (50, 100):
        narrator.tell(f"{percent} % of the users", lambda p=percent: _weight(stage, name, p))  # type: ignore[misc]
    narrator.tell("after the bake it is stable", lambda: _phase(stage, 2, "Stable", 240))
    narrator.tell("version 1 stays loaded", lambda: _loaded(stage, 1))


def slow_version(
    narrator: Narrator, stage: Stage, manifests: Manifests, *, number: int, limit: str | None, seed: int
) -> None:
    """Good enough for its gates, and too slow online: what only a canary can tell."""
    what = "within its own CPU limit" if limit else "without a CPU limit: it drags stable down as well"
    narrator.chapter(f"Version {number}: passes its gates, too slow online, {what}")

    def change(spec: Spec) -> None:
        layers = LAYERS_WITHIN_A_LIMIT if limit else LAYERS_WITHOUT_A_LIMIT
        spec["model"] |= {"embeddingDim": 64, "hiddenLayers": list(layers)}
        loss = {"type": "BCE", "negatives": 1}
        spec["training"] |= {"epochs": 1, "seed": seed, "batchSize": 1024, "loss": loss, "refit": "Never"}
        # without a CPU request no limit follows from it
        resources: dict[str, dict[str, str]] = {"requests": {"memory": "768Mi"}, "limits": {"memory": "2Gi"}}
        if limit:
            resources["limits"]["cpu"] = limit
        spec["serving"] |= {"resources": resources}

    manifests.edit(f"heavy model, seed {seed}", change)
    stage.kubectl("apply", "-n", NAMESPACE, "-f", str(manifests.file))
    narrator.tell("the gates let it pass", lambda: _phase(stage, number, "Canary", 600))
    narrator.tell("the SLO is breached and it is rolled back by itself", lambda: _rolled_back(stage, number, 300))


def by_hand(narrator: Narrator, stage: Stage, manifests: Manifests) -> None:
    """What on-call does at 3 a.m."""
    narrator.chapter("By hand: git revert, annotation, ModelAction, patch")
    one, two = (item["metadata"]["name"] for item in stage.versions()[:2])
    jobs = len(stage.api.request("GET", f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs")["items"])

    def revert() -> str:
        manifests.revert_to("first model")
        stage.kubectl("apply", "-n", NAMESPACE, "-f", str(manifests.file))
        stage.wait_weight(one, 100, seconds=20)
        after = len(stage.api.request("GET", f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs")["items"])
        assert after <= jobs, f"{after - jobs} new Jobs"
        return "no training"

    narrator.tell("`git revert` brings version 1 back", revert)
    pin: dict[str, Any] = {"spec": {"rollout": {"pinnedVersion": two}}}
    narrator.tell(
        "`kubectl patch` spec.rollout.pinnedVersion holds all users at version 2",
        lambda: _at_once(stage, two, "patch", "recm", MODEL, "--type=merge", "-p", json.dumps(pin)),
    )
    unpin: dict[str, Any] = {"spec": {"rollout": {"pinnedVersion": None}}}
    narrator.tell(
        "the pin is removed: version 1 again, which the manifest asks for",
        lambda: _at_once(stage, one, "patch", "recm", MODEL, "--type=merge", "-p", json.dumps(unpin)),
    )
    narrator.tell(
        "`kubectl annotate` recsys.dev/action=Rollback",
        lambda: _at_once(stage, two, "annotate", "--overwrite", "recm", MODEL, "recsys.dev/action=Rollback#1"),
    )
    narrator.tell("a ModelAction `Retry` rolls version 1 out anew", lambda: _retry(stage, one))
    narrator.tell("a ModelAction `Rollback` in the middle of it", lambda: _action(stage, "Rollback", two))


def _retry(stage: Stage, version: str) -> str:
    stage.ask("Retry", version)
    seconds = stage.wait_weight(version, 5, seconds=120)
    return f"5 % of the users after {seconds:.1f} s"


def _phase(stage: Stage, number: int, phase: str, seconds: float) -> str | None:
    order = ("Pending", "Preparing", "Training", "Evaluating", "Warming", "Canary", "Baking", "Stable", "Previous")
    item = stage.wait_version(number, order[order.index(phase) :], seconds=seconds)
    offline = item["status"].get("offline", {}).get("ndcg@10")
    if phase in ("Warming", "Canary") and offline:
        popularity = item["status"].get("baseline", {}).get("ndcg@10", {})
        return (
            f"NDCG@10 {offline['value']:.3f} [{offline['low']:.3f}, {offline['high']:.3f}], "
            f"n = {offline['n']} warm users, popularity {popularity.get('value', 0):.3f}"
        )
    return None


def _loaded(stage: Stage, number: int) -> str:
    name = next(v["metadata"]["name"] for v in stage.versions() if v["spec"]["number"] == number)
    deployment = stage.api.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}")
    ready = (deployment or {}).get("status", {}).get("readyReplicas", 0)
    assert ready >= 1, f"{name} has no ready pod"
    return f"{ready} pod ready"


def _weight(stage: Stage, version: str, percent: int) -> None:
    stage.wait_weight(version, percent, seconds=150)


def _rolled_back(stage: Stage, number: int, seconds: float) -> str:
    item = stage.wait_version(number, ("RolledBack",), seconds=seconds)
    weight = stage.weights().get(item["metadata"]["name"], 0)
    assert weight == 0, f"RolledBack, but the route still gives it {weight} %"
    return f"{item['status'].get('reason')}: {item['status'].get('message')}"


def _at_once(stage: Stage, version: str, *command: str) -> str:
    return _until_all(stage, version, lambda: stage.kubectl("-n", stage.namespace, *command))


def _action(stage: Stage, verb: str, expected: str) -> str:
    return _until_all(stage, expected, lambda: stage.ask(verb))


def _until_all(stage: Stage, version: str, ask: Callable[[], object]) -> str:
    begun = time.monotonic()
    ask()
    took = time.monotonic() - begun
    seconds = stage.wait_weight(version, 100, seconds=20)
    return f"all traffic {seconds:.2f} s after kubectl had returned ({took:.2f} s)"


def by_verdict(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rollbacks that nobody asked for."""
    return {name: found for name, found in report["rollbacks"].items() if found["reason"] != "Requested"}


def check_report(narrator: Narrator, report: dict[str, Any]) -> None:
    """What only the observer can tell about the two slow versions."""
    numbers = {version["name"]: version["number"] for version in report["versions"]}
    for name, found in by_verdict(report).items():
        narrator.tell(f"version {numbers[name]} was stopped below 100 %", lambda f=found: _below_all(f))  # type: ignore[misc]
    failed = {version["number"]: version["online"]["failed"] for version in report["versions"]}
    narrator.tell("nobody outside the canaries was hurt", lambda: _unhurt(failed[1] + failed[2]))
    narrator.tell(
        "versions 3 and 4 were rolled back by a verdict",
        lambda: _same({numbers[name] for name in by_verdict(report)}, {3, 4}),
    )


def _below_all(found: dict[str, Any]) -> str:
    assert found["weightBefore"] < 100, f"it had reached {found['weightBefore']} %"
    return f"at {found['weightBefore']} %, {found['verdictToZeroSeconds']} s from verdict to weight 0"


def _unhurt(failed: int) -> str:
    assert failed == 0, f"{failed} answers of versions 1 and 2 failed"
    return "no answer of versions 1 and 2 failed"


def _same(seen: set[int], wanted: set[int]) -> None:
    assert seen == wanted, f"seen: {sorted(seen)}"
