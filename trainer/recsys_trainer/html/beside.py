"""Sections of report.html beside the metrics: the stable version, groups, the sampled protocol."""

from collections.abc import Iterator
from html import escape

from recsys_api.ncf_protocol import NcfProtocolReport
from recsys_api.report import EvaluationReport, StableDifference, UserGroups
from recsys_api.run_spec import MetricValue
from recsys_trainer.html.parts import metric_table, table


def stable_section(report: EvaluationReport) -> Iterator[str]:
    """This version beside the one that serves."""
    found = report.stable
    yield "<h2>Beside the stable version</h2>"
    if found.name:
        yield f"<p>{escape(found.name)}, {escape(found.digest)}, on test interactions later than both trainings.</p>"
    if found.reason:
        yield f"<p>No comparison: {escape(found.reason)}</p>"
    for title, block in (("Warm users", found.metrics), ("All users", found.metrics_all_users)):
        if block:
            yield f"<h3>{title}</h3>" + table(
                ("metric", "stable", "this version", "change", "interval", "n"),
                [_stable_row(name, each) for name, each in block.items()],
            )


def _stable_row(name: str, found: StableDifference) -> tuple[str, ...]:
    bounds = f"[{found.low:+.4f}, {found.high:+.4f}]"
    return name, f"{found.stable:.4f}", f"{found.value:.4f}", f"{found.difference:+.4f}", bounds, f"{found.n:,}"


def groups_section(report: EvaluationReport) -> Iterator[str]:
    """Quality by user group, exposure by item group."""
    items = report.item_groups
    if report.user_groups.metrics:
        yield from _user_groups(report.user_groups)
    if items:
        yield "<h2>Item groups</h2>"
        shares = [
            (name, *(f"{value:.1%}" for value in (each.lists, each.exposure, each.training, each.catalogue)))
            for name, each in items.items()
        ]
        yield table(("group", "places", "exposure", "training", "catalogue"), shares)


def _user_groups(users: UserGroups) -> Iterator[str]:
    names = list(next(iter(users.metrics.values())))
    yield "<h2>User groups</h2>"
    rows = [
        (group + " (too small)" * (group in users.too_small), *(_with_bounds(block[name]) for name in names),
         f"{block[names[0]].n:,}")
        for group, block in users.metrics.items()
    ]  # fmt: skip
    for title, gaps in (("gap", users.gaps), ("gap by chance", users.gaps_by_chance)):
        if gaps:
            rows.append((title, *(f"{gaps[name]:.4f}" if name in gaps else "" for name in names), ""))
    yield table(("group", *names, "n"), rows)
    yield (
        f"<p>Groups with fewer than {users.minimum_users} users are too small: they do not count for the gap between the best "
        "and the worst. By chance the gap of equally good groups is below the last line in 95 of 100 tests.</p>"
    )


def _with_bounds(metric: MetricValue) -> str:
    return f"{metric.value:.4f} [{metric.low:.4f}, {metric.high:.4f}]"


def protocol_section(found: NcfProtocolReport) -> Iterator[str]:
    """The protocol of the NCF paper."""
    yield f"<h2>Anchor to the literature: {found.negatives} sampled negatives</h2>"
    yield (
        f"<p>{escape(found.paper)}: {escape(found.protocol)}; {escape(found.ties)}. {found.negatives} negatives, seed "
        f"{found.seed}. {escape(found.caution)}</p>"
    )
    yield f"<p>{found.users:,} of {found.test_users:,} test users were asked.</p>"
    yield table(("left out", "users"), [(each.message, f"{each.users:,}") for each in found.left_out])
    yield metric_table(found.metrics, found.baselines)
