"""Property tests are not timed: a busy machine is no failure. Speed belongs to benchmarks/.

What gates a change draws the same examples each time: a change is judged by what it changed. `make fuzz` draws new ones.
"""

from hypothesis import settings

import recsys_trainer  # noqa: F401  first: it says how OpenMP waits, before any test loads torch

settings.register_profile("gate", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, print_blob=True)
settings.load_profile("gate")
