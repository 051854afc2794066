"""Watches from outside what the operator does: the API server's objects and the gateway's access log.

`python -m recsys_local.demo.observer --kubeconfig … --namespace … --timeline FILE` until SIGTERM. It imports nothing of the
product: what it reports is what anybody could have seen. Each line of the timeline is one JSON object with `at` (the
observer's clock, seconds since the epoch) and `kind` (version, model, route, access).
"""

import argparse
import json
import signal
import threading
import time
from pathlib import Path
from typing import Any, TextIO

from recsys_local.demo.api import Api, ApiError
from recsys_local.demo.routes import decision_of, weights_of

GROUP = "/apis/recsys.dev/v1alpha1"
ROUTES = "/apis/gateway.networking.k8s.io/v1"
PROXY_NAMESPACE = "envoy-gateway-system"
PROXY_SELECTOR = "app.kubernetes.io%2Fcomponent%3Dproxy%2Capp.kubernetes.io%2Fmanaged-by%3Denvoy-gateway"


class Timeline:
    """An append-only file of what was seen, safe for several threads."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._lock = file, threading.Lock()

    def add(self, kind: str, **fields: object) -> None:
        """Write one line now, with the observer's time."""
        line = json.dumps({"at": time.time(), "kind": kind, **fields})
        with self._lock:
            self._file.write(line + "\n")


def summary(kind: str, item: dict[str, Any]) -> dict[str, Any]:
    """What the timeline keeps of an object."""
    name, status = item["metadata"]["name"], item.get("status", {})
    if kind == "route":
        return {"name": name, "weights": weights_of(item), "decision": decision_of(item)}
    if kind == "version":
        fields = ("phase", "reason", "message", "offline", "baseline", "training", "quarantined")
        return {"name": name, "number": item["spec"]["number"], **{field: status.get(field) for field in fields}}
    return {"name": name, **{field: status.get(field) for field in ("stable", "candidate", "weight", "reason")}}


def watch(api: Api, kind: str, path: str, timeline: Timeline, stop: threading.Event) -> None:
    """List, then follow a resource until told to stop; a broken watch starts again."""
    while not stop.is_set():
        try:
            listing = api.request("GET", path)
            for item in listing["items"]:
                timeline.add(kind, type="LISTED", **summary(kind, item))
            version = listing["metadata"]["resourceVersion"]
            for line in api.stream(
                f"{path}?watch=1&resourceVersion={version}&timeoutSeconds=3600", timeout_seconds=3700
            ):
                event = json.loads(line)
                if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                    timeline.add(kind, type=event["type"], **summary(kind, event["object"]))
        except (OSError, ApiError, ValueError) as error:
            timeline.add("note", what=f"watch of {kind} began again: {error}")
            stop.wait(0.2)


def follow_access_log(api: Api, timeline: Timeline, stop: threading.Event) -> None:
    """Copy every line of the gateway's access log into the timeline."""
    while not stop.is_set():
        try:
            pods = api.request("GET", f"/api/v1/namespaces/{PROXY_NAMESPACE}/pods?labelSelector={PROXY_SELECTOR}")
            name = pods["items"][0]["metadata"]["name"]
            path = f"/api/v1/namespaces/{PROXY_NAMESPACE}/pods/{name}/log?container=envoy&follow=true&sinceSeconds=1"
            for line in api.stream(path, timeout_seconds=3700):
                if line.startswith(b"{"):
                    timeline.add("access", **json.loads(line))
        except (OSError, ApiError, ValueError, IndexError) as error:
            timeline.add("note", what=f"access log began again: {error}")
            stop.wait(0.2)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Observe a model from outside.")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--timeline", type=Path, required=True)
    options = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    api, ours = Api(options.kubeconfig), f"{GROUP}/namespaces/{options.namespace}"
    with options.timeline.open("a", buffering=1) as file:
        timeline = Timeline(file)
        watched = {
            "version": f"{ours}/modelversions",
            "model": f"{ours}/recommendermodels",
            "route": f"{ROUTES}/namespaces/{options.namespace}/httproutes",
        }
        for kind, path in watched.items():
            threading.Thread(target=watch, args=(api, kind, path, timeline, stop), daemon=True).start()
        threading.Thread(target=follow_access_log, args=(api, timeline, stop), daemon=True).start()
        stop.wait()


if __name__ == "__main__":
    main()
