"""Compute the gain maps of docs/gain-map.md, draw two of them, and write its table.

python tools/draw_gain_maps.py [NETWORK ...]   computes; a quarter of an hour for all on two cores
python tools/draw_gain_maps.py --table         writes table and pictures from what was computed

A map goes on where it was interrupted. `tests/unit/test_gain_map.py` computes a cell of one
anew and says when the maps are older than the planner.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from fusepath.cli.main import run
from fusepath.study import Family, load_gain_map
from fusepath.units import format_bytes_per_s

DOCS = Path(__file__).parents[1] / "docs"
NETWORKS = ("alexnet", "squeezenet", "resnet18", "vgg16", "tiny-yolov2", "yolov2")
DRAWN = ("squeezenet", "tiny-yolov2")
HEAD = (
    "| network | mean gain | mean limit | cells with 1.2 or more | largest gain | where | "
    "NFL → auto | largest limit | stream |\n|---|---:|---:|---:|---:|---|---|---:|---:|\n"
)


def file_of(network: str, suffix: str = ".json") -> Path:
    return DOCS / "figures" / f"gain-map-{network}{suffix}"


def line(network: str) -> str:
    found = load_gain_map(file_of(network))
    best = found.largest
    link = format_bytes_per_s(best.link_bytes_per_s)
    cells = (
        network,
        f"{found.mean_gain:.2f}",
        f"{found.mean_limit:.2f}",
        f"{found.share(1.2):.0%}",
        f"{best.gain:.2f}",
        f"{best.device_ops_per_s / 1e9:.3g} GFLOP/s, {link}",
        f"{best.nfl_s * 1e3:.3g} → {best.auto_s * 1e3:.3g} ms",
        f"{found.largest_limit.limit:.2f}",
        f"{found.shares()[Family.STREAM]:.0%}",
    )
    return f"| {' | '.join(cells)} |\n"


def main(arguments: list[str]) -> int:
    if arguments != ["--table"]:
        for network in arguments or NETWORKS:
            asked = ["map", f"zoo:{network}", "--edge", "500GFLOPS", "--points", "9"]
            if code := run([*asked, "-o", str(file_of(network))]):
                return code
    for network in DRAWN:
        if code := run(["map", str(file_of(network)), "-o", str(file_of(network, ".png"))]):
            return code
    page = DOCS / "gain-map.md"
    table = HEAD + "".join(map(line, NETWORKS))
    text = re.sub(r"\| network \|.*?\n(?=\n)", table, page.read_text(encoding="utf-8"), flags=re.S)
    page.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
