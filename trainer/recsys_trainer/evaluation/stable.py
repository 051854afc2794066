"""This version beside the serving one, for report.json: the same pairs of values that gates judge."""

import numpy as np
import numpy.typing as npt

from recsys_api.report import StableComparison, StableDifference
from recsys_api.run_spec import StableReference
from recsys_trainer.evaluation.bootstrap import MIN_USERS
from recsys_trainer.evaluation.evaluate import Paired

Flags = npt.NDArray[np.bool_]
NOTHING_SERVES = StableComparison(status="NothingServes", reason="nothing serves yet")
NOT_GIVEN = StableComparison(
    status="NotGiven",
    reason="no version was given to compare with; name the output folder of an earlier fit with --stable",
)


def compare_with_stable(
    paired: Paired | None, stable: StableReference | None, why_not: str, seed: int, *, without: StableComparison
) -> StableComparison:
    """The comparison, or why there is none.

    Args:
        stable: the serving version, None where there is none.
        why_not: why there are no pairs although something serves.
        seed: of the bootstrap.
        without: what it means that there is no stable version, NOTHING_SERVES or NOT_GIVEN.
    """
    if stable is None:
        return without
    if paired is None:
        return StableComparison(name=stable.name, digest=stable.digest, reason=why_not)
    warm = int(paired.warm_N.sum())
    return StableComparison(
        status="Compared" if warm >= MIN_USERS else "NotComparable",
        reason="" if warm >= MIN_USERS else too_few(warm, "warm", stable.name),
        name=stable.name,
        digest=stable.digest,
        metrics=_differences(paired, paired.warm_N, seed),
        metrics_all_users=_differences(paired, np.ones_like(paired.warm_N), seed),
    )


def too_few(users: int, population: str, stable: str) -> str:
    """Why so few users are not compared."""
    return (
        f"{users} {population} users have test interactions later than both trainings, {MIN_USERS} are needed to compare "
        f"with {stable}"
    )


def _differences(paired: Paired, users_N: Flags, seed: int) -> dict[str, StableDifference]:
    """Nothing where there are too few users."""
    if users_N.sum() < MIN_USERS:
        return {}
    return {
        name: StableDifference(
            stable=stable, value=value, difference=found.value, low=found.low, high=found.high, n=found.n
        )
        for name, (stable, value, found) in paired.differences(users_N, seed).items()
    }
