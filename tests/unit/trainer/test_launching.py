"""A pod with several GPUs starts as many processes, and its exit code says whose fault it was."""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from recsys_trainer.launching import launched, processes_of_pod
from recsys_trainer.parallel import Place


def act(text: str) -> list[str]:
    """A process that knows its rank."""
    return [sys.executable, "-c", f"import os, sys, time, signal; rank = int(os.environ['RANK']); {text}"]


def test_every_process_knows_who_it_is(tmp_path: Path) -> None:
    names = "WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE MASTER_ADDR MASTER_PORT"
    text = f"open(f'{tmp_path}/{{rank}}', 'w').write(' '.join(os.environ[name] for name in '{names}'.split()))"
    assert launched(act(text), 2, Place(1, 3)) == 0
    found = {each.name: each.read_text() for each in tmp_path.iterdir()}
    assert found == {"2": "6 0 2 127.0.0.1 29500", "3": "6 1 2 127.0.0.1 29500"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("sys.exit(0)", 0),
        ("sys.exit(71 if rank == 1 else 1)", 71),  # the other only notices that it is alone
        ("sys.exit(1)", 1),
        ("os.kill(os.getpid(), signal.SIGKILL) if rank else sys.exit(1)", 137),
    ],
)
def test_the_exit_code_is_that_of_who_failed_by_itself(text: str, code: int) -> None:
    assert launched(act(text), 2, Place()) == code


def test_who_does_not_end_after_a_failure_is_ended() -> None:
    assert launched(act("sys.exit(65) if rank else time.sleep(3600)"), 2, Place(), grace_seconds=0.1) == 65


def test_sigterm_reaches_all(tmp_path: Path) -> None:
    handler = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))"
    text = f"{handler}; open(f'{tmp_path}/{{rank}}', 'w').close(); time.sleep(3600)"

    def ask() -> None:
        while len(list(tmp_path.iterdir())) < 2:
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    asking = threading.Thread(target=ask)
    asking.start()
    assert launched(act(text), 2, Place()) == 143
    asking.join()


def test_who_was_started_among_others_starts_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 8)
    assert processes_of_pod(4) == 4
    assert processes_of_pod(0) == 1
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert processes_of_pod(4) == 1
