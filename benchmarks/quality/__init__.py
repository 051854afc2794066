"""How good the families are on public data, beside the references: settings are searched for on a validation part, the test is read once."""

import os

# Before torch is loaded: searches run for hours beside other work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
