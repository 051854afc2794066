"""What sections of the page are made of. All text that comes in is escaped here."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from html import escape

import yaml

from recsys_api.report import Figure, Metrics
from recsys_api.run_spec import MetricValue


def figure(chart: str, caption: str) -> str:
    """A chart with the words below it."""
    return f"<figure>{chart}<figcaption>{escape(caption)}</figcaption></figure>"


def table(head: Iterable[str], rows: Iterable[Iterable[str]], classes: Collection[str] = ()) -> str:
    """A table of text; a cell that says one of `classes`, and nothing else, is of that class."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(_cell(cell, classes) for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _cell(text: str, classes: Collection[str]) -> str:
    return f'<td class="{text}">{text}</td>' if text in classes else f"<td>{escape(text)}</td>"


def metric_table(block: Metrics, others: Mapping[str, Metrics]) -> str:
    """A block of metrics with intervals, beside the values of other blocks."""
    rows = [
        (name, f"{each.value:.4f}", f"[{each.low:.4f}, {each.high:.4f}]", f"{each.n:,}",
         *(value_text(other.get(name)) for other in others.values()))
        for name, each in block.items()
    ]  # fmt: skip
    return table(("metric", "value", "interval", "n", *others), rows) if rows else "<p>none</p>"


def setting_rows(field: str, value: object) -> Iterator[tuple[str, str]]:
    """(field, value) of a setting and of all below it, as a manifest writes them."""
    inside: Iterable[tuple[str, object]] = ()
    if isinstance(value, Mapping):
        inside = [(f"{field}.{name}", each) for name, each in value.items()]
    elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        inside = [(f"{field}[{at}]", each) for at, each in enumerate(value)]
    for name, each in inside:
        yield from setting_rows(name, each)
    if not inside:
        text = yaml.safe_dump(value, default_flow_style=True, width=math.inf, allow_unicode=True)
        yield field, text.removesuffix("\n").removesuffix("\n...")


def value_text(metric: MetricValue | Figure | None) -> str:
    """Four digits, or nothing."""
    return "" if metric is None else f"{metric.value:.4f}"
