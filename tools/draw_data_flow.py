"""Draws how data flows through the packages, from what CI holds: docs/data-flow.md and its figure.

    python tools/draw_data_flow.py            writes both
    python tools/draw_data_flow.py --check    exits 1 where they are not current

The layers are those of the import contract in pyproject.toml, the sentences the first ones of the
packages' docstrings.
"""

from __future__ import annotations

import ast
import html
import itertools
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "fusepath"
PAGE, FIGURE = ROOT / "docs" / "data-flow.md", ROOT / "docs" / "figures" / "data-flow.svg"
WIDTH, ROW, BOX = 760, 58, 40
NAME_X, NAME_WIDTH = 20, 150

INTRODUCTION = """\
# How data flows

A model file becomes a graph; a graph, two machines and a link become a setting; a setting and a
request become plans; a plan is made ready on both machines, and frames become results. Imports
point one way, from the top of this page to its bottom, and CI holds them to it (`lint-imports`).

![The packages as layers: each imports only what lies below it](figures/data-flow.svg)

| package | what it is |
|---|---|
"""
END = """
This page is made by `python tools/draw_data_flow.py` from the import contract in `pyproject.toml`
and from the packages themselves.
"""


def layers() -> list[list[str]]:
    """Packages by layer, top first; single modules at the bottom are left out."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    rows = contracts["contracts"][0]["layers"]
    named = [[part.strip().removeprefix("fusepath.") for part in row.split("|")] for row in rows]
    return [kept for row in named if (kept := [n for n in row if (SOURCES / n).is_dir()])]


def sentence(package: str) -> str:
    """The first line of a package's docstring."""
    tree = ast.parse((SOURCES / package / "__init__.py").read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").splitlines()[0]


def page() -> str:
    rows = [f"| `{name}` | {sentence(name)} |" for layer in layers() for name in layer]
    return INTRODUCTION + "\n".join(rows) + "\n" + END


def figure() -> str:
    places: dict[str, tuple[float, float]] = {}
    boxes = []
    for at, layer in enumerate(layers()):
        y = 16 + at * ROW
        width = (WIDTH - 40 - 16 * (len(layer) - 1)) / len(layer)
        for number, name in enumerate(layer):
            x = NAME_X + number * (width + 16)
            places[name] = (x, y)
            boxes.append(_box(name, x, y, width, short=len(layer) > 1))
    height = 16 + len(layers()) * ROW
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" font-family="system-ui, sans-serif">',
        "<title>How data flows through the packages of fusepath</title>",
        "<style>rect{fill:#f4f6f8;stroke:#5b6b7a}text{fill:#15202b}"
        ".what{fill:#46525e;font-size:12px}.name{font-weight:600;font-size:14px}"
        "path{stroke:#5b6b7a;fill:none}"
        "@media(prefers-color-scheme:dark){svg{background:#14181c}rect{fill:#1f262d;"
        "stroke:#8fa1b3}text{fill:#e8edf2}.what{fill:#b5c0cb}path{stroke:#8fa1b3}}</style>",
    ]
    for above, below in itertools.pairwise(layers()):
        start, end = places[above[0]][1] + BOX, places[below[0]][1] - 2
        wider = max(above, below, key=len)
        width = (WIDTH - 40) / len(wider)
        for number in range(len(wider)):
            x = NAME_X + width * (number + 0.5)
            lines.append(
                f'<path d="M{x:.0f} {start:.0f}V{end:.0f}M{x - 4:.0f} {end - 5:.0f}'
                f'L{x:.0f} {end:.0f}L{x + 4:.0f} {end - 5:.0f}"/>'
            )
    return "\n".join([*lines, *boxes, "</svg>"]) + "\n"


def _box(name: str, x: float, y: float, width: float, *, short: bool) -> str:
    text = sentence(name).rstrip(".")
    if short:
        text = text.split(":")[0]
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{BOX}" rx="6"/>'
        f'<text class="name" x="{x + 12:.0f}" y="{y + 25:.0f}">{html.escape(name)}</text>'
        f'<text class="what" x="{x + 100:.0f}" y="{y + 25:.0f}">{html.escape(text)}</text>'
    )


def main() -> None:
    wanted = {PAGE: page(), FIGURE: figure()}
    if "--check" in sys.argv:
        stale = [file for file, text in wanted.items() if file.read_text() != text]
        if stale:
            sys.exit(f"not current: {', '.join(f.name for f in stale)}; run {Path(__file__).name}")
        return
    for file, text in wanted.items():
        file.write_text(text)


if __name__ == "__main__":
    main()
