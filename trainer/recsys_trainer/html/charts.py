"""Small charts as inline SVG, in the colours of the page's style sheet. All text that comes in is escaped here."""

from collections.abc import Mapping, Sequence
from html import escape

from recsys_trainer.html.style import SERIES
from recsys_trainer.html.ticks import ticks

Point = tuple[float, float]
WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 14, 46


def line_chart(
    lines: Mapping[str, Sequence[Point]], x: str, y: str, *, dots: bool = False, diagonal: bool = False
) -> str:
    """Lines over common axes, with a legend.

    Args:
        lines: {name: points}; empty ones are left out.
        x, y: what the axes say.
        dots: mark the points.
        diagonal: draw where y = x.
    """
    series = {name: points for name, points in lines.items() if points}
    if not series:
        return "<p>no data</p>"
    xs, ys = ([point[at] for points in series.values() for point in points] for at in (0, 1))
    if diagonal:
        xs, ys = [*xs, 0.0, *ys], [*ys, 0.0, *xs]
    scale = _Scale(_bounds(xs), _bounds(ys))
    parts = [_axes(scale, x, y, whole=all(value == int(value) for value in xs))]
    if diagonal:
        low, high = scale.x
        parts.append(_path([(low, low), (high, high)], scale, "guide"))
    for at, (name, points) in zip(range(SERIES), series.items(), strict=False):
        parts.append(_path(points, scale, f"line l{at}"))
        if dots:
            parts.extend(_dot(point, scale, at, name) for point in points)
    return _svg("".join(parts) + _legend(list(series)))


def bar_chart(bars: Sequence[tuple[str, Sequence[tuple[float, float, float]]]], names: Sequence[str]) -> str:
    """Horizontal groups of (value, low, high), one colour for each of `names`."""
    if not bars:
        return "<p>no data</p>"
    high = max(bound[2] for _, values in bars for bound in values) or 1.0
    step, thick = 16 * len(names) + 12, 12
    height = step * len(bars) + 24 + 13 * _legend_rows(names)
    scale = (WIDTH - LEFT - 76) / high
    parts = []
    for row, (label, values) in enumerate(bars):
        top = 8 + row * step
        parts.append(_text(LEFT + 20, top + step / 2 - 4, label, "end"))
        for at, (value, low, up) in enumerate(values):
            y = top + at * 16
            bounds = f'd="M{LEFT + 26 + low * scale:.1f} {y + thick / 2}H{LEFT + 26 + up * scale:.1f}"'
            parts.append(
                f'<rect class="b{at}" x="{LEFT + 26}" y="{y}" width="{value * scale:.1f}" height="{thick}"/>'
                f'<path class="under" {bounds}/><path class="range" {bounds}/>'
                + _text(LEFT + 30 + up * scale, y + thick - 2, f"{value:.3f}")
            )
    return _svg("".join(parts) + _legend(names, height + 5 - 13 * _legend_rows(names)), height)


class _Scale:
    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.x, self.y = x, y

    def at(self, point: Point) -> str:
        return f"{self.across(point[0]):.1f} {self.up(point[1]):.1f}"

    def across(self, value: float) -> float:
        return LEFT + (value - self.x[0]) / (self.x[1] - self.x[0]) * (WIDTH - LEFT - RIGHT)

    def up(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.y[0]) / (self.y[1] - self.y[0]) * (HEIGHT - TOP - BOTTOM)


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low == high:
        margin = max(0.5, abs(low) / 2)  # half of a large one too: 2e17 - 0.5 is 2e17
        return low - margin, high + margin
    return low, high


def _axes(scale: _Scale, x: str, y: str, *, whole: bool) -> str:
    parts = [f'<path class="axis" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>']
    parts.extend(
        _text(scale.across(at), HEIGHT - BOTTOM + 14, told, "middle") for at, told in ticks(*scale.x, whole=whole)
    )
    parts.extend(_text(LEFT - 5, scale.up(at) + 4, told, "end") for at, told in ticks(*scale.y))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 28, x, "middle"))
    parts.append(
        f'<text transform="translate(11 {HEIGHT / 2 - 10}) rotate(-90)" text-anchor="middle">{escape(y)}</text>'
    )
    return "".join(parts)


def _path(points: Sequence[Point], scale: _Scale, kind: str) -> str:
    return f'<path class="{kind}" d="M{"L".join(scale.at(point) for point in points)}"/>'


def _dot(point: Point, scale: _Scale, series: int, name: str) -> str:
    title = escape(f"{name}: {point[0]:.6g}, {point[1]:.6g}")
    centre = f'cx="{scale.across(point[0]):.1f}" cy="{scale.up(point[1]):.1f}"'
    return f'<circle class="b{series}" {centre} r="3.5"><title>{title}</title></circle>'


def _legend(names: Sequence[str], y: float = HEIGHT - 4) -> str:
    parts = []
    for series, (x, row), name in zip(range(SERIES), _places(names), names, strict=False):
        at = y + 13 * row
        parts.append(f'<rect class="b{series}" x="{x:.0f}" y="{at - 9:.0f}" width="10" height="10"/>')
        parts.append(_text(x + 14, at, name))
    return "".join(parts)


def _places(names: Sequence[str]) -> list[tuple[float, int]]:
    """(x, row) of each name in a legend."""
    found, x, row = [], float(LEFT), 0
    for name in names:
        width = 30 + 7 * len(name)
        if x > LEFT and x + width > WIDTH + 16:
            x, row = float(LEFT), row + 1
        found.append((x, row))
        x += width
    return found


def _legend_rows(names: Sequence[str]) -> int:
    return _places(names)[-1][1] + 1 if names else 1


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(content: str, height: float = HEIGHT) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" font-family="sans-serif" font-size="11" role="img">{content}</svg>'
    )
