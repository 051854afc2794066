"""Bringing the cluster up and down.

`down` leaves no process, mount, namespace or address, whatever state `up` was in when it was cut off: it works from
what it finds (pid files, mounts below our folders), not from what should be there.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from recsys_local import addons, components, configuration, network, pki, preflight, processes
from recsys_local.access import Access
from recsys_local.binaries import ensure_binaries, missing_components
from recsys_local.debian import ensure_packages
from recsys_local.errors import CommandError, LocalError
from recsys_local.image_specs import IMAGES, RUNNABLE
from recsys_local.images import ensure_images, missing_images
from recsys_local.paths import CHECKOUT, RUN, Cache, State
from recsys_local.ports import forwards, port_of
from recsys_local.runtime import Runtime
from recsys_local.shell import long_part, say, succeeds, wait_until

_GIB_BINARIES, _GIB_TORCH, _GIB_OTHERS, _GIB_RUNNING = 8.0, 18.0, 2.0, 2.0


class Cluster(Access):
    """One cluster of one checkout, to bring up and down."""

    @property
    def runtime(self) -> Runtime:
        return Runtime(self.cache, self.state, self.env)

    def running(self) -> dict[str, bool]:
        """Part -> whether its process lives."""
        recorded = processes.recorded(self.state.pids)
        return {name: name in recorded and recorded[name].alive for name in components.NAMES}

    def up(self, *, with_s3: bool = True) -> None:
        """Everything from whatever is there to a cluster that serves; does nothing twice."""
        machine = preflight.this_machine()
        preflight.require(preflight.check_root(machine))
        with exclusive(self.cache):
            self._end_other_checkout()
            already = self.running()
            if all(already.values()):
                say("the cluster is running")
            else:
                self._prepare(machine, any(already.values()))
            self.build()
            try:
                with long_part("starting the cluster", "25 s"):
                    if not all(already.values()):
                        self._start()
                    self.runtime.load(list(RUNNABLE))
                    addons.install(self, with_s3=with_s3)
            except KeyboardInterrupt:
                say("interrupted: ending what was started")
                self._end()
                raise

    def build(self) -> None:
        """Packages, binaries and images; at once when all is cached."""
        self._check_disk()
        ensure_packages(self.cache.root / "logs" / "apt.log")
        ensure_binaries(self.cache)
        ensure_images(self.cache)

    def down(self) -> None:
        """End the cluster and remove its state; the logs stay for reading."""
        with exclusive(self.cache):
            self._end()

    # -- starting -------------------------------------------------------------------------------------------------

    def _prepare(self, machine: preflight.Machine, half_running: bool) -> None:
        if half_running or self.state.netns.exists() or _mounts_below([self.state.root, RUN]):
            say("cleaning up what an earlier run left")
            self._end()
        problems = preflight.check_ports(machine, forwards()) + preflight.check_cgroups(machine)
        problems += preflight.check_socket_path(self.state.root)
        preflight.require(problems)
        ensure_packages(self.cache.root / "logs" / "apt.log")
        preflight.require(preflight.check_features(machine))

    def _check_disk(self) -> None:
        needed, reasons = _GIB_RUNNING, ["a running cluster"]
        if missing_components(self.cache):
            needed, reasons = needed + _GIB_BINARIES, [*reasons, "building the binaries"]
        missing = (
            {image.name for image in missing_images(self.cache)} if not missing_components(self.cache) else set(IMAGES)
        )
        if "torch" in missing:
            needed, reasons = needed + _GIB_TORCH, [*reasons, "images with torch"]
        elif missing:
            needed, reasons = needed + _GIB_OTHERS, [*reasons, "images"]
        machine = preflight.this_machine()
        preflight.require(preflight.check_disk(machine, self.cache.root, needed, ", ".join(reasons)))

    def _start(self) -> None:
        state = self.state
        shutil.rmtree(state.root, ignore_errors=True)
        state.root.mkdir(parents=True)
        RUN.mkdir(parents=True, exist_ok=True)
        self._write_owner()
        network.create(state)
        pki.create(state.pki)
        configuration.write_all(self.cache, state, IMAGES["pause"].alias, port_of("api"))
        self._launch(components.containerd(state))
        self._launch(components.etcd(state))
        self._launch(components.relay(state))
        self._launch(components.apiserver(state))
        self._await_containerd()
        wait_until("the API server", self._api_ready, 60)
        addons.apply_file(self, "bootstrap.yaml")
        for process in (
            components.controller_manager,
            components.scheduler,
            components.kubelet,
            components.proxy,
            components.coredns,
        ):
            self._launch(process(state))
        self.runtime.load([IMAGES["pause"]])
        wait_until("the node", self._node_ready, 60)

    def _launch(self, process: components.Process) -> None:
        log = self.state.logs / f"{process.name}.log"
        processes.start(process.name, process.command, pids=self.state.pids, log=log, env=self.env)

    def _await_containerd(self) -> None:
        wait_until("containerd", self.runtime.ready, 30)
        if self.runtime.containers():
            # left by a crash: gone from the new API server's world, so containerd must forget them before kubelet looks
            self.runtime.end_all()
            processes.end([processes.recorded(self.state.pids)["containerd"]], 5)
            self._launch(components.containerd(self.state))
            wait_until("containerd", self.runtime.ready, 30)
        self.runtime.forget_old_images()

    def _api_ready(self) -> bool:
        self._require_alive("etcd", "apiserver", "relay")
        return succeeds(["kubectl", "get", "--raw", "/readyz"], env=self.env)

    def _node_ready(self) -> bool:
        self._require_alive("containerd", "kubelet")
        query = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
        try:
            return self.kubectl("get", "node", components.NODE_NAME, "-o", query) == "True"
        except CommandError:
            return False

    def _require_alive(self, *names: str) -> None:
        alive = self.running()
        for name in names:
            if not alive[name]:
                log = self.state.logs / f"{name}.log"
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:]) if log.exists() else ""
                raise LocalError(f"{name} has ended; {log} ends with:\n{tail}")

    # -- ending ---------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        recorded = processes.recorded(self.state.pids)
        runtime = self.runtime
        # kubelet first, or it would start again what is ended below it
        processes.end([recorded[name] for name in ("kubelet",) if name in recorded], 5)
        if "containerd" in recorded and recorded["containerd"].alive:
            with contextlib.suppress(CommandError, subprocess.TimeoutExpired):
                runtime.end_all()
        shims = runtime.shims()
        processes.end([*recorded.values(), *shims], 3)
        processes.end(runtime.shims(), 1)
        for mount in _mounts_below([self.state.root, RUN, self.cache.containers_storage]):
            subprocess.run(["umount", "--lazy", mount], capture_output=True)
        network.remove(self.state)
        _remove_cgroups()
        _remove_links(Path("/var/log/containers"), self.state.root)
        shutil.rmtree(RUN, ignore_errors=True)
        _remove_except(self.state.root, self.state.logs)
        self.cache.owner.unlink(missing_ok=True)

    def _write_owner(self) -> None:
        self.cache.root.mkdir(parents=True, exist_ok=True)
        self.cache.owner.write_text(json.dumps({"checkout": str(CHECKOUT), "state": str(self.state.root)}))

    def _end_other_checkout(self) -> None:
        """One cluster a machine. Another checkout's living one is an error, its remains are cleaned up."""
        if not self.cache.owner.exists():
            return
        owner = json.loads(self.cache.owner.read_text())
        if owner["state"] == str(self.state.root):
            return
        other = Cluster(self.cache, State(Path(owner["state"])))
        if any(other.running().values()):
            raise LocalError(
                f"the cluster of {owner['checkout']} is running and a machine has one: "
                "run `python -m recsys_local down` there first"
            )
        other._end()


@contextlib.contextmanager
def exclusive(cache: Cache) -> Iterator[None]:
    """Only one `up`, `down` or `build` at a time with one cache."""
    cache.root.mkdir(parents=True, exist_ok=True)
    with cache.lock.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            raise LocalError(
                f"{handle.read().strip() or 'another checkout'} is busy with up, down or build: wait for it"
            ) from None
        handle.truncate(0)
        handle.write(f"{CHECKOUT} (process {os.getpid()})")
        handle.flush()
        yield


def _mounts_below(folders: list[Path]) -> list[str]:
    """Mount points in or below the folders, the deepest first."""
    points = [
        line.split()[1].encode().decode("unicode_escape") for line in Path("/proc/mounts").read_text().splitlines()
    ]
    found = [point for point in points if any(Path(point).is_relative_to(folder) for folder in folders)]
    return sorted(found, reverse=True)


def _remove_cgroups() -> None:
    """kubelet's cgroups are empty by now; deepest first, as the kernel wants it."""
    for top in [*Path("/sys/fs/cgroup").glob("kubepods"), *Path("/sys/fs/cgroup").glob("*/kubepods")]:
        folders = [top, *(path for path in top.rglob("*") if path.is_dir())]
        for folder in sorted(folders, reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()


def _remove_links(folder: Path, target: Path) -> None:
    """kubelet links every container's log here; links into our state would dangle."""
    for link in folder.glob("*") if folder.is_dir() else []:
        if link.is_symlink() and Path(os.readlink(link)).is_relative_to(target):
            link.unlink()


def _remove_except(folder: Path, kept: Path) -> None:
    for path in folder.glob("*") if folder.is_dir() else []:
        if path == kept:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
