"""From weight 0 in the API to the last request that reached the version, on the real gateway.

Two versions of the demo's model are loaded; a pin moves all users from one to the other and back. Each move
takes all weight from a version while users ask at a known rate. Both clocks are the observer's machine's: the API watch and
the gateway's access log. The limit that is printed beside it is the mean gap between two requests at that rate: earlier
than that nobody could tell.
"""

import json
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from recsys_local.demo.api import Api
from recsys_local.demo.data import fetch_ml100k, read_interactions, write_parquet
from recsys_local.demo.install import (
    cache_folder,
    cluster_up,
    endpoints,
    install_chart,
    make_bucket,
    make_namespace,
    put_file,
)
from recsys_local.demo.report import RECOMMEND, read_lines, started, version_of
from recsys_local.demo.stage import Kubectl, Stage, observing, replaying
from recsys_local.paths import CHECKOUT

Row = dict[str, Any]
Line = dict[str, Any]
NAMESPACE, MODEL = "bench-last-request", "movies"
MOVES = 60
RATE = 100.0
"""Requests a second."""
REQUESTS_BETWEEN = 100
"""So many requests reach a version before it loses its weight again."""


def rows() -> list[Row]:
    """One row for the last request, one for what users saw meanwhile."""
    cluster_up()
    kubectl = Kubectl(endpoints().kubeconfig)
    install_chart(kubectl)
    stage = Stage(Api(endpoints().kubeconfig), kubectl, NAMESPACE, MODEL)
    with tempfile.TemporaryDirectory(prefix="recsys-bench-") as text:
        folder = Path(text)
        try:
            names = _two_versions(stage, folder)
            timeline, answers = folder / "timeline.jsonl", folder / "answers.jsonl"
            users = folder / "users.json"
            users.write_text(json.dumps({str(user): [] for user in range(1, 944)}))
            answers.touch()
            url = f"{endpoints().gateway}/{NAMESPACE}"
            with (
                observing(kubectl.kubeconfig, NAMESPACE, timeline),
                replaying(stage, url, users, answers, rate=RATE),
            ):
                asked = _move(stage, names, answers)
            return _rows(read_lines(timeline), read_lines(answers), asked)
        finally:
            kubectl("delete", "namespace", NAMESPACE, "--wait=true", "--timeout=110s")


def _two_versions(stage: Stage, folder: Path) -> list[str]:
    """Both loaded: the first one stable, the second one in its canary."""
    make_namespace(stage.kubectl, NAMESPACE)
    table = folder / "interactions.parquet"
    write_parquet(read_interactions(fetch_ml100k(cache_folder() / "data")), table)
    put_file(table, "s3://lake/ml-100k/interactions.parquet")
    make_bucket("models")
    manifest = yaml.safe_load((CHECKOUT / "examples" / "movies.yaml").read_text())
    manifest["metadata"] = {"name": MODEL, "namespace": NAMESPACE}
    spec = manifest["spec"]
    spec["model"] = {"architecture": "GMF", "embeddingDim": 8}
    spec["training"] |= {"epochs": 1, "refit": "Never"}
    spec["evaluation"] = {"gates": [], "onUndecided": "Pass"}
    spec["rollout"]["gateway"]["pathPrefix"] = f"/{NAMESPACE}"
    for number in (1, 2):
        spec["training"]["seed"] = number
        stage.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
        # nobody asks yet, so the second one waits in its canary for a pin
        stage.wait_version(number, ("Stable",) if number == 1 else ("Canary",), seconds=300)
    return [item["metadata"]["name"] for item in stage.versions()]


def _move(stage: Stage, names: Sequence[str], answers: Path) -> list[float]:
    """Pin one version after the other; each keeps all users for a while. When each move was asked for, unix seconds."""
    asked = []
    for move in range(MOVES):
        pin = {"spec": {"rollout": {"pinnedVersion": names[move % 2]}}}
        asked.append(time.time())
        stage.kubectl("-n", NAMESPACE, "patch", "recm", MODEL, "--type=merge", "-p", json.dumps(pin))
        stage.wait_weight(names[move % 2], 100, seconds=30)
        _wait_for_requests(answers, REQUESTS_BETWEEN)
    return asked


def _wait_for_requests(answers: Path, count: int) -> None:
    """Until so many more requests were answered: the file grows by one line for each."""
    deadline = time.monotonic() + 60
    with answers.open() as file:
        file.seek(0, 2)
        seen = 0
        while seen < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{seen} of {count} requests were answered within 60 s")
            time.sleep(0.05)
            seen += len(file.readlines())


def _rows(timeline: Sequence[Line], answers: Sequence[Line], asked: Sequence[float]) -> list[Row]:
    gaps = sorted(last_requests(timeline, asked))
    failed = sum(not 200 <= line["status"] < 300 for line in answers)
    limit = 1 / RATE
    worst = gaps[-1]
    p50, p99 = gaps[len(gaps) // 2], gaps[min(len(gaps) - 1, int(0.99 * len(gaps)))]
    name = f"weight 0 to the last request, max of {len(gaps)} at {RATE:.0f} rps"
    return [
        {
            "name": name, "unit": "s", "value": round(worst, 3), "peer": "gap between two requests", "peerValue": limit,
            "ratio": round(limit / worst, 2) if worst > 0 else None, "atLeast": None, "ok": worst <= 0.3,
            "n": len(gaps), "p50": round(p50, 3), "p99": round(p99, 3), "max": round(worst, 3),
        },
        {
            "name": f"requests that failed while all users moved {len(gaps)} times", "unit": "requests",
            "value": failed, "peer": "sent", "peerValue": len(answers), "ratio": None, "atLeast": None,
            "ok": failed == 0,
        },
    ]  # fmt: skip


def last_requests(timeline: Sequence[Line], asked: Sequence[float]) -> list[float]:
    """Seconds from each loss of all weight to the last request that the gateway still sent there; below 0: none came.

    Requests count until the next move was asked for: the gateway may carry that one out before the observer's watch
    has told of it, and its first requests are not this one's last.
    """
    routes = [line for line in timeline if line["kind"] == "route"]
    access = [line for line in timeline if line["kind"] == "access" and RECOMMEND in str(line.get("path"))]
    found = []
    for before, after in pairwise(routes):
        until = next((at for at in asked if at > after["at"]), float("inf"))
        for name, weight in before["weights"].items():
            if weight == 0 or after["weights"].get(name, 0) > 0:
                continue
            kept = [at for line in access if version_of(line) == name and (at := started(line)) < until]
            if kept:
                found.append(max(kept) - after["at"])
    return found
