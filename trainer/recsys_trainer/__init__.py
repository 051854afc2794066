"""The trainer: data -> snapshot -> fit -> artifact -> evaluation of the artifact, in one process or as three Jobs."""

import os
from importlib.metadata import PackageNotFoundError, version

from recsys_trainer.crowding import leave_waiting_open

leave_waiting_open()  # OpenMP reads its settings when torch is loaded
# Rows of a large table are read and written at random. In pages of 2 MB both take half as long (2 M rows of 64: 59,000 rows
# read in 2.6 and not 4.5 ms of one CPU, written in 5.9 and not 13.1). torch reads this at its first allocation.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

try:
    VERSION = version("recsys-operator")
except PackageNotFoundError:  # run from the source tree, on a machine that has torch alone
    VERSION = "source"
