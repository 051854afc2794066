"""How the page looks: colours for light and dark, which its charts take too."""

from collections.abc import Mapping

SERIES = 6
"""How many colours charts have."""
LIGHT = {
    "page": "#fff", "ink": "#222", "soft": "#555", "line": "#ddd", "axis": "#444", "guide": "#767676",
    "bad": "#a3231a", "good": "#2d6a2d",
    "c0": "#1f6f8b", "c1": "#c8553d", "c2": "#6b8e33", "c3": "#8c6bb1", "c4": "#a87908", "c5": "#777",
}  # fmt: skip
"""Colours by name: of text, of lines, and of the series of charts."""
DARK = {
    "page": "#17191d", "ink": "#e4e4e4", "soft": "#aaa", "line": "#3a3d42", "axis": "#999", "guide": "#8a8a8a",
    "bad": "#f28b7d", "good": "#86c986",
    "c0": "#4f9fbb", "c1": "#dd7a63", "c2": "#8fb352", "c3": "#a98bcc", "c4": "#c99a2e", "c5": "#999",
}  # fmt: skip
"""The same where the reader's system asks for a dark page."""


def style() -> str:
    """The style sheet. Charts name classes only, so that one file is right in both schemes."""
    series = "".join(f".b{at}{{fill:var(--c{at})}}.l{at}{{stroke:var(--c{at})}}" for at in range(SERIES))
    return (
        f":root{{color-scheme:light dark;{_variables(LIGHT)}}}\n"
        f"@media(prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}\n{_RULES}{series}\n"
    )


def _variables(colours: Mapping[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


_RULES = """
body{font:15px/1.5 sans-serif;color:var(--ink);background:var(--page);max-width:60rem;margin:2rem auto;padding:0 1rem}
h1,h2{line-height:1.2;font-weight:600}h2{margin-top:2.2rem;border-bottom:1px solid var(--line)}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:.15rem .7rem;text-align:right;border-bottom:1px solid var(--line)}
td:first-child,th:first-child{text-align:left}.charts{display:flex;flex-wrap:wrap;gap:1rem}
figure{margin:0}figcaption{color:var(--soft)}.Fail{color:var(--bad)}.Pass{color:var(--good)}
svg text{fill:var(--ink)}svg path{fill:none}.axis{stroke:var(--axis)}.guide{stroke:var(--guide);stroke-dasharray:4 3}
.line{stroke-width:2}.range{stroke:var(--ink)}.under{stroke:var(--page);stroke-width:3}
"""
