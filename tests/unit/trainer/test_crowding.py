"""How threads wait for each other: what decides it, and that libgomp does what is relied on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recsys_trainer import crowding
from recsys_trainer.crowding import Crowding, Waits, leave_waiting_open, loaded_libgomp, nanoseconds_waited

ALONE, BETWEEN, BESIDE = 0.02, 0.1, 0.4


@pytest.mark.parametrize(
    ("waited", "crowded"),
    [
        ([], False),
        ([ALONE, BETWEEN], False),
        ([ALONE, BESIDE], True),
        ([BESIDE, *[ALONE] * 3], True),
        ([BESIDE, *[ALONE] * 4], False),
        ([BESIDE, *[ALONE] * 3, BETWEEN, ALONE], True),
        ([BESIDE, *[BETWEEN] * 30], True),
        ([BESIDE, *[ALONE] * 4, BESIDE], True),
    ],
)
def test_others_are_there_at_once_and_gone_after_four_calm_looks(waited: list[float], crowded: bool) -> None:
    found = Crowding()
    for each in waited:
        found.saw(each)
    assert found.crowded is crowded


def say(tasks: Path, **texts: str) -> None:
    """What the system says of threads by their numbers."""
    shutil.rmtree(tasks, ignore_errors=True)
    for name, text in texts.items():
        (tasks / name).mkdir(parents=True)
        (tasks / name / "schedstat").write_text(text)


def test_threads_that_ended_or_say_nothing_are_left_out(tmp_path: Path) -> None:
    say(tmp_path / "task", **{"7": "100 2000000 3\n", "8": "", "9": "1 x 2"})
    (tmp_path / "task/10").mkdir()
    assert nanoseconds_waited(tmp_path / "task") == {"7": 2_000_000}


def test_waiting_is_counted_from_the_look_before_or_from_the_threads_start(tmp_path: Path) -> None:
    say(tmp_path / "task", **{"1": "0 5000000000 1", "2": "0 7 1"})
    waits = Waits(tmp_path / "task")
    say(tmp_path / "task", **{"1": "0 5600000000 1", "3": "0 400000000 1"})
    assert (waits.seconds(), waits.seconds(), waits.told) == (1.0, 0.0, True)


def test_a_system_that_says_nothing_is_told_from_one_without_waiting(tmp_path: Path) -> None:
    (tmp_path / "task/1").mkdir(parents=True)
    waits = Waits(tmp_path / "task")
    assert (waits.seconds(), waits.told) == (0.0, False)


def test_this_machine_tells_how_long_threads_waited() -> None:
    assert str(os.getpid()) in nanoseconds_waited()


@pytest.mark.parametrize(("cpus", "told", "set_to"), [(2, True, None), (2, False, "PASSIVE"), (500, True, "PASSIVE")])
def test_threads_always_sleep_where_nothing_could_tell(
    cpus: int, told: bool, set_to: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if told:
        (tmp_path / "schedstat").touch()
    monkeypatch.setattr(crowding, "TASKS", tmp_path / "task")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cpus)))
    found: dict[str, str] = {}
    leave_waiting_open(found)
    assert found.get("OMP_WAIT_POLICY") == set_to


def test_what_a_person_has_set_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowding, "TASKS", tmp_path / "task")
    found = {"OMP_WAIT_POLICY": "ACTIVE"}
    leave_waiting_open(found)
    assert found == {"OMP_WAIT_POLICY": "ACTIVE"}


def test_two_libraries_of_which_none_is_torchs_are_not_guessed_between(tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.write_text("1-2 r-xp 0 0:0 1 /a/libgomp.so.1\n2-3 r-xp 0 0:0 1 /b/libgomp.so.1\n3-4 rw-p 0 0:0 0\n")
    assert loaded_libgomp(maps) is None


def in_a_process(code: str, **environment: str) -> list[str]:
    """What a Python prints that has loaded torch with libgomp's own settings."""
    open_ = {name: value for name, value in os.environ.items() if name not in crowding.SETTINGS}
    done = subprocess.run(
        [sys.executable, "-c", "import recsys_trainer\n" + code],
        env={**open_, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


SPENT_WAITING = """
import os, time, torch
from recsys_trainer.crowding import IdleTeam, loaded_libgomp

torch.set_num_threads(2)
values, team = torch.ones(1_000_000), IdleTeam(loaded_libgomp())

def spent():
    before = time.process_time()
    for _ in range(30):
        values.add_(1.0)
        time.sleep(0.02)
    return time.process_time() - before

def threads():
    return len(os.listdir("/proc/self/task"))

alone, before = spent(), threads()
team.gather(); team.gather()
during, beside = threads(), spent()
team.dismiss(); team.dismiss()
again, after = spent(), threads()
print(alone, beside, again, before, during, after, len(os.sched_getaffinity(0)))
"""


def test_an_idle_team_has_threads_sleep_and_its_end_lets_them_spin() -> None:
    alone, beside, again, before, during, after, cpus = map(float, in_a_process(SPENT_WAITING))
    assert during == before + cpus + 1
    assert min(alone, again) > 2 * beside
    assert after == before, "nothing is left of it"


CROWDED = """
import threading, time, torch
from recsys_trainer import crowding

looks = iter([0.0] + [1.0] * 3)
crowding.EVERY, crowding.Waits.seconds = 0.01, lambda waits: next(looks, 0.0)
teams = lambda: [each.name for each in threading.enumerate()].count("idle-team")
torch.set_num_threads(2)
seen = []
with crowding.sharing_cpus(2):
    while len(seen) < 2 or seen[-1]:
        if not seen or teams() != seen[-1]:
            seen.append(teams())
print(*seen, threading.active_count())
"""


def test_the_team_comes_and_goes_with_others_and_nothing_is_left() -> None:
    assert in_a_process(CROWDED)[-4:] == ["0", "1", "0", "1"]


THREADS = """
import threading, torch
from recsys_trainer.crowding import sharing_cpus

with sharing_cpus({}):
    print(threading.active_count())
"""


@pytest.mark.parametrize(
    ("threads", "environment", "watched"),
    [(2, {}, True), (1, {}, False), (2, {"OMP_WAIT_POLICY": "PASSIVE"}, False), (2, {"GOMP_SPINCOUNT": "9"}, False)],
)
def test_nobody_watches_one_thread_or_what_a_person_has_set(
    threads: int, environment: dict[str, str], watched: bool
) -> None:
    assert in_a_process(THREADS.format(threads), **environment) == ["2" if watched else "1"]
