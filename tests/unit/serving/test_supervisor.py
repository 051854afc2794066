"""The supervisor's states, stepped with a fake clock and fake servers."""

import errno
import json
from pathlib import Path

import pytest

from recsys_serving.errors import SettingsError
from recsys_serving.settings import read_triton_settings
from recsys_serving.supervisor import Policy, RestartLog, Supervisor, build_supervisor
from recsys_serving.testing.fake_triton import lay_home
from recsys_serving.triton_process import Probe

POLICY = Policy(drain_seconds=6.0)


class FakeServer:
    def __init__(self, pid: int) -> None:
        self.pid, self.signals = pid, []

    def terminate(self) -> None:
        self.signals.append("TERM")

    def destroy(self) -> None:
        self.signals.append("KILL")


class World:
    """A clock, the servers that were started, and whether they answer."""

    def __init__(self, folder: Path) -> None:
        self.now, self.health, self.servers = 0.0, Probe.SERVING, []
        self.refusing = False
        self.file = folder / ".supervisor.json"
        self.supervisor = Supervisor(
            start=self._start,
            probe=lambda: self.health,
            log=RestartLog(self.file),
            policy=POLICY,
            now=lambda: self.now,
        )

    def _start(self) -> FakeServer:
        if self.refusing:
            raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
        self.servers.append(FakeServer(100 + len(self.servers)))
        return self.servers[-1]

    def pass_time(self, seconds: float, step: float = 0.25) -> None:
        for _ in range(round(seconds / step)):
            self.supervisor.step()
            self.now += step

    def exit_server(self, status: int = 9) -> None:
        self.supervisor.child_exited(self.servers[-1].pid, status)

    @property
    def restarts(self) -> int:
        return int(json.loads(self.file.read_text())["restarts"])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_healthy_server_is_left_alone(world: World) -> None:
    world.pass_time(120)
    assert len(world.servers) == 1
    assert world.servers[0].signals == []
    assert world.restarts == 0


def test_a_killed_server_starts_again_within_a_second(world: World) -> None:
    world.pass_time(10)
    world.exit_server()
    world.pass_time(1)
    assert len(world.servers) == 2
    assert world.restarts == 1
    assert json.loads(world.file.read_text())["reason"] == "tritonserver ended with -9"


def test_a_machine_that_starts_no_process_is_asked_again(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.pass_time(1)
    world.refusing = True
    world.exit_server()
    world.pass_time(5)
    said = capsys.readouterr().err
    assert "tritonserver cannot be started (Resource temporarily unavailable); starting again in 1 s" in said
    world.refusing = False
    world.pass_time(10)
    assert len(world.servers) == 2


def test_a_count_that_cannot_be_written_stops_no_server(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.pass_time(1)
    world.file.unlink()
    world.file.mkdir()
    world.exit_server()
    world.pass_time(1)
    assert len(world.servers) == 2
    assert "restarts are not counted: .supervisor.json cannot be written (Is a directory)" in capsys.readouterr().err
    world.file.rmdir()
    world.exit_server()
    world.pass_time(2)
    assert world.restarts == 2


def test_the_group_of_a_dead_server_is_ended_too(world: World) -> None:
    world.pass_time(1)
    world.exit_server()
    assert world.servers[0].signals == ["KILL"]


@pytest.mark.parametrize("health", [Probe.SILENT, Probe.ABSENT])
def test_a_hung_server_is_killed_and_started_again(world: World, health: Probe) -> None:
    world.pass_time(5)
    world.health = health
    while len(world.servers) == 1:
        world.pass_time(0.25)
    assert world.now < 10
    assert world.servers[0].signals == ["KILL"]


def test_two_failed_probes_are_not_a_hang(world: World) -> None:
    world.pass_time(5)
    world.health = Probe.SILENT
    while world.supervisor._failures < 2:
        world.pass_time(0.25)
    world.health = Probe.SERVING
    world.pass_time(10)
    assert len(world.servers) == 1


def test_a_loading_server_has_its_time(world: World) -> None:
    world.health = Probe.ABSENT
    world.pass_time(POLICY.start_seconds - 10)
    assert world.servers[0].signals == []
    world.pass_time(20)
    assert world.servers[0].signals == ["KILL"]


def test_who_waits_for_a_server_is_told_every_15_seconds_for_what_and_until_when(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.health = Probe.ABSENT
    world.pass_time(46)
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if "waiting for tritonserver" in line] == said
    assert len(said) == 3
    assert "it ranks nothing 15 s after its start" in said[0]
    assert all("the probe is absent; killed after 600 s (RECSYS_TRITON_START_SECONDS)" in line for line in said)
    world.health = Probe.SERVING
    world.pass_time(60)
    assert capsys.readouterr().err == ""


def test_a_server_that_never_serves_is_not_said_to_have_failed_probes(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.health = Probe.ABSENT
    world.pass_time(POLICY.start_seconds + 5)
    reason = "killed tritonserver: it ranked nothing within 600 s (RECSYS_TRITON_START_SECONDS)"
    assert reason in capsys.readouterr().err
    assert json.loads(world.file.read_text())["reason"].startswith(reason)


def test_the_time_for_a_start_is_a_setting(tmp_path: Path) -> None:
    env = {"RECSYS_TRITON_START_SECONDS": "20", "RECSYS_TRITON_HOME": str(lay_home(tmp_path / "triton"))}
    supervisor = build_supervisor(env, read_triton_settings(env | {"RECSYS_MODELS_DIR": str(tmp_path)}))
    assert supervisor.policy.start_seconds == 20
    with pytest.raises(SettingsError, match="RECSYS_TRITON_START_SECONDS is '0'"):
        read_triton_settings({"RECSYS_TRITON_START_SECONDS": "0"})


def test_a_server_that_hangs_before_it_ever_served_is_killed_too(world: World) -> None:
    world.health = Probe.SILENT
    world.pass_time(5)
    assert world.servers[0].signals == ["KILL"]


def test_back_off_grows_to_its_limit(world: World) -> None:
    world.pass_time(1)
    starts = []
    for _ in range(9):
        died = world.now
        count = len(world.servers)
        world.exit_server(256)
        while len(world.servers) == count:
            world.pass_time(0.25)
        starts.append(world.now - died)
    assert starts[0] < 1.0
    assert starts[1] > starts[0]
    assert 30 <= starts[-1] <= 31


def test_a_server_that_served_long_starts_with_the_first_back_off_again(world: World) -> None:
    for _ in range(6):
        world.pass_time(40)
        world.exit_server(256)
    world.pass_time(40 + POLICY.calm_seconds)
    count = len(world.servers)
    world.exit_server()
    world.pass_time(1)
    assert len(world.servers) == count + 1


def test_an_orphan_is_reaped_without_consequence(world: World) -> None:
    world.pass_time(1)
    world.supervisor.child_exited(4711, 0)
    world.pass_time(5)
    assert len(world.servers) == 1


def test_sigterm_waits_for_the_drain_then_stops(world: World) -> None:
    world.pass_time(5)
    world.supervisor.request_stop()
    world.pass_time(POLICY.drain_seconds - 1)
    assert world.servers[0].signals == []
    world.pass_time(2)
    assert world.servers[0].signals == ["TERM"]
    world.exit_server(0)
    assert world.supervisor.done
    assert len(world.servers) == 1


def test_a_server_that_ignores_sigterm_is_killed(world: World) -> None:
    world.pass_time(5)
    world.supervisor.request_stop()
    world.pass_time(POLICY.drain_seconds + POLICY.exit_seconds + 1)
    assert world.servers[0].signals == ["TERM", "KILL"]
    assert world.supervisor.done


def test_nothing_is_started_while_stopping(world: World) -> None:
    world.pass_time(5)
    world.supervisor.request_stop()
    world.exit_server()
    world.pass_time(60)
    assert len(world.servers) == 1
    assert world.supervisor.done


def test_the_count_survives_a_restart_of_the_container(world: World, tmp_path: Path) -> None:
    world.pass_time(1)
    again = World(tmp_path)
    again.pass_time(1)
    assert again.restarts == 1


def test_an_unreadable_count_starts_anew(tmp_path: Path) -> None:
    (tmp_path / ".supervisor.json").write_text("[]")
    assert RestartLog(tmp_path / ".supervisor.json").restarts == -1
