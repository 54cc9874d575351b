"""What lossless codecs make of the tensors that cuts send: ratio, and time of either direction.

    make bench-codec       four networks on the demo picture; about a minute
    python benchmarks/codec.py squeezenet my-model.onnx
    FUSEPATH_ULTRAFACE=version-RFB-320.onnx make bench-codec      trained weights as well

Every tensor that a cut may send is encoded in bands of rows, as plans send them. Times are the
least of three. Writes benchmarks/results/codec.csv and prints one table per network: means over its
cut tensors, each with the same weight.
"""

from __future__ import annotations

import csv
import os
import statistics
import sys
from importlib import resources
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fusepath.onnx_io import load_model
from fusepath.pictures.inputs import load_input
from fusepath.plan import Fit, InputFormat, Preprocessing
from fusepath.profiling.codecs import cut_tensors, named_codecs, sample_codecs
from fusepath.runtime.codecs import CODECS, is_installed

NETWORKS = ("squeezenet", "alexnet", "resnet18", "tiny-yolov2")
PICTURE = resources.files("fusepath") / "assets" / "demo.png"
RESULTS = Path(__file__).parent / "results" / "codec.csv"
LEAST_BYTES = 16_384
"""Smaller tensors, of which detectors have many, cross in no time and would only blur the means."""


def main() -> None:
    networks = sys.argv[1:] or [*NETWORKS, *filter(None, [os.environ.get("FUSEPATH_ULTRAFACE")])]
    missing = [name for name in CODECS if not is_installed(name)]
    if missing:
        print(f"not installed: {', '.join(missing)}; pip install fusepath[codec]", file=sys.stderr)
    rows = [row for network in networks for row in measure(network)]
    write(rows)
    for network in dict.fromkeys(row["network"] for row in rows):
        show(network, [row for row in rows if row["network"] == network])


def measure(network: str) -> list[dict]:
    model = load_model(network if network.endswith(".onnx") else f"zoo:{network}")
    image = load_input(str(PICTURE), model.graph.input, pictures=Preprocessing(fit=Fit.STRETCH))
    rows = []
    for name, value in cut_tensors(model, image, InputFormat()):
        kind = "image" if name == model.graph.input.name else "map"
        zeros = 1 - (value != 0).mean()
        for sample in sample_codecs(name, value, named_codecs("auto")):
            item = sample.compression
            rows.append(
                {
                    "network": Path(network).stem,
                    "tensor": name,
                    "kind": kind,
                    "raw_bytes": sample.raw_bytes,
                    "zeros": round(float(zeros), 4),
                    "codec": item.codec,
                    "ratio": round(item.ratio, 4),
                    "encode_s_per_mb": round(item.encode_s_per_byte * 1e6, 6),
                    "decode_s_per_mb": round(item.decode_s_per_byte * 1e6, 6),
                }
            )
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return rows


def write(rows: list[dict]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def show(network: str, rows: list[dict]) -> None:
    maps = [row for row in rows if row["kind"] == "map" and row["raw_bytes"] >= LEAST_BYTES]
    zeros = statistics.mean(row["zeros"] for row in maps)
    table = Table(
        box=None,
        pad_edge=False,
        title=f"{network}: {len({row['tensor'] for row in maps})} maps, {zeros:.0%} zeros",
        title_justify="left",
    )
    table.add_column("codec")
    for column in ("image", "maps", "least", "most", "encode ms/MB", "decode ms/MB"):
        table.add_column(column, justify="right")
    for codec in dict.fromkeys(row["codec"] for row in rows):
        of_maps = [row for row in maps if row["codec"] == codec]
        (image,) = (row for row in rows if row["kind"] == "image" and row["codec"] == codec)
        ratios = [row["ratio"] for row in of_maps]
        table.add_row(
            codec,
            f"{image['ratio']:.2f}",
            f"{statistics.mean(ratios):.2f}",
            f"{min(ratios):.2f}",
            f"{max(ratios):.2f}",
            f"{statistics.median(row['encode_s_per_mb'] for row in of_maps) * 1e3:.1f}",
            f"{statistics.median(row['decode_s_per_mb'] for row in of_maps) * 1e3:.1f}",
        )
    Console(width=100).print(table)
    print()


if __name__ == "__main__":
    main()
