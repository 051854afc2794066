"""report.html is readable on a light and on a dark page: WCAG 2.1 asks 4.5:1 of text and 3:1 of what a chart draws."""

import re
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from recsys_trainer.html.charts import bar_chart, line_chart
from recsys_trainer.html.style import DARK, LIGHT, SERIES, style
from recsys_trainer.html.ticks import ticks

SCHEMES = {"light": LIGHT, "dark": DARK}
TEXT = ("ink", "soft", "bad", "good")
DRAWN = ("axis", "guide", *(f"c{at}" for at in range(SERIES)))


def luminance(colour: str) -> float:
    """Relative luminance of `#rgb` or `#rrggbb`, 0 to 1 (WCAG 2.1)."""
    digits = colour.removeprefix("#")
    pairs = [digit * 2 for digit in digits] if len(digits) == 3 else [digits[at : at + 2] for at in (0, 2, 4)]
    parts = [int(pair, 16) / 255 for pair in pairs]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """From 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_text_and_charts_stand_out_from_the_page(scheme: str) -> None:
    colours = SCHEMES[scheme]
    found = {name: contrast(colours[name], colours["page"]) for name in (*TEXT, *DRAWN)}
    assert {name: ratio for name, ratio in found.items() if ratio < (4.5 if name in TEXT else 3)} == {}
    assert contrast(colours["ink"], colours["c0"]) > 1.5, (
        "an interval is seen on its bar, beside its edge in the page's colour"
    )
    assert len({colours[f"c{at}"] for at in range(SERIES)}) == SERIES


def test_every_colour_is_of_both_schemes_and_none_is_beside_them(fitted: Path) -> None:
    page = (fitted / "report.html").read_text()
    assert style() in page
    used = set(re.findall(r"var\(--(\w+)\)", page))
    assert used == set(LIGHT) == set(DARK)
    light, dark = re.findall(r"\{((?:--\w+:#\w+;|color-scheme:light dark;)+)\}", page)
    assert [dict(re.findall(r"--(\w+):(#\w+);", block)) for block in (light, dark)] == [LIGHT, DARK]
    assert re.search(r"@media\(prefers-color-scheme:dark\)\{:root\{--", page)
    charts = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert re.findall(r'(?:fill|stroke|style)="[^"]*"', charts) == [], "else a colour would be that of one scheme"


def test_what_charts_draw_has_a_rule_of_the_style_sheet() -> None:
    bars = bar_chart([("ndcg@10", [(0.2, 0.1, 0.3)] * SERIES)], [f"series {at}" for at in range(SERIES)])
    lines = {f"line {at}": [(0.0, 0.0), (1.0, 1.0)] for at in range(SERIES)}
    drawn = bars + line_chart(lines, "x", "y", dots=True, diagonal=True)
    classes = {name for names in re.findall(r'class="([^"]*)"', drawn) for name in names.split()}
    assert {name for name in classes if f".{name}{{" not in style()} == set()
    assert len(re.findall(r"<(?:rect|circle|path) ", drawn)) == len(re.findall(r"<(?:rect|circle|path) class=", drawn))


def test_an_outcome_of_a_gate_has_its_colour(fitted: Path) -> None:
    assert '<td class="Pass">Pass</td>' in (fitted / "report.html").read_text()


@settings(max_examples=500)
@given(
    low=st.floats(-1e9, 1e9),
    size=st.floats(-6, 9).map(lambda power: 10.0**power),
    whole=st.booleans(),
)
@example(low=0.1008, size=0.0318, whole=False)
def test_ticks_say_where_they_stand_and_differ(low: float, size: float, whole: bool) -> None:
    assume(size > abs(low) * 1e-6)
    low, size = (float(round(low)), max(1.0, float(round(size)))) if whole else (low, size)
    found = ticks(low, low + size, whole=whole)
    assert 2 <= len(found) <= 6
    assert len({text for _, text in found}) == len(found)
    for value, text in found:
        assert low - size * 1e-6 <= value <= low + size * (1 + 1e-6)
        assert abs(float(text) - value) <= size * 1e-6
