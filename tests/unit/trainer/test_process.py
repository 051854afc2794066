"""A process ends with its exit code, whatever threads of libraries do meanwhile."""

import subprocess
import sys

WITH_A_READER = """
import io, sys, threading
import pyarrow.csv
from recsys_trainer.process import end

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
