"""What one process remembers of a model between its passes; the next process begins with what is recorded."""

from dataclasses import dataclass

from recsys_operator.core.analysis.evidence import Evidence
from recsys_operator.core.analysis.health import Health


@dataclass(frozen=True)
class Memory:
    """What one process remembers between passes."""

    since: float = 0.0
    """When this process first decided about this model."""

    evidence: Evidence | None = None
    health: Health | None = None
