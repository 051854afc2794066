"""What the story acts with: kubectl, the manifest in its Git repository, helper processes, printed lines."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from recsys_local.demo.api import Api, Object

NAMESPACE = "shop"
MODEL = "movies"
OURS = f"/apis/recsys.dev/v1alpha1/namespaces/{NAMESPACE}"
ROUTE = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes/{MODEL}"


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


class Stage:
    """The cluster as the story sees it."""

    def __init__(self, api: Api, kubectl: Kubectl) -> None:
        self.api, self.kubectl = api, kubectl

    def versions(self) -> list[Object]:
        """ModelVersions by number."""
        items = self.api.request("GET", f"{OURS}/modelversions")["items"]
        return sorted(items, key=lambda item: int(item["spec"]["number"]))

    def wait_version(self, number: int, phases: tuple[str, ...], *, seconds: float) -> Object:
        """The version with this number once it is in one of the phases; ends early where it ended otherwise."""
        deadline = time.monotonic() + seconds
        seen = "no such version yet"
        while time.monotonic() < deadline:
            for item in self.versions():
                status = item.get("status", {})
                if item["spec"]["number"] != number:
                    continue
                seen = f"{status.get('phase')} ({status.get('reason')}: {status.get('message')})"
                if status.get("phase") in phases:
                    return item
                if status.get("phase") in ("Failed", "Invalid", "Rejected", "RolledBack", "NoNewData"):
                    raise AssertionError(f"version {number} ended as {seen}")
            time.sleep(0.2)
        raise TimeoutError(f"version {number} not {'/'.join(phases)} within {seconds:.0f} s; it is {seen}")

    def weights(self) -> dict[str, int]:
        """{version: percent} in the HTTPRoute."""
        route = self.api.get(ROUTE)
        if route is None:
            return {}
        return {ref["name"]: int(ref.get("weight", 1)) for ref in route["spec"]["rules"][-1]["backendRefs"]}

    def wait_weight(self, version: str, percent: int, *, seconds: float) -> None:
        """Until the HTTPRoute gives a version this share."""
        deadline = time.monotonic() + seconds
        while (seen := self.weights()).get(version, 0) != percent:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{version} not at {percent} % within {seconds:.0f} s; the route says {seen}")
            time.sleep(0.05)
