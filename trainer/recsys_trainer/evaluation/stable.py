"""This version beside the serving one, for report.json: the same pairs of values that gates judge."""

import numpy as np
import numpy.typing as npt

from recsys_api.report import StableComparison, StableDifference
from recsys_api.run_spec import StableReference
from recsys_trainer.evaluation.bootstrap import MIN_USERS, with_intervals
from recsys_trainer.evaluation.evaluate import Paired, Values

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
    value, stable = (_of(values, users_N) for values in (paired.candidate, paired.stable))
    return {
        name: StableDifference(
            stable=float(stable[name].mean()), value=float(value[name].mean()),
            difference=found.value, low=found.low, high=found.high, n=found.n,
        )
        for name, found in with_intervals({name: value[name] - stable[name] for name in value}, seed).items()
    }  # fmt: skip


def _of(values: Values, users_N: Flags) -> Values:
    return {name: of_user[users_N] for name, of_user in values.items()}
