"""What the story acts with: kubectl, the manifest in its Git repository, helper processes, printed lines."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from recsys_local.demo.api import Api, Object
from recsys_local.demo.routes import weights_of

NAMESPACE = "shop"
MODEL = "movies"
ENDED = ("Failed", "Invalid", "Rejected", "RolledBack", "NoNewData")


class Narrator:
    """Prints the story, line by line with measured times, and remembers what did not come true."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.broken: list[str] = []
        self.lines: list[dict[str, Any]] = []

    def chapter(self, title: str) -> None:
        """A heading."""
        print(f"\n{self._clock()}  {title}", flush=True)

    def note(self, text: str) -> None:
        """What goes on at the moment."""
        print(f"{self._clock()}    … {text}", flush=True)

    def tell(self, text: str, action: Callable[[], str | None]) -> bool:
        """Do something that must come true; print how long it took, or why it did not."""
        begun = time.monotonic()
        try:
            detail, true = action(), True
        except (AssertionError, TimeoutError, subprocess.CalledProcessError, RuntimeError, OSError) as error:
            detail, true = _why(error), False
            self.broken.append(f"{text}: {detail}")
        seconds = time.monotonic() - begun
        self.lines.append({"line": text, "true": true, "seconds": round(seconds, 2), "detail": detail})
        print(
            f"{self._clock()}    {'✓' if true else '✗'} {text}{f' - {detail}' if detail else ''}  [{seconds:.1f} s]",
            flush=True,
        )
        return true

    def _clock(self) -> str:
        seconds = int(time.monotonic() - self.started)
        return f"{seconds // 60:02d}:{seconds % 60:02d}"


def _why(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return (error.stderr or error.stdout or str(error)).strip().splitlines()[-1]
    return str(error) or type(error).__name__


class Kubectl:
    """kubectl against one cluster, as a person would type it."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self._program = str(Path(sys.executable).parent / "kubectl")

    def __call__(self, *args: str, stdin: str | None = None) -> str:
        """Run; its standard output. CalledProcessError where it refuses."""
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        done = subprocess.run(
            [self._program, *args],
            input=stdin,
            capture_output=True,
            text=True,
            check=True,
            env=environment,
            timeout=120,
        )
        return done.stdout.strip()


class Manifests:
    """movies.yaml in a Git repository of its own: the demo's stand-in for a GitOps repository."""

    def __init__(self, folder: Path, example: Path) -> None:
        self.folder, self.file = folder, folder / "movies.yaml"
        folder.mkdir(parents=True, exist_ok=True)
        self._git("init", "--quiet", "--initial-branch=main")
        self.file.write_text(example.read_text())

    def edit(self, message: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the manifest and commit."""
        manifest = yaml.safe_load(self.file.read_text())
        change(manifest["spec"])
        self.file.write_text(yaml.safe_dump(manifest, sort_keys=False))
        self.commit(message)

    def commit(self, message: str) -> None:
        """Commit the file as it is."""
        self._git("add", "movies.yaml")
        self._git("commit", "--quiet", "--allow-empty", "-m", message)

    def revert_to(self, message: str) -> None:
        """`git revert` every commit after the one with this message, newest first."""
        log = self._git("log", "--format=%H %s").splitlines()
        after = []
        for entry in log:
            commit, _, subject = entry.partition(" ")
            if subject == message:
                break
            after.append(commit)
        self._git("revert", "--no-edit", *after)

    def _git(self, *args: str) -> str:
        identity = ["-c", "user.name=demo", "-c", "user.email=demo@example.com"]
        done = subprocess.run(
            ["git", *identity, *args], cwd=self.folder, check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout


class Background:
    """A helper process (observer, replay) that is ended by its id."""

    def __init__(self, module: str, *args: str, log: Path) -> None:
        self._log = log.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *args], stdout=self._log, stderr=self._log, start_new_session=True
        )

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after 20 s."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        self._log.close()


@contextmanager
def observing(kubeconfig: Path, namespace: str, timeline: Path) -> Iterator[None]:
    """An observer writes what it sees of a namespace and of the gateway into a file, until the end of the block."""
    observer = Background(
        "recsys_local.demo.observer",
        f"--kubeconfig={kubeconfig}",
        f"--namespace={namespace}",
        f"--timeline={timeline}",
        log=timeline.with_suffix(".log"),
    )
    try:
        yield
    finally:
        observer.stop()


@contextmanager
def replaying(stage: "Stage", url: str, users: Path, answers: Path, *, rate: float = 40.0) -> Iterator[None]:
    """Users ask through the gateway at a bounded rate, each with their bucket, until the end of the block.

    Args:
        users: JSON, user -> items really taken.
        answers: one JSON line for each request.
        rate: requests a second.
    """
    secret = stage.api.get(f"/api/v1/namespaces/{stage.namespace}/secrets/{stage.model}-keys")
    assert secret is not None, "the operator has not made the Secret with the bucket key"
    replay = Background(
        "recsys_local.demo.replay",
        f"--url={url}",
        f"--users={users}",
        f"--key={base64.b64decode(secret['data']['bucket']).decode()}",
        f"--log={answers}",
        f"--rate={rate}",
        log=answers.with_suffix(".log"),
    )
    try:
        yield
    finally:
        replay.stop()


class Stage:
    """One model in the cluster as a person sees it: versions, weights, actions."""

    def __init__(self, api: Api, kubectl: Kubectl, namespace: str = NAMESPACE, model: str = MODEL) -> None:
        self.api, self.kubectl, self.namespace, self.model = api, kubectl, namespace, model
        self.ours = f"/apis/recsys.dev/v1alpha1/namespaces/{namespace}"
        self.route = f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes/{model}"

    def versions(self) -> list[Object]:
        """The model's versions by number."""
        items = self.api.request("GET", f"{self.ours}/modelversions")["items"]
        mine = [item for item in items if item["spec"]["modelName"] == self.model]
        return sorted(mine, key=lambda item: int(item["spec"]["number"]))

    def version(self, number: int) -> Object:
        """The version with this number; LookupError where there is none."""
        for item in self.versions():
            if item["spec"]["number"] == number:
                return item
        raise LookupError(f"{self.model} has no version {number}")

    def wait_version(self, number: int, phases: tuple[str, ...], *, seconds: float) -> Object:
        """The version with this number once it is in one of the phases; ends early where it ended otherwise."""

        def arrived(listing: Object) -> bool:
            for item in listing["items"]:
                status = item.get("status", {})
                if (item["spec"]["modelName"], item["spec"]["number"]) != (self.model, number):
                    continue
                if status.get("phase") in phases:
                    return True
                if status.get("phase") in ENDED:
                    raise AssertionError(f"version {number} ended as {_state(item)}")
            return False

        what = f"version {number} of {self.model} {'/'.join(phases)}"
        self.api.wait(f"{self.ours}/modelversions", arrived, seconds=seconds, what=what)
        return self.version(number)

    def weights(self) -> dict[str, int]:
        """{version: percent} in the HTTPRoute."""
        route = self.api.get(self.route)
        return {} if route is None else weights_of(route)

    def wait_weight(self, version: str, percent: int, *, seconds: float) -> float:
        """Until the HTTPRoute gives a version this share; the seconds that it took."""
        begun = time.monotonic()
        what = f"{version} at {percent} %"
        self.api.wait(self.route, lambda r: weights_of(r).get(version, 0) == percent, seconds=seconds, what=what)
        return time.monotonic() - begun

    def ask(self, verb: str, version: str | None = None) -> str:
        """Create a ModelAction; its name."""
        spec = {"modelName": self.model, "verb": verb, "requestedBy": "on-call", "reason": "demo"}
        manifest = {
            "apiVersion": "recsys.dev/v1alpha1",
            "kind": "ModelAction",
            "metadata": {"generateName": f"{verb.lower()}-"},
            "spec": spec | ({"version": version} if version else {}),
        }
        return self.kubectl("-n", self.namespace, "create", "-o", "name", "-f", "-", stdin=json.dumps(manifest))


def _state(item: Object) -> str:
    status = item.get("status", {})
    return f"{status.get('phase')} ({status.get('reason')}: {status.get('message')})"
