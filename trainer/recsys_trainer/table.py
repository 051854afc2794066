"""A report for a person at a terminal."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping

from recsys_api.report import EvaluationReport, Metrics, StableComparison
from recsys_api.run_spec import GateOutcome, MetricValue
from recsys_api.spec.evaluation import Evaluation
from recsys_trainer.progress import COLUMNS

SHOWN = ("ndcg@10", "recall@20", "hr@10", "mrr@10", "map@10", "precision@10")
_LEFT = 40
"""Columns before the baselines': name, value and interval."""
_WIDEST, _NARROWEST = 10, 6
"""Of a baseline's column: its whole name, and a value."""
_SHORT = {"popularity": "popular", "recentPopularity": "recent", "ratingBias": "bias"}
_TEXT_BEGINS = re.compile(r" *\S+ {2,}| *")
_DOUBT: set[GateOutcome] = {"Undecided", "NotComparable"}
_UNDECIDED = {"Pass": "would go on", "Hold": "would wait for a person", "Reject": "would be rejected"}


def render(report: EvaluationReport, evaluation: Evaluation, columns: int | None = None) -> str:
    """The report as text: metrics beside the baselines, cold users, the stable version, gates.

    Args:
        columns: how wide the terminal is; below 75 lines of five baselines are broken too. None: there is none, and whatever
            reads the text finds each message in one line.
    """
    metrics = _metrics(report, _width(columns or COLUMNS, len(report.baselines)))
    lines = [*_data(report), "", *metrics, "", *_stable(report.stable), *_gates(report, evaluation)]
    return "\n".join(broken for line in lines for broken in wrapped(line, columns))


def wrapped(line: str, columns: int | None) -> list[str]:
    """A line as several that fit, the later ones below where the first one's text begins."""
    if columns is None or len(line) <= columns:
        return [line]
    begins = _TEXT_BEGINS.match(line)
    assert begins is not None, "it matches nothing too"
    indent = " " * min(begins.end(), columns // 3)
    return textwrap.wrap(line, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _width(columns: int, baselines: int) -> int:
    """Of a baseline's column, without the space before it."""
    return max(_NARROWEST, min(_WIDEST, (columns - _LEFT) // max(1, baselines) - 1))


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


def _metrics(report: EvaluationReport, width: int) -> Iterator[str]:
    names = _heads(report.baselines, width)
    yield f"{'':<14}{'model':>8}  {'95 % interval':<16}{names}"
    yield from _block("warm users", report.metrics, report.baselines, report, width)
    yield from _block("all users", report.metrics_all_users, report.baselines_all_users, report, width)
    cold, unknown = report.cold.metrics, report.unknown_users
    if cold:
        yield from _block("cold users, answered by popularity", cold, {"popularity": cold}, report, width)
    if unknown.metrics:
        how = "what they had" if unknown.behaviour == "FoldIn" else "popularity"
        title = f"unknown users with a history since the training, answered by {how}"
        yield from _block(title, unknown.metrics, unknown.baselines, report, width)
    if report.ratings:
        yield from _block("ratings", report.ratings, report.ratings_baselines, report, width)
    for name, why in report.baselines_left_out.items():
        yield f"no {name}: {why}"


def _block(
    title: str, metrics: Metrics, others: Mapping[str, Metrics], report: EvaluationReport, width: int
) -> Iterator[str]:
    shown = [name for name in (*SHOWN, "rmse", "mae") if name in metrics]
    yield f"{title}, {metrics[shown[0]].n:,}" if shown else f"{title}: none"
    if "rmse" in metrics and others:
        yield f"{'':<{_LEFT}}{_heads(others, width)}"
    columns = others if "rmse" in metrics else {name: others.get(name, {}) for name in report.baselines}
    for name in shown:
        found = metrics[name]
        bounds = f"[{found.low:.4f}, {found.high:.4f}]"
        beside = "".join(_beside(block.get(name), width) for block in columns.values())
        yield f"  {name:<12}{found.value:>8.4f}  {bounds:<16}{beside}".rstrip()


def _heads(names: Iterable[str], width: int) -> str:
    """Names of columns, short ones where the whole do not fit."""
    fit = width == _WIDEST
    shown = [name.removesuffix("Popularity") if fit else _SHORT.get(name, name) for name in names]
    return "".join(f"{name[:width]:>{width + 1}}" for name in shown)


def _beside(metric: MetricValue | None, width: int) -> str:
    return f"{'' if metric is None else f'{metric.value:.4f}':>{width + 1}}"


def _stable(stable: StableComparison) -> Iterator[str]:
    """Nothing where there is no stable version."""
    if not stable.name:
        return
    yield f"beside {stable.name} ({stable.digest[:19]}…), on test interactions later than both trainings"
    if stable.reason:
        yield f"  no comparison: {stable.reason}"
    if stable.metrics_all_users:
        yield f"{'':<14}{'stable':>8}{'this':>8}{'change':>9}  95 % interval"
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
    return f"  {name:<12}{first:>8.4f}{second:>8.4f}{second - first:>+9.4f}  [{low:+.4f}, {high:+.4f}]  {verdict}"


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
