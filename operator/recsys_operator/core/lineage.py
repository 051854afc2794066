"""What a list of versions says of their past: which one changed last, whose gates let it through, what was rolled back.

One store counts the writes of all custom resources, so that their resourceVersions say which of two objects was written last.
"""

from collections.abc import Iterable

from recsys_api.model_version import Condition
from recsys_operator.core import clock
from recsys_operator.core.world import VersionView


def newest(versions: Iterable[VersionView]) -> VersionView | None:
    """The one whose phase began last: by number, since clocks are set back; by time among those of before the numbers."""
    return max(versions, key=_began, default=None)


def next_phase_number(versions: Iterable[VersionView]) -> int:
    """For a phase that begins now."""
    return 1 + max((version.status.phase_number for version in versions), default=0)


def write_number(resource_version: str) -> int:
    """Larger for what was written later, of all objects that one store counts; 0 where it is no number."""
    return int(resource_version) if resource_version.isascii() and resource_version.isdecimal() else 0


def _began(version: VersionView) -> tuple[int, float, int]:
    return version.status.phase_number, clock.to_seconds(version.status.phase_since), version.spec.number


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
