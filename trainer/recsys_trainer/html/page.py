"""report.html from a report: for people, self-contained; whatever a user wrote is escaped."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from recsys_api.ncf_protocol import NcfProtocolReport
from recsys_api.report import EvaluationReport
from recsys_api.run_spec import MetricValue
from recsys_trainer.html.beside import groups_section, protocol_section, stable_section
from recsys_trainer.html.charts import bar_chart, line_chart
from recsys_trainer.html.parts import figure, metric_table, setting_rows, table, value_text
from recsys_trainer.html.style import style
from recsys_trainer.table import SHOWN, asked_users


def render_page(report: EvaluationReport, protocol: NcfProtocolReport) -> str:
    """The whole page."""
    title = f"{report.model.get('architecture', 'Model')}: evaluation"
    sections = (_summary, _data, _metrics, stable_section, _course, _lists, _calibration, groups_section)
    judged = (part for section in sections for part in section(report))
    parts = [*judged, *protocol_section(protocol), *_settings(report)]
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{style()}</style></head><body>\n<h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def _summary(report: EvaluationReport) -> Iterator[str]:
    data = report.data
    yield (
        f"<p>{escape(asked_users(data))}, {escape(str(data.get('warmUsers')))} of them trained on; "
        f"intervals are 95 %, from {report.bootstrap_resamples:,} resamples of users (seed {report.bootstrap_seed}).</p>"
    )
    if report.gates:
        yield "<h2>Gates</h2>"
        rows = [(gate.name, gate.outcome, gate.message) for gate in report.gates]
        yield table(("gate", "outcome", ""), rows, ("Pass", "Fail"))


def _data(report: EvaluationReport) -> Iterator[str]:
    """What preparing found and left out."""
    snapshot = report.data.get("snapshot")
    if not isinstance(snapshot, dict):
        return
    yield "<h2>Data</h2>"
    kept = [(name, snapshot.get(name)) for name in ("rows", "users", "items", "train", "validation", "test")]
    aside = [(f"set aside: {name}", count) for name, count in snapshot.get("problems", {}).items()]
    dropped = [("rows set aside", snapshot.get("quarantined")), *aside, ("repeats dropped", snapshot.get("duplicates"))]
    filtered = [(f"filtered out of the training part: {name}", n) for name, n in snapshot.get("filtered", {}).items()]
    groups = [(f"{name} without a group", count) for name, count in snapshot.get("ungrouped", {}).items()]
    yield table(("", "count"), [(name, _count(count)) for name, count in (*kept, *dropped, *filtered, *groups)])


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _metrics(report: EvaluationReport) -> Iterator[str]:
    yield "<h2>Metrics beside the baselines</h2>"
    shown = {"model": report.metrics, **report.baselines}
    names = [name for name in SHOWN if all(name in block for block in shown.values())]
    bars = [(name, [_bounds(block[name]) for block in shown.values()]) for name in names]
    yield '<div class="charts">' + figure(bar_chart(bars, tuple(shown)), "Warm users, 95 % intervals") + "</div>"
    for name, why in report.baselines_left_out.items():
        yield f"<p>no {escape(name)}: {escape(why)}</p>"
    unknown = report.unknown_users
    told = "from what they had" if unknown.behaviour == "FoldIn" else "by popularity"
    for name, block, others in (
        ("Warm users", report.metrics, report.baselines),
        ("All users", report.metrics_all_users, report.baselines_all_users),
        ("Cold users, answered by popularity", report.cold.metrics, {}),
        (f"Unknown users with a history since the training, answered {told}", unknown.metrics, unknown.baselines),
        (_without_cold_items(report), report.cold_items.metrics_without, {}),
    ):
        yield f"<h3>{name}</h3>" + metric_table(block, others)
    if report.ratings:
        yield "<h3>Ratings</h3>" + metric_table(report.ratings, report.ratings_baselines)
    if sure := report.rating_uncertainty:
        yield (
            f"<p>Of {sure.n:,} test ratings {sure.within95:.1%} lie within the 95 % interval that the model gives them (mean "
            f"standard deviation {sure.deviation:.3f}); RMSE of the half that it is surer of {sure.rmse_surer_half:.4f}, of "
            f"the other {sure.rmse_other_half:.4f}.</p>"
        )
    if unknown.ratings:
        title = "Ratings of unknown users with a history since the training"
        yield f"<h3>{title}</h3>" + metric_table(unknown.ratings, unknown.ratings_baselines)


def _without_cold_items(report: EvaluationReport) -> str:
    cold = report.cold_items
    return (
        f"Warm users without cold items ({cold.items:,} items, {cold.interactions:,} of {cold.of_interactions:,} test "
        "interactions)"
    )


def _bounds(metric: MetricValue) -> tuple[float, float, float]:
    return metric.value, metric.low, metric.high


def _course(report: EvaluationReport) -> Iterator[str]:
    history, refit = report.training.get("history"), report.training.get("refitHistory", [])
    if not isinstance(history, list) or not isinstance(refit, list) or len(history) < 2:
        return
    yield "<h2>Learning curves</h2>"
    charts = []
    for key, text in (("loss", "training loss"), ("ndcg@10", "validation NDCG@10"), ("rmse", "validation RMSE")):
        lines = {text: _points(history, key), "refit on both parts": _points(refit, key)}
        if lines[text]:
            charts.append(figure(line_chart(lines, "epoch", text, dots=True), text[0].upper() + text[1:]))
    yield f'<div class="charts">{"".join(charts)}</div>'


def _points(history: Sequence[Mapping[str, float]], key: str) -> list[tuple[float, float]]:
    return [(float(each["epoch"]), float(each[key])) for each in history if key in each]


def _lists(report: EvaluationReport) -> Iterator[str]:
    model, popularity = (report.beyond_accuracy.get(name, {}) for name in ("model", "popularity"))
    if not model:
        return
    yield "<h2>What the lists are like</h2>"
    rows = [
        (name, f"{each.value:.4f}", "" if each.low is None else f"[{each.low:.4f}, {each.high:.4f}]",
         f"{each.n:,}", value_text(popularity.get(name)))
        for name, each in model.items()
    ]  # fmt: skip
    yield table(("figure", "model", "interval", "n", "popularity"), rows)
    curve = report.popularity_curve
    series = {
        "training": [(point.items, point.training) for point in curve],
        "lists": [(point.items, point.lists) for point in curve],
    }
    chart = line_chart(series, "share of items, most popular first", "share of interactions or places")
    yield '<div class="charts">' + figure(chart, "Popularity curve, first ten of warm users") + "</div>"


def _calibration(report: EvaluationReport) -> Iterator[str]:
    found = report.calibration
    yield "<h2>Calibration</h2>"
    if found.status == "NotCalibrated":
        yield f"<p>not calibrated: {escape(found.reason)}</p>"
        return
    yield (
        f"<p>Slope {found.slope:.3f}, bias {found.bias:.3f}; log-loss {found.log_loss:.6f} against {found.base_log_loss:.6f} "
        f"of the base rate (gain {found.log_loss_gain:.1%}); expected calibration error {found.ece:.2g} "
        f"on {found.pairs:,} pairs, {found.events:,} of them events.</p>"
    )
    points = [(each.predicted, each.observed) for each in found.bins]
    chart = line_chart({"top tenth": points}, "predicted", "observed", dots=True, diagonal=True)
    yield '<div class="charts">' + figure(chart, "Chance that an unseen pair occurs in the window") + "</div>"


def _settings(report: EvaluationReport) -> Iterator[str]:
    yield "<h2>Settings</h2>"
    rows = [
        row
        for block, content in (("data", report.data), ("model", report.model), ("training", report.training))
        for name, value in content.items()
        if name not in ("history", "refitHistory")
        for row in setting_rows(f"{block}.{name}", value)
    ]
    yield table(("field", "value"), rows)
