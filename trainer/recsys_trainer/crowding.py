"""How OpenMP's threads wait for each other: spinning while the CPUs are theirs, next to not at all while others want them too.

A step of training is some hundred short operations that all threads share. Spinning threads are there at once; sleeping ones
must be woken for each, which takes longer than many of the operations. Where another process wants a CPU, threads spin for one that does
not run. `python -m benchmarks waiting`: two threads that sleep make two thirds of the steps of two that spin, and beside a busy process
two that spin make a third of those of two that sleep.

libgomp reads how to wait once, but spins 3,000 times shorter (100 rounds for 300,000) while it manages more threads than there
are CPUs (https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html). So a team of idle threads, which is there while others
want the CPUs, switches between the two. Results do not depend on it.
"""

import ctypes
import os
import threading
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

EVERY = 0.5
"""Seconds between two looks."""
CROWDED, CALM = 0.15, 0.05
"""CPUs that our threads waited for, mean since the look before: alone .00 to .06, beside one busy process .34 to .81, beside two .40 to 1.06
(two threads on two CPUs). Above the first others are there; below the second they are not."""
CALM_LOOKS = 4
"""In a row, until threads spin again."""
MOST_CPUS = 128
"""Beyond them the team would be too large, and threads always sleep."""
SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""Whoever sets one of these has decided."""
TASKS = Path("/proc/self/task")
MAPS = Path("/proc/self/maps")


def leave_waiting_open(environment: MutableMapping[str, str] = os.environ) -> None:
    """Before torch is loaded: let threads sleep always where nothing tells how long they waited, or where there are too many CPUs."""
    if not (TASKS.parent / "schedstat").exists() or len(os.sched_getaffinity(0)) > MOST_CPUS:
        environment.setdefault(SETTINGS[0], "PASSIVE")


class Crowding:
    """Whether others want the CPUs too."""

    def __init__(self) -> None:
        self.crowded = False
        self._calm = 0

    def saw(self, waited: float) -> bool:
        """Whether they do by now.

        Args:
            waited: CPUs that our threads waited for, mean since the look before.
        """
        self._calm = self._calm + 1 if waited < CALM else 0
        if waited > CROWDED:
            self.crowded = True
        elif self._calm >= CALM_LOOKS:
            self.crowded = False
        return self.crowded


def nanoseconds_waited(tasks: Path = TASKS) -> dict[str, int]:
    """How long each thread could have run and had no CPU, by its number."""
    found = {}
    for task in tasks.iterdir():
        try:
            found[task.name] = int((task / "schedstat").read_text().split()[1])
        except (OSError, IndexError, ValueError):  # it has ended
            continue
    return found


class Waits:
    """How long our threads could have run and had no CPU, from look to look."""

    def __init__(self, tasks: Path = TASKS) -> None:
        self._tasks, self._before = tasks, nanoseconds_waited(tasks)

    @property
    def told(self) -> bool:
        """Whether the system says it."""
        return bool(self._before)

    def seconds(self) -> float:
        """Of all threads together since the look before; those that have ended since are not counted."""
        before, self._before = self._before, nanoseconds_waited(self._tasks)
        return sum(each - before.get(name, 0) for name, each in self._before.items()) / 1e9


class IdleTeam:
    """More of libgomp's threads than there are CPUs, which do nothing; they belong to the thread that made them and end with it."""

    def __init__(self, libgomp: ctypes.CDLL) -> None:
        self._libgomp = libgomp
        self._thread: threading.Thread | None = None
        self._made, self._over = threading.Event(), threading.Event()

    def gather(self) -> None:
        """Make it, if it is not there."""
        if self._thread is None:
            self._made.clear()
            self._over.clear()
            self._thread = threading.Thread(target=self._stay, name="idle-team", daemon=True)
            self._thread.start()
            self._made.wait()

    def dismiss(self) -> None:
        """End it, if it is there."""
        if self._thread is not None:
            self._over.set()
            self._thread.join()
            self._thread = None

    def _stay(self) -> None:
        threads, nothing = len(os.sched_getaffinity(0)) + 1, self._libgomp.omp_get_level
        self._libgomp.GOMP_parallel(
            ctypes.cast(nothing, ctypes.c_void_p), None, ctypes.c_uint(threads), ctypes.c_uint(0)
        )
        self._made.set()
        self._over.wait()


def loaded_libgomp(maps: Path = MAPS) -> ctypes.CDLL | None:
    """The one that torch computes with, where it is libgomp."""
    paths = {line.split()[-1] for line in maps.read_text().splitlines() if "libgomp" in line}
    of_torch = [path for path in sorted(paths) if "/torch" in path] or sorted(paths)
    return ctypes.CDLL(of_torch[0]) if len(of_torch) == 1 else None


@contextmanager
def sharing_cpus(threads: int) -> Iterator[None]:
    """Look now and then whether others want the CPUs, and have OpenMP's threads wait accordingly.

    Args:
        threads: that share operations; one alone waits for nobody.
    """
    libgomp = loaded_libgomp() if threads > 1 and not any(name in os.environ for name in SETTINGS) else None
    if libgomp is None:
        yield
        return
    team, over = IdleTeam(libgomp), threading.Event()
    watch = threading.Thread(target=_watch, args=(team, over), name="crowding", daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()
        team.dismiss()


def _watch(team: IdleTeam, over: threading.Event) -> None:
    crowding, waits, began = Crowding(), Waits(), time.monotonic()
    while not over.wait(EVERY):
        now = time.monotonic()
        if crowding.saw(waits.seconds() / (now - began)):
            team.gather()
        else:
            team.dismiss()
        began = now
