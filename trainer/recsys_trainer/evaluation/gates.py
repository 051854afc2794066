"""Gates: each decides from every user's metrics, and says so with figures."""

import numpy as np
import numpy.typing as npt

from recsys_api.report import StableComparison
from recsys_api.run_spec import GateOutcome, GateResult
from recsys_api.spec.evaluation import Gate
from recsys_trainer.errors import ManifestError
from recsys_trainer.evaluation.bootstrap import MIN_USERS, interval, resampled_means
from recsys_trainer.evaluation.evaluate import Evaluated, Paired, Values
from recsys_trainer.evaluation.stable import too_few


def refuse_bad_gates(gates: tuple[Gate, ...]) -> None:
    """Refuse gates without a limit, or with both.

    Raises:
        ManifestError: naming the gate.
    """
    for gate in gates:
        if (gate.at_least is None) == (gate.max_regression_percent is None):
            raise ManifestError(
                f"spec.evaluation.gates[{gate.name}]: needs exactly one limit; set atLeast or maxRegressionPercent"
            )


def decide_gates(
    gates: tuple[Gate, ...], evaluated: Evaluated, stable: StableComparison, seed: int
) -> tuple[GateResult, ...]:
    """Every gate's outcome.

    Args:
        stable: the serving version, or why there is no comparison.
        seed: of the bootstrap.
    """
    return tuple(_decide(gate, evaluated, stable, seed) for gate in gates)


def _decide(gate: Gate, evaluated: Evaluated, stable: StableComparison, seed: int) -> GateResult:
    if gate.at_least is not None:
        return _decide_absolute(gate, evaluated, seed)
    if stable.status == "NothingServes":
        return GateResult(name=gate.name, outcome="Pass", message=stable.reason)
    if evaluated.paired is None:
        message = ": ".join(filter(None, (metric_name(gate), stable.name, stable.reason)))
        return GateResult(name=gate.name, outcome="NotComparable", message=message)
    return _decide_regression(gate, evaluated.paired, stable.name, seed)


def metric_name(gate: Gate) -> str:
    """The metric as reports name it: ndcg@10."""
    return f"{gate.metric.name.lower()}@{gate.metric.k}"


def _population(gate: Gate, warm_N: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    return warm_N if gate.population == "Warm" else np.ones_like(warm_N)


def _decide_absolute(gate: Gate, evaluated: Evaluated, seed: int) -> GateResult:
    """NotComparable is of comparisons: a cluster lets it pass for a first version, which nothing serves beside."""
    name, limit = metric_name(gate), float(gate.at_least or 0)
    values = evaluated.candidate[name][_population(gate, evaluated.test.warm_N)]
    if len(values) < MIN_USERS:
        message = (
            f"{name}: the test has {len(values)} {gate.population.lower()} users, {MIN_USERS} are needed to judge; "
            "enlarge the test part in spec.data.split"
        )
        return GateResult(name=gate.name, outcome="Undecided", message=message)
    value, (low, high) = float(values.mean()), interval(values, seed)
    passed = value >= limit
    message = (
        f"{name} {value:.4f} [{low:.4f}, {high:.4f}] of {len(values)} {gate.population.lower()} users "
        f"is {'at least' if passed else 'below'} {gate.at_least}"
    )
    return GateResult(name=gate.name, outcome="Pass" if passed else "Fail", message=message)


def _decide_regression(gate: Gate, paired: Paired, stable: str, seed: int) -> GateResult:
    name, limit = metric_name(gate), float(gate.max_regression_percent or 0)
    users_N = _population(gate, paired.warm_N)
    candidate_N, stable_N = (_of(values, name, users_N) for values in (paired.candidate, paired.stable))
    if len(candidate_N) < MIN_USERS:
        message = f"{name}: {too_few(len(candidate_N), gate.population.lower(), stable)}"
        return GateResult(name=gate.name, outcome="NotComparable", message=message)
    # The mean of this is negative exactly where the regression is beyond the limit, also where stable scores 0.
    margin_N = candidate_N - (1 - limit / 100) * stable_N
    low, high = interval(margin_N, seed)
    outcome: GateOutcome = "Fail" if high < 0 else "Pass" if low >= 0 else "Undecided"
    message = _regression_message(name, candidate_N, stable_N, limit, stable, seed)
    return GateResult(name=gate.name, outcome=outcome, message=message)


def _of(values: Values, name: str, users_N: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    return values[name][users_N]


def _regression_message(
    name: str,
    candidate_N: npt.NDArray[np.float64],
    stable_N: npt.NDArray[np.float64],
    limit: float,
    stable: str,
    seed: int,
) -> str:
    new, old, users = float(candidate_N.mean()), float(stable_N.mean()), len(candidate_N)
    text = f"{name} {new:.4f} against {old:.4f} of {stable} on {users} users"
    if old == 0:
        return f"{text}: stable has nothing to lose"
    low, high = _change(candidate_N, stable_N, seed)
    return (
        f"{text}: change {100 * (new - old) / old:+.1f} % [{low:+.1f}, {high:+.1f}], limit -{limit:g} %; "
        f"detectable difference {(high - low) / 2:.1f} %"
    )


def _change(candidate_N: npt.NDArray[np.float64], stable_N: npt.NDArray[np.float64], seed: int) -> tuple[float, float]:
    """95 % interval of the change in percent, from the draws of users that the outcome is decided by."""
    new_R, old_R = resampled_means(np.column_stack((candidate_N, stable_N)), seed).T
    nothing_to_lose_R = np.full_like(old_R, np.inf)
    change_R = np.divide(100 * (new_R - old_R), old_R, out=nothing_to_lose_R, where=old_R > 0)
    low, high = np.percentile(change_R, (2.5, 97.5), method="nearest")  # between two infinities there is no mean
    return float(low), float(high)
