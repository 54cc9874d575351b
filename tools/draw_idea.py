"""Draws the idea for docs/idea.md from the geometry that plans are made of.

python tools/draw_idea.py            writes docs/figures/idea-*.svg
python tools/draw_idea.py --check    exits 1 where one is not current
"""

from __future__ import annotations

import html
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import fusepath
from fusepath.tiling import Grid, Segment, Strips, Tiles, layout
from fusepath.timeline import Lane

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.graph import ModelGraph
    from fusepath.tiling import Box

FIGURES = Path(__file__).parents[1] / "docs" / "figures"
MODEL, TAU = "zoo:tiny-yolov2?size=32", 4
LAYERS = ("image", "layer 1: Conv", "layer 2: Pool", "layer 3: Conv", "layer 4: Pool")
INK, SOFT, PAPER = "#1b1f24", "#59636e", "#ffffff"
DEVICE, LINK, EDGE = "#0072b2", "#b8860b", "#b5490f"
PATHS = ("#0072b2", "#c4600a", "#00805c", "#a8518a")
CELL, WIDTH = 6, 760


@dataclass
class Drawing:
    """Shapes of an SVG file, in pixels from the top left."""

    title: str
    height: int
    shapes: list[str] = field(default_factory=list)

    def box(self, x: float, y: float, wide: float, high: float, **style: object) -> None:
        given = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in style.items())
        self.shapes.append(f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}"{given}/>')

    def text(self, x: float, y: float, words: str, **style: object) -> None:
        style = {"fill": INK, "font_size": 15, **style}
        given = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in style.items())
        self.shapes.append(f'<text x="{x:g}" y="{y:g}"{given}>{html.escape(words)}</text>')

    def svg(self) -> str:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" '
            f'width="{WIDTH}" height="{self.height}" role="img" '
            'font-family="system-ui, sans-serif">\n'
            f"<title>{html.escape(self.title)}</title>\n"
            f'<rect width="{WIDTH}" height="{self.height}" fill="{PAPER}"/>\n'
            + "\n".join(self.shapes)
            + "\n</svg>\n"
        )


def maps(graph: ModelGraph) -> list[str]:
    """The image and what each of the layers makes."""
    return [graph.frontier(depth)[0] for depth in range(TAU + 1)]


def columns(graph: ModelGraph) -> list[tuple[str, float, int]]:
    """Of every map its name, where it begins, and its size in pixels."""
    sizes = [graph.tensors[name].size(0) * CELL for name in maps(graph)]
    gap = (WIDTH - 20 - sum(sizes)) / (len(sizes) - 1)
    return [
        (name, 10 + sum(sizes[:place]) + gap * place, sizes[place])
        for place, name in enumerate(maps(graph))
    ]


def heads(drawing: Drawing, graph: ModelGraph) -> None:
    for words, (name, x, wide) in zip(LAYERS, columns(graph), strict=True):
        size, last = graph.tensors[name].size(0), name == maps(graph)[-1]
        anchor = {"text_anchor": "end"} if last else {}
        at = x + wide if last else x
        drawing.text(at, 50, words.partition(": ")[0], **anchor)
        kind = words.partition(": ")[2]
        drawing.text(at, 68, f"{kind} {size}×{size}".strip(), fill=SOFT, font_size=13, **anchor)


def placed(drawing: Drawing, at: float, box: Box, **style: object) -> None:
    drawing.box(
        at + box.cols.start * CELL,
        80 + box.rows.start * CELL,
        len(box.cols) * CELL,
        len(box.rows) * CELL,
        **style,
    )


def paths(graph: ModelGraph) -> Drawing:
    parts = layout(graph, Tiles.even(graph, TAU, Grid(2, 2)))
    drawing = Drawing("Four tiles of the fused layer and what each needs of the maps before", 340)
    drawing.text(10, 24, "A path: a tile of the fused layer, and all it needs before", font_size=17)
    heads(drawing, graph)
    for name, x, wide in columns(graph):
        drawing.box(x, 80, wide, wide, fill="#f1f3f5", stroke=SOFT)
        for path in (3, 2, 1, 0):
            first = path == 0
            placed(
                drawing,
                x,
                parts.box(path, name),
                fill=PATHS[path],
                fill_opacity=0.4 if first else 0.1,
                stroke=PATHS[path],
                stroke_width=2.5 if first else 1.2,
            )
    drawing.text(10, 304, "path 1", fill=PATHS[0], font_weight="bold")
    for path in (1, 2, 3):
        drawing.text(10 + 70 * path, 304, f"path {path + 1}", fill=PATHS[path])
    drawing.text(10, 328, "Read from right to left: a window of 3 needs one more row on each side.")
    return drawing


def halo(graph: ModelGraph) -> Drawing:
    parts = layout(graph, Tiles.even(graph, TAU, Grid(2, 2)))
    name, size = maps(graph)[0], graph.tensors[maps(graph)[0]].size(0)
    drawing = Drawing("The halo of a path on the image, and how much is computed twice", 330)
    drawing.text(10, 24, "The halo: what neighbours need both", font_size=17)
    cell, half = 7, size // 2
    drawing.box(10, 60, size * cell, size * cell, fill="#f1f3f5", stroke=SOFT)
    needed = parts.box(0, name)
    drawing.box(
        10,
        60,
        len(needed.cols) * cell,
        len(needed.rows) * cell,
        fill=PATHS[0],
        fill_opacity=0.3,
        stroke=PATHS[0],
        stroke_width=2,
        stroke_dasharray="6 4",
    )
    drawing.box(10, 60, half * cell, half * cell, fill=PATHS[0], fill_opacity=0.45, stroke=PATHS[0])
    drawing.text(10, 52, f"image {size}×{size}, path 1 of 2×2", font_size=14, fill=SOFT)
    drawing.text(16, 64 + half * cell / 2, f"own {half}×{half}", font_weight="bold")
    drawing.text(20, 302, f"with halo {len(needed.rows)}×{len(needed.cols)} (dashed)", font_size=14)
    drawing.text(320, 84, "Computed of every map, all four paths together:", font_size=15)
    for place, (words, other) in enumerate(zip(LAYERS, maps(graph), strict=True)):
        whole = graph.tensors[other].size(0) ** 2
        together = sum(parts.box(path, other).area for path in range(4))
        y, scale = 108 + 36 * place, 150
        drawing.text(320, y + 15, words.partition(": ")[0])
        drawing.box(390, y, scale, 20, fill=PATHS[0], fill_opacity=0.55)
        drawing.box(
            390 + scale,
            y,
            scale * (together / whole - 1),
            20,
            fill=PATHS[1],
            stroke=PATHS[1],
            stroke_dasharray="4 3",
            fill_opacity=0.4,
        )
        more = f"+{together / whole - 1:.0%}" if together > whole else "nothing twice"
        drawing.text(400 + scale * together / whole, y + 15, more, font_size=14)
    drawing.text(320, 302, "The deeper the fused layer, the wider the halo before it.", fill=SOFT)
    return drawing


def cut(graph: ModelGraph) -> Drawing:
    setting = fusepath.Setting(
        graph=graph,
        device=fusepath.parse_machine("0.2GFLOPS"),
        edge=fusepath.parse_machine("500GFLOPS"),
        link=fusepath.parse_link("1MB/s"),
        convention=fusepath.Convention(name="float32 image", input_bytes_per_element=4),
    )
    request = fusepath.PlanRequest(algorithm="exact", grid=Grid(2, 2), tau=TAU, codecs="off")
    plan = fusepath.make_plan(setting, request).best
    parts = layout(graph, plan.arrangement)
    drawing = Drawing("Every path is cut at its own layer; device, link and server overlap", 440)
    drawing.text(
        10, 24, "The cut: from which layer on a path runs on the edge server", font_size=17
    )
    for layer in range(1, TAU + 1):
        drawing.text(98 + 86 * (layer - 1), 52, f"layer {layer}", font_size=14, fill=SOFT)
    for row, place in enumerate(plan.order):
        path, y = place - 1, 62 + 38 * row
        where = plan.cuts[path]
        drawing.text(10, y + 20, f"path {place}", fill=PATHS[path], font_weight="bold")
        for layer in range(1, TAU + 1):
            here = layer < where
            drawing.box(
                90 + 86 * (layer - 1),
                y,
                78,
                28,
                rx=4,
                fill=DEVICE if here else EDGE,
                fill_opacity=0.85,
            )
            drawing.text(
                129 + 86 * (layer - 1),
                y + 19,
                "device" if here else "server",
                fill=PAPER,
                font_size=14,
                text_anchor="middle",
            )
        shape = "×".join(map(str, parts.piece_shape(path, graph.sent(where)[0])[1:]))
        drawing.text(450, y + 19, f"cut {where}: sends {shape}", font_size=14)
    top, left, until_ns = 262, 90, plan.timeline.end_s
    scale = (WIDTH - left - 20) / until_ns
    drawing.text(10, top - 18, "The same as it happens:", font_size=15)
    lanes = ((Lane.DEVICE, "device"), (Lane.UPLINK, "link"), (Lane.EDGE, "server"))
    for row, (lane, words) in enumerate((*lanes, (Lane.DOWNLINK, "back"))):
        y = top + 36 * row
        drawing.text(10, y + 18, words)
        drawing.box(left, y, WIDTH - left - 20, 26, fill="#f1f3f5")
        for span in plan.timeline.spans:
            if span.lane is not lane:
                continue
            known = span.path is not None and span.path > 0
            wide = max(1.5, (span.end_s - span.start_s) * scale)
            drawing.box(
                left + span.start_s * scale,
                y,
                wide,
                26,
                fill=PATHS[span.path - 1] if known else SOFT,
                stroke=PAPER,
            )
            label = str(span.path) if known else "tail" if lane is Lane.EDGE else "result"
            if wide > 9 * len(label):
                drawing.text(
                    left + span.start_s * scale + wide / 2,
                    y + 18,
                    label,
                    fill=PAPER,
                    font_size=14,
                    text_anchor="middle",
                )
    drawing.text(left, top + 166, f"0 to {until_ns * 1000:.1f} ms", fill=SOFT, font_size=14)
    return drawing


def strips(graph: ModelGraph) -> Drawing:
    rows = graph.fused_size(TAU, 0)
    height = graph.tensors[maps(graph)[0]].size(0)
    marks = tuple((height * part // 4, max(0, rows * part // 4 - 1)) for part in (1, 2, 3))
    segment = Segment(start=0, stop=rows, cut=1, strips=(*marks, (height, rows)))
    parts = layout(graph, Strips(tau=TAU, segments=(segment,)))
    drawing = Drawing("Four strips, each of which makes only rows that those before have not", 340)
    drawing.text(10, 24, "Strips: what one has made, the next one keeps", font_size=17)
    heads(drawing, graph)
    for name, x, wide in columns(graph):
        drawing.box(x, 80, wide, wide, fill="#f1f3f5", stroke=SOFT)
        for strip in range(4):
            box = parts.box(strip, name)
            if box is None:
                continue
            placed(drawing, x, box, fill=PATHS[strip], stroke=PAPER)
            if len(box.rows) > 1:
                middle = 80 + CELL * (box.rows.start + len(box.rows) / 2)
                style = {"fill": PAPER, "font_size": 12, "text_anchor": "middle"}
                drawing.text(x + wide / 2, middle + 4, str(strip + 1), **style)
    drawing.text(10, 304, "Every row has one number: nothing is sent or computed twice.")
    drawing.text(
        10, 328, "Deeper layers lag behind: a window waits for the row below it.", fill=SOFT
    )
    return drawing


FIGURE: dict[str, Callable[[ModelGraph], Drawing]] = {
    "idea-paths": paths,
    "idea-halo": halo,
    "idea-cut": cut,
    "idea-strips": strips,
}


def main() -> int:
    graph = fusepath.load_model(MODEL).graph
    stale = []
    for name, draw in FIGURE.items():
        file, drawn = FIGURES / f"{name}.svg", draw(graph).svg()
        if "--check" not in sys.argv:
            file.write_text(drawn, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != drawn:
            stale.append(file.name)
    if stale:
        print(f"{', '.join(stale)}: run python tools/draw_idea.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
