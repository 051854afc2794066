"""`python -m recsys_serving.supervisor`: PID 1 of the Triton container.

    Starting --probe ok--> Serving --n probes failed / exited--> Waiting(back-off) --> Starting
       |                                                            ^
       +-- exited / not serving in start_seconds -------------------+
    any --SIGTERM--> Draining (drain_seconds: the API still answers) --> Stopping --> exit 0

Kubernetes takes a pod out of service when one of its containers is down, and then no fallback could answer either:
so this process stays, whatever happens to tritonserver.
"""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from recsys_api.serving_pod import START_SECONDS, START_SECONDS_VARIABLE
from recsys_serving.errors import run_main
from recsys_serving.settings import TritonSettings, read_triton_settings
from recsys_serving.triton_process import (
    EXIT_TIMEOUT_SECONDS,
    Probe,
    TritonProcess,
    build_command,
    build_environment,
    find_triton_home,
    probe_model,
    shared_memory_prefix,
)


class Server(Protocol):
    """A started server."""

    pid: int

    def terminate(self) -> None:
        """SIGTERM."""
        ...

    def destroy(self) -> None:
        """SIGKILL to the whole group."""
        ...


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Times of the supervisor, in seconds."""

    probe_period_seconds: float = 1.0
    probe_timeout_seconds: float = 2.0
    retry_seconds: float = 0.25
    failed_probes: int = 3
    start_seconds: float = START_SECONDS
    say_seconds: float = 15.0
    """How often the log is told that a started server does not serve yet."""
    first_back_off_seconds: float = 0.5
    max_back_off_seconds: float = 30.0
    calm_seconds: float = 60.0
    """A server that served this long starts again with the first back-off."""
    drain_seconds: float = 5.0
    exit_seconds: float = EXIT_TIMEOUT_SECONDS + 5.0


class RestartLog:
    """How often tritonserver was restarted in this pod; survives a restart of this container."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.restarts = -1
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            self.restarts = int(json.loads(path.read_text())["restarts"])

    def record_start(self, reason: str) -> None:
        """Count one start (the first is no restart) and write the file by rename."""
        self.restarts += 1
        temporary = self._path.with_suffix(".tmp")
        try:
            temporary.write_text(json.dumps({"restarts": self.restarts, "reason": reason}))
            os.replace(temporary, self._path)
        except OSError as error:  # a full disk, for example: serving goes on, and the next start tells
            _say(f"restarts are not counted: {self._path.name} cannot be written ({error.strerror})")


class Supervisor:
    """The state machine; every effect is injected, so that tests step it with a fake clock."""

    def __init__(
        self,
        *,
        start: Callable[[], Server],
        probe: Callable[[], Probe],
        log: RestartLog,
        policy: Policy,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start, self._probe, self._log, self.policy, self._now = start, probe, log, policy, now
        self._server: Server | None = None
        self._reason = "first start"
        self._back_off = policy.first_back_off_seconds
        self._start_at = self._next_probe = self._started_at = self._said_at = now()
        self._served_since: float | None = None
        self._failures = 0
        self._stop_at: float | None = None
        self._kill_at: float | None = None

    @property
    def done(self) -> bool:
        """SIGTERM was handled to its end."""
        return self._kill_at is not None and self._server is None

    def request_stop(self) -> None:
        """SIGTERM: the API goes on answering for drain_seconds and still needs the server."""
        if self._stop_at is None:
            self._stop_at = self._now() + self.policy.drain_seconds

    def child_exited(self, pid: int, status: int) -> None:
        """A child was reaped; orphans of other groups are none of our business."""
        if self._server is not None and pid == self._server.pid:
            self._lost(f"tritonserver ended with {os.waitstatus_to_exitcode(status)}")

    def step(self) -> None:
        """Do what is due now."""
        if self._stop_at is not None and self._now() >= self._stop_at:
            self._stop()
        elif self._server is None:
            if self._now() >= self._start_at and self._stop_at is None:
                self._begin()
        elif self._now() >= self._next_probe:
            self._check()

    def _begin(self) -> None:
        self._log.record_start(self._reason)
        try:
            self._server = self._start()
        except OSError as error:
            self._lost(f"tritonserver cannot be started ({error.strerror})")
            return
        self._started_at = self._said_at = self._now()
        self._served_since, self._failures = None, 0
        self._next_probe = self._started_at + self.policy.probe_period_seconds

    def _check(self) -> None:
        probe = self._probe()
        if probe is Probe.SERVING:
            self._served_since = self._now() if self._served_since is None else self._served_since
            self._failures = 0
        elif probe is Probe.SILENT or self._served_since is not None:
            self._failures += 1
        # Silence has cost its timeout already, so the next try comes soon.
        pause = self.policy.retry_seconds if probe is Probe.SILENT else self.policy.probe_period_seconds
        self._next_probe = self._now() + pause
        if self._failures >= self.policy.failed_probes:
            self._lost(f"killed tritonserver: {self._failures} probes failed, the last one {probe.value}")
        elif self._served_since is None:
            self._wait(probe)

    def _wait(self, probe: Probe) -> None:
        """The server has not served yet: give it up when its time is over, else say at times what is waited for."""
        now, limit = self._now(), f"{self.policy.start_seconds:g} s ({START_SECONDS_VARIABLE})"
        if now - self._started_at > self.policy.start_seconds:
            self._lost(f"killed tritonserver: it ranked nothing within {limit}, the last probe was {probe.value}")
        elif now - self._said_at >= self.policy.say_seconds:
            self._said_at = now
            waited = f"{now - self._started_at:.0f} s after its start"
            _say(
                f"waiting for tritonserver: it ranks nothing {waited}, the probe is {probe.value}; killed after {limit}"
            )

    def _lost(self, reason: str) -> None:
        if self._server is not None:
            self._server.destroy()
        if self._served_since is not None and self._now() - self._served_since >= self.policy.calm_seconds:
            self._back_off = self.policy.first_back_off_seconds
        self._server, self._served_since, self._reason = None, None, reason
        self._start_at = self._now() + self._back_off
        if self._stop_at is None:
            _say(f"{reason}; starting again in {self._back_off:g} s")
        self._back_off = min(2 * self._back_off, self.policy.max_back_off_seconds)

    def _stop(self) -> None:
        if self._kill_at is None:
            self._kill_at = self._now() + self.policy.exit_seconds
            if self._server is not None:
                self._server.terminate()
        elif self._server is not None and self._now() >= self._kill_at:
            self._server.destroy()
            self._server = None


def reap(supervisor: Supervisor) -> None:
    """Collect every child that ended; as PID 1 that includes orphans."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        supervisor.child_exited(pid, status)


def run(supervisor: Supervisor, tick_seconds: float = 0.2) -> None:
    """Step until SIGTERM has been handled; wakes at once on a signal."""
    watched = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    while not supervisor.done:
        supervisor.step()
        received = signal.sigtimedwait(watched, tick_seconds)
        if received is not None and received.si_signo != signal.SIGCHLD:
            supervisor.request_stop()
        reap(supervisor)


def build_supervisor(env: Mapping[str, str], settings: TritonSettings) -> Supervisor:
    """The supervisor of a real tritonserver."""
    shm_prefix = shared_memory_prefix(os.getpid())
    command = build_command(find_triton_home(env), settings, shm_prefix)
    environment = build_environment(env)
    policy = Policy(start_seconds=settings.start_seconds, drain_seconds=settings.drain_seconds + 1.0)
    return Supervisor(
        start=lambda: TritonProcess(command, environment, shm_prefix),
        probe=lambda: probe_model(settings.http_port, policy.probe_timeout_seconds),
        log=RestartLog(settings.state_file),
        policy=policy,
    )


def _say(text: str) -> None:
    print(f"recsys-supervisor: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Entry point."""
    run(build_supervisor(os.environ, read_triton_settings(os.environ)))
    return 0


if __name__ == "__main__":
    sys.exit(run_main("recsys-supervisor", main))
