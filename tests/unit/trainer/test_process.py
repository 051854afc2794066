"""A process ends with its exit code, whatever threads of libraries do meanwhile."""

import os
import subprocess
import sys

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
