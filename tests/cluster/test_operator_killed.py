"""The operator is killed after each of its writes, and the rollout ends right all the same."""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tests.cluster.chaos import stopped
from tests.cluster.shop import Shop, Spec, eventually, new_namespace, operator_away

from recsys_local.demo.api import Api
from recsys_local.demo.install import OPERATOR_NAMESPACE, RELEASE
from recsys_local.demo.stage import Kubectl
from recsys_local.network import inside
from recsys_local.paths import CHECKOUT, State

KILLS = 24
ENDS = ("RolledBack", "Superseded")


@dataclass
class Lives:
    """The operator's writes, as the proxy saw them."""

    log: Path

    def writes(self) -> list[str]:
        """`METHOD path` of every write that was followed by a SIGKILL."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [f"{line['method']} {line['path']}" for line in lines if line["killed"]]


@pytest.fixture(scope="module")
def shop(installed: Kubectl, api: Api) -> Iterator[Shop]:
    """Version 1 is stable, version 2 is trained; both by the operator in its pod, undisturbed."""

    def change(spec: Spec) -> None:
        once = {"minSamples": 5, "maxSeconds": 5}
        spec["rollout"]["steps"] = [
            {"name": "first", "weight": 10, **once}, {"name": "half", "weight": 50, **once},
            {"name": "all", "weight": 100, **once},
        ]  # fmt: skip
        # no life is long enough to watch stable for some seconds
        spec["rollout"]["stableHealthSeconds"] = 0

    with new_namespace(installed) as namespace:
        found = Shop(api, installed, namespace)
        found.apply(change)
        found.wait_version(1, ("Stable",), seconds=300)
        found.apply(lambda spec: spec["training"].update(seed=2))
        found.wait_version(2, ("Canary",), seconds=300)
        found.ask("Rollback")
        found.wait_version(2, ("RolledBack",), seconds=60)
        yield found


@contextlib.contextmanager
def killed_operator(shop: Shop, folder: Path) -> Iterator[Lives]:
    """Instead of the one in its pod: killed after each of its first KILLS writes, then left alone."""
    with operator_away(shop), _guillotine(shop, folder) as lives:
        yield lives


def test_a_good_canary_becomes_stable(shop: Shop, tmp_path: Path) -> None:
    jobs, candidate = shop.jobs(), shop.name(2)
    with shop.users(tmp_path) as answers, killed_operator(shop, tmp_path) as lives:
        shop.ask("Retry", candidate)
        eventually(lambda: shop.weights().get(candidate, 0) > 0, seconds=120, what="the canary has users")
        shop.wait_version(2, ("Stable",), seconds=300)
        eventually(lambda: shop.version(1)["status"]["phase"] == "Previous", seconds=60, what="version 1 is Previous")
    assert shop.shares() == {candidate: 100}
    assert len(lives.writes()) >= 12, lives.writes()
    assert any("/httproutes/" in write for write in lives.writes())
    assert shop.jobs() == jobs, "nothing is trained again"
    assert [line for line in answers.all() if line["status"] != 200] == []


def test_a_bad_canary_is_rolled_back(shop: Shop, tmp_path: Path) -> None:
    """The candidate accepts connections and never answers."""
    stable, candidate = shop.name(1), shop.name(2)
    shop.ask("Rollback")
    shop.wait_version(2, ("RolledBack",), seconds=60)
    with shop.users(tmp_path), killed_operator(shop, tmp_path) as lives:
        shop.ask("Retry", candidate)
        eventually(lambda: shop.weights().get(candidate, 0) > 0, seconds=120, what="the canary has users")
        with stopped(shop.pods(candidate), "recsys_serving.api"):
            shop.wait_weight(candidate, 0, seconds=60)
            shop.ask("Abort")
            eventually(lambda: shop.version(2)["status"]["phase"] in ENDS, seconds=120, what="the rollout is over")
    assert shop.shares() == {stable: 100}
    assert shop.version(1)["status"]["phase"] == "Stable"
    assert len(lives.writes()) >= 6, lives.writes()


@contextlib.contextmanager
def _guillotine(shop: Shop, folder: Path) -> Iterator[Lives]:
    token, ca, log = folder / "token", folder / "ca.crt", folder / "writes.jsonl"
    token.write_text(shop.kubectl("-n", OPERATOR_NAMESPACE, "create", "token", RELEASE, "--duration=1h"))
    config = yaml.safe_load(State.default().kubeconfig_inside.read_text())["clusters"][0]["cluster"]
    ca.write_bytes(base64.b64decode(config["certificate-authority-data"]))
    log.touch()
    command = [
        sys.executable, "-m", "tests.cluster.guillotine", f"--token={token}", f"--ca={ca}",
        f"--upstream={config['server']}", f"--kills={KILLS}", f"--log={log}",
    ]  # fmt: skip
    with (folder / "operator.log").open("wb") as output:
        process = subprocess.Popen(
            inside(State.default(), command), cwd=CHECKOUT, stdout=output, stderr=output,
            env={**os.environ, **_environment(shop)},
        )  # fmt: skip
        try:
            yield Lives(log)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _environment(shop: Shop) -> dict[str, str]:
    """What the chart tells the operator, its pod's name included: a restarted container keeps it."""
    path = f"/apis/apps/v1/namespaces/{OPERATOR_NAMESPACE}/deployments/{RELEASE}"
    deployment = shop.api.request("GET", path)
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    told = {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
    return told | {
        "RECSYS_NAMESPACE": OPERATOR_NAMESPACE, "RECSYS_POD_NAME": "guillotine", "RECSYS_METRICS_PORT": "0",
        "RECSYS_METRICS_ADDRESS": "127.0.0.1",
    }  # fmt: skip
