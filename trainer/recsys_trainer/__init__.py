"""The trainer: data -> snapshot -> fit -> artifact -> evaluation of the artifact, in one process or as three Jobs."""

import os
from importlib.metadata import version

# OpenMP reads it when torch is loaded. Its threads spin at barriers by default: measured 20 times slower than sleeping
# when two busy cores are shared with other processes, and under a CPU quota the spinning is billed.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

VERSION = version("recsys-operator")
