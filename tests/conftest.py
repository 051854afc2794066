"""Property tests are not timed: a busy machine is no failure. Speed belongs to benchmarks/.

What gates a change draws the same examples each time: a change is judged by what it changed. `make fuzz` draws new ones.
"""

import os

from hypothesis import settings

# Before any test loads torch, and for the processes that tests start: they share the CPUs.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

settings.register_profile("gate", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, print_blob=True)
settings.load_profile("gate")
