"""Talking to containerd: loading images, and ending what its containers left."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

from recsys_local import oci, processes
from recsys_local.errors import CommandError
from recsys_local.image_specs import REPOSITORY, RUNNABLE, Image
from recsys_local.paths import Cache, State
from recsys_local.shell import long_part, run, say, succeeds

_CONTENT_STORE = "io.containerd.content.v1.content"


class Runtime:
    """The cluster's containerd through `ctr`."""

    def __init__(self, cache: Cache, state: State, env: Mapping[str, str]) -> None:
        self._cache, self._state, self._env = cache, state, env
        self._ctr = ["ctr", "--address", str(state.containerd_socket), "--namespace", "k8s.io"]

    def ready(self) -> bool:
        return succeeds([*self._ctr, "version"], env=self._env)

    def images(self) -> dict[str, str]:
        """Image name -> digest of its manifest."""
        lines = self._run("images", "ls").splitlines()[1:]
        return {fields[0]: fields[2] for fields in (line.split() for line in lines) if len(fields) > 2}

    def load(self, images: list[Image]) -> None:
        """Import images that containerd lacks; only new layers travel, through a pipe."""
        known = self.images()
        wanted: list[tuple[dict[str, object], list[str]]] = []
        for image in images:
            descriptor = oci.find_manifest(self._cache.layout, image.reference)
            names = [image.reference, image.alias]
            if descriptor and any(known.get(name) != descriptor["digest"] for name in names):
                wanted.append((descriptor, names))
        if not wanted:
            return
        shown = ", ".join(names[0] for _, names in wanted)
        with long_part(f"loading {shown}", "2 s, with torch 1 min", "layers are kept"):
            sent = self._import(wanted)
            oci.share_blobs(self._cache.layout, self._cache.containerd / _CONTENT_STORE)
        say(f"    {sent / 1e6:.1f} MB sent")

    def _import(self, wanted: list[tuple[dict[str, object], list[str]]]) -> int:
        present = frozenset(self._run("content", "ls", "--quiet").split())
        command = [*self._ctr, "images", "import", "--local", "--no-unpack=false", "-"]
        with subprocess.Popen(
            command, env=self._env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            sent = 0
            try:
                sent = oci.write_thin_archive(process.stdin, self._cache.layout, wanted, present)
                process.stdin.close()
            except BrokenPipeError:
                pass  # ctr has ended early; its output says why
            output = process.stdout.read().decode(errors="replace")
        if process.returncode:
            raise CommandError(command, process.returncode, output)
        return sent

    def forget_old_images(self) -> None:
        """Remove our images whose content the sources have left behind; for a cluster that runs no pods yet."""
        current = {name for image in RUNNABLE for name in (image.reference, image.alias)}
        stale = [name for name in self.images() if name.startswith(REPOSITORY + "/") and name not in current]
        if stale:
            self._run("images", "rm", *stale)

    def containers(self) -> list[str]:
        return self._run("containers", "ls", "--quiet").split()

    def end_all(self) -> None:
        """Kill every task and remove every container: containerd's own end would leave shims and mounts."""
        tasks = self._run("tasks", "ls", "--quiet").split()
        for task in tasks:
            self._try("tasks", "kill", "--signal", "KILL", task)
        for task in tasks:
            self._try("tasks", "delete", "--force", task)
        containers = self.containers()
        if containers:
            self._try("containers", "rm", *containers)

    def shims(self) -> list[processes.Recorded]:
        """containerd's shims; found by the socket's path among their arguments."""
        return processes.with_argument(str(self._state.containerd_socket))

    def _run(self, *arguments: str) -> str:
        return run([*self._ctr, *arguments], env=self._env)

    def _try(self, *arguments: str) -> None:
        subprocess.run([*self._ctr, *arguments], env=self._env, capture_output=True, timeout=30)
