"""How good the families are on public data, beside the references: settings are searched for on a validation part, the test is read once."""

import recsys_trainer  # noqa: F401  first: it sets OpenMP's wait policy before torch is loaded
