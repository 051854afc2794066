"""What a list of versions says of their past: which one changed last, whose gates let it through, what was rolled back."""

from collections.abc import Iterable

from recsys_api.model_version import Condition
from recsys_operator.core import clock
from recsys_operator.core.world import VersionView


def newest(versions: Iterable[VersionView]) -> VersionView | None:
    """The one whose phase began last."""
    return max(versions, key=lambda v: (clock.to_seconds(v.status.phase_since), v.spec.number), default=None)


def passed_gates(version: VersionView) -> bool:
    """Whether its gates let it through."""
    condition = find_condition(version.status.conditions, "GatePassed")
    return bool(version.status.digest) and condition is not None and condition.status == "True"


def find_condition(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """The condition of that type."""
    return next((condition for condition in conditions if condition.type == kind), None)


def rollbacks_in_a_row(versions: Iterable[VersionView], spec_hash: str) -> int:
    """How many of the newest rolled-out versions of a hash were all rolled back."""
    outcomes = [
        v.status.quarantined
        for v in versions
        if v.spec.spec_hash == spec_hash
        and (v.status.quarantined or v.status.phase in {"Stable", "Previous", "Retired"})
    ]
    count = 0
    for bad in reversed(outcomes):
        if not bad:
            break
        count += 1
    return count
