"""A report for a person at a terminal."""

from collections.abc import Iterable, Iterator, Mapping

from recsys_api.report import EvaluationReport, Metrics, StableComparison
from recsys_api.run_spec import GateOutcome, MetricValue
from recsys_api.spec.evaluation import Evaluation

SHOWN = ("ndcg@10", "recall@20", "hr@10", "mrr@10", "map@10", "precision@10")
WIDTH = 10
"""Of a baseline's column."""
_DOUBT: set[GateOutcome] = {"Undecided", "NotComparable"}
_UNDECIDED = {"Pass": "would go on", "Hold": "would wait for a person", "Reject": "would be rejected"}


def render(report: EvaluationReport, evaluation: Evaluation) -> str:
    """The report as text: metrics beside the baselines, cold users, the stable version, gates."""
    return "\n".join([*_data(report), "", *_metrics(report), "", *_stable(report.stable), *_gates(report, evaluation)])


def _data(report: EvaluationReport) -> Iterator[str]:
    data = report.data
    snapshot = data.get("snapshot")
    if isinstance(snapshot, dict):
        yield (
            f"data      {snapshot['rows']:,} interactions of {snapshot['users']:,} users and {snapshot['items']:,} "
            f"items: {snapshot['train']:,} train, {snapshot['validation']:,} validation, {snapshot['test']:,} test"
        )
        if filtered := snapshot.get("filtered"):
            yield (
                f"          data.filter took {filtered['interactions']:,} interactions, {filtered['users']:,} users and "
                f"{filtered['items']:,} items out of the training part"
            )
        if snapshot["quarantined"] or snapshot.get("duplicates"):
            yield (
                f"          {snapshot['quarantined']:,} rows quarantined, "
                f"{snapshot.get('duplicates', 0):,} duplicates dropped"
            )
        if any((ungrouped := snapshot.get("ungrouped", {})).values()):
            yield f"          without a group: {', '.join(f'{count:,} {name}' for name, count in ungrouped.items())}"
    yield from _training(report)
    yield (
        f"test      {asked_users(data)}, {data.get('warmUsers')} warm, {data.get('coldUsers')} cold "
        f"(no training interaction); evaluated in {report.evaluation_seconds:.1f} s"
    )


def _training(report: EvaluationReport) -> Iterator[str]:
    """How the weights came to be, where that is known."""
    training, title = report.training, "training"
    if "deviceName" in training:
        epochs, refit = training.get("epochsRun"), training.get("refitHistory")
        again = f" then {len(refit)} on training and validation part," if isinstance(refit, list) and refit else ""
        yield (
            f"{title:<10}{epochs} epoch{'' if epochs == 1 else 's'}, best {training.get('bestEpoch')},{again} {report.seconds:.1f} s, "
            f"{report.samples_per_second:,.0f} samples/s on {training['deviceName']}"
        )
        title = ""
    if message := training.get("message"):
        yield f"{title:<10}{message}"


def asked_users(data: Mapping[str, object]) -> str:
    """Of a report's `data`, for people: how many were asked, and of how many where they were drawn."""
    asked, every = data.get("testUsers"), data.get("ofTestUsers")
    return f"{asked} test users" if every in (None, asked) else f"{asked} test users, drawn from {every}"


def _metrics(report: EvaluationReport) -> Iterator[str]:
    names = _heads(report.baselines)
    yield f"{'':<14}{'model':>8}  {'95 % interval':<17}{'n':>7} {names}"
    yield from _block("warm users", report.metrics, report.baselines, report)
    yield from _block("all users", report.metrics_all_users, report.baselines_all_users, report)
    cold, unknown = report.cold.metrics, report.unknown_users
    if cold:
        yield from _block("cold users, answered by popularity", cold, {"popularity": cold}, report)
    if unknown.metrics:
        how = "what they had" if unknown.behaviour == "FoldIn" else "popularity"
        title = f"unknown users with a history since the training, answered by {how}"
        yield from _block(title, unknown.metrics, unknown.baselines, report)
    if report.ratings:
        yield from _block("ratings", report.ratings, report.ratings_baselines, report)
    for name, why in report.baselines_left_out.items():
        yield f"no {name}: {why}"


def _block(title: str, metrics: Metrics, others: Mapping[str, Metrics], report: EvaluationReport) -> Iterator[str]:
    yield title + ("" if metrics else ": none")
    if "rmse" in metrics and others:
        yield f"{'':<49}{_heads(others)}"
    columns = others if "rmse" in metrics else {name: others.get(name, {}) for name in report.baselines}
    for name in (*SHOWN, "rmse", "mae"):
        if name not in metrics:
            continue
        found = metrics[name]
        bounds = f"[{found.low:.4f}, {found.high:.4f}]"
        beside = "".join(_beside(block.get(name)) for block in columns.values())
        yield f"  {name:<12}{found.value:>8.4f}  {bounds:<17}{found.n:>7} {beside}".rstrip()


def _heads(names: Iterable[str]) -> str:
    """Names of columns; recentPopularity is recent."""
    return "".join(f"{name.removesuffix('Popularity')[:WIDTH]:>{WIDTH + 1}}" for name in names)


def _beside(metric: MetricValue | None) -> str:
    return f"{'' if metric is None else f'{metric.value:.4f}':>{WIDTH + 1}}"


def _stable(stable: StableComparison) -> Iterator[str]:
    """Nothing where there is no stable version."""
    if not stable.name:
        return
    yield f"beside {stable.name} ({stable.digest}), on test interactions later than both trainings"
    if stable.reason:
        yield f"  no comparison: {stable.reason}"
    if stable.metrics_all_users:
        yield f"{'':<14}{'stable':>8}{'this':>9}{'change':>10}  95 % interval"
    for title, block in (("warm users", stable.metrics), ("all users", stable.metrics_all_users)):
        shown = {name: block[name] for name in SHOWN if name in block}
        if shown:
            yield f"{title}, {shown[SHOWN[0]].n}"
        for name, found in shown.items():
            yield difference_line(name, found.stable, found.value, (found.low, found.high), ("worse", "better"))
    yield ""


def difference_line(
    name: str, first: float, second: float, bounds: tuple[float, float], verdicts: tuple[str, str]
) -> str:
    """A metric of two, what the second has more, and what that shows.

    Args:
        bounds: interval of second - first.
        verdicts: what it means that the whole interval is below 0, and above.
    """
    low, high = bounds
    verdict = verdicts[1] if low > 0 else verdicts[0] if high < 0 else "no difference shown"
    return f"  {name:<12}{first:>8.4f}{second:>9.4f}{second - first:>+10.4f}  [{low:+.4f}, {high:+.4f}]  {verdict}"


def would_go_on(report: EvaluationReport, evaluation: Evaluation) -> bool:
    """Whether a cluster would roll the version out, by the gates that were judged here."""
    outcomes = _judged(report, evaluation)
    return "Fail" not in outcomes and (evaluation.on_undecided == "Pass" or not outcomes & _DOUBT)


def _gates(report: EvaluationReport, evaluation: Evaluation) -> Iterator[str]:
    yield "gates" + ("" if report.gates else ": none, every version would go on")
    for gate in report.gates:
        yield f"  {gate.outcome:<14}{gate.name}: {gate.message}"
    left, outcomes = _not_judged(report, evaluation), _judged(report, evaluation)
    if "Fail" in outcomes:
        yield "  In a cluster this version would be rejected."
    elif outcomes & _DOUBT:
        policy = evaluation.on_undecided
        yield f"  In a cluster this version {_UNDECIDED[policy]} (onUndecided: {policy})."
    elif outcomes:
        yield "  In a cluster this version would go on to its rollout."
    if left:
        yield f"  A cluster would judge {', '.join(sorted(left))} too, against what serves there; where nothing does, that passes."


def _judged(report: EvaluationReport, evaluation: Evaluation) -> set[GateOutcome]:
    left = _not_judged(report, evaluation)
    return {gate.outcome for gate in report.gates if gate.name not in left}


def _not_judged(report: EvaluationReport, evaluation: Evaluation) -> set[str]:
    """Gates that a cluster would judge against the serving version, where none was given."""
    if report.stable.status != "NotGiven":
        return set()
    return {gate.name for gate in evaluation.gates if gate.max_regression_percent is not None}
