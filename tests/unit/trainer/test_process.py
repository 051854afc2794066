"""A process ends with its exit code, whatever threads of libraries do meanwhile."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

WITH_A_READER = """
import io, sys, threading
import pyarrow.csv
from recsys_trainer.process import end, run
from recsys_trainer.stopping import terminate

class Slow(io.BytesIO):
    begun = threading.Event()

    def read(self, size=-1):
        self.begun.set()
        threading.Event().wait(0.2)
        return super().read(size)

reader = threading.Thread(target=pyarrow.csv.open_csv, args=(Slow(b"u,i\\n" + b"1,2\\n" * 10),), daemon=True)
reader.start()
Slow.begun.wait()
print("said", end="")
"""


def ended(last_line: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", WITH_A_READER + last_line], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout


def test_a_thread_that_still_reads_changes_no_exit_code() -> None:
    assert ended("end(65)") == (65, "said")
    assert ended("end(0)") == (0, "said")


def test_neither_does_one_at_a_sigterm() -> None:
    assert ended("run(lambda: terminate(15, None))") == (143, "said")


@pytest.mark.parametrize(
    ("shell", "decided", "code", "said"),
    [
        (">&-", 65, 65, ""),
        (">&-", 0, 0, ""),
        (">/dev/full", 65, 65, "No space left on device; make room"),
        (">/dev/full", 0, 1, "No space left on device; make room"),
        ("2>&- >/dev/full", 0, 1, ""),
    ],
)
def test_what_cannot_be_printed_hides_no_exit_code_and_no_success_stays_one(
    shell: str, decided: int, code: int, said: str
) -> None:
    program = f"from recsys_trainer.process import end; print('said', end=''); end({decided})"
    command = ["sh", "-c", f'exec "$0" -c "$1" {shell}', sys.executable, program]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONUNBUFFERED": ""}
    )
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("place", "told"),
    [("a pipe", ""), ("/dev/full", "error: <stdout>: No space left on device; make room, or print to another place\n")],
)
def test_a_result_that_cannot_be_printed_is_a_line_at_most_and_no_success(place: str, told: str) -> None:
    if place == "a pipe":
        read, write = os.pipe()
        os.close(read)  # as `| head` does once it has seen enough
    else:
        write = os.open(place, os.O_WRONLY)
    program = "from recsys_trainer.process import run, say; run(lambda: say('a result') or say('another') or 0)"
    done = subprocess.run([sys.executable, "-c", program], stdout=write, stderr=subprocess.PIPE, text=True, timeout=60)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, told)


WITH_CTRL_C = """
import signal
signal.signal(signal.SIGINT, signal.{handler})
from recsys_trainer.__main__ import run
run()
"""


@pytest.mark.parametrize(
    ("handler", "code", "told"), [("default_int_handler", -signal.SIGINT, ""), ("SIG_IGN", 1, "torch is loaded")]
)
def test_ctrl_c_while_torch_is_loaded_ends_without_a_word_unless_it_is_ignored(
    tmp_path: Path, handler: str, code: int, told: str
) -> None:
    pressed = "import signal\nsignal.raise_signal(signal.SIGINT)\nraise ImportError('torch is loaded')\n"
    (tmp_path / "torch.py").write_text(pressed)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    program = [sys.executable, "-c", WITH_CTRL_C.format(handler=handler)]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert told in done.stderr
    assert bool(done.stderr) == bool(told)
