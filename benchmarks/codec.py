"""What lossless codecs make of photographs and of what layers make of them: ratio, and speed.

    make bench-codec       photographs at two sizes, and four networks; two minutes
    python benchmarks/codec.py --photos DIR squeezenet my-model.onnx
    FUSEPATH_ULTRAFACE=version-RFB-320.onnx make bench-codec      trained weights as well

Photographs are encoded whole and in bands of rows; a speed is the median over the photographs, of
each the median of seven, in seconds of one core's own time. Then every tensor that a cut may send
is encoded in bands of rows, as plans send them, for one of the photographs; times are the least of
three. Writes photographs.csv and codec.csv into benchmarks/results and prints tables; means over
cut tensors give each the same weight.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from photographs import photographs, pixels
from rich.console import Console
from rich.table import Table

from fusepath.onnx_io import load_model
from fusepath.plan import InputFormat
from fusepath.profiling.codecs import crossing_tensors, named_codecs, sample_codecs
from fusepath.runtime.codecs import CODECS, find_codec, is_installed

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.runtime.codecs import Codec

NETWORKS = ("squeezenet", "alexnet", "resnet18", "tiny-yolov2")
RESULTS = Path(__file__).parent / "results"
WAYS = ("encode", "decode")
SIZES, BANDS, REPEATS = (224, 416), (1, 8), 7
LEAST_BYTES = 16_384
"""Smaller tensors, of which detectors have many, cross in no time and would only blur the means."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", help="of the zoo, or ONNX files")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="photographs of one's own")
    parser.add_argument("--pixels-only", action="store_true", help="no networks")
    asked = parser.parse_args()
    photos = photographs(asked.photos)
    missing = [name for name in CODECS if not is_installed(name)]
    if missing:
        print(f"not installed: {', '.join(missing)}; pip install fusepath[codec]", file=sys.stderr)
    rows = [row for size in SIZES for photo in photos for row in of_photograph(photo, size)]
    write(rows, "photographs.csv")
    show_photographs(rows)
    if asked.pixels_only:
        return
    ultraface = filter(None, [os.environ.get("FUSEPATH_ULTRAFACE")])
    networks = asked.networks or [*NETWORKS, *ultraface]
    rows = [row for network in networks for row in measure(network, photos[0])]
    write(rows, "codec.csv")
    for network in dict.fromkeys(row["network"] for row in rows):
        show(network, [row for row in rows if row["network"] == network])


def of_photograph(photo: Path, size: int) -> list[dict]:
    value = pixels(photo, rows=size, columns=size)
    rows = []
    for bands in BANDS:
        pieces = [np.ascontiguousarray(each) for each in np.array_split(value, bands, axis=2)]
        for name in named_codecs("auto"):
            codec = find_codec(name)
            encoded = encode(codec, pieces)
            assert np.array_equal(np.concatenate(decode(codec, encoded, pieces), axis=2), value)
            encode_s = usual_s(partial(encode, codec, pieces))
            decode_s = usual_s(partial(decode, codec, encoded, pieces))
            rows.append(
                {
                    "photograph": photo.name,
                    "size": size,
                    "bands": bands,
                    "codec": name,
                    "ratio": round(sum(map(len, encoded)) / value.nbytes, 4),
                    "encode_mb_per_s": round(value.nbytes / encode_s / 1e6),
                    "decode_mb_per_s": round(value.nbytes / decode_s / 1e6),
                }
            )
    print(".", end="", file=sys.stderr, flush=True)
    return rows


def encode(codec: Codec, pieces: list[np.ndarray]) -> list[bytes]:
    return [codec.encode(piece) for piece in pieces]


def decode(codec: Codec, encoded: list[bytes], pieces: list[np.ndarray]) -> list[np.ndarray]:
    return [
        codec.decode(data, piece.dtype, piece.shape)
        for data, piece in zip(encoded, pieces, strict=True)
    ]


def usual_s(work: Callable[[], object]) -> float:
    times_s = []
    for _ in range(REPEATS):
        started_s = time.thread_time()
        work()
        times_s.append(time.thread_time() - started_s)
    return statistics.median(times_s)


def show_photographs(rows: list[dict]) -> None:
    print(file=sys.stderr)
    count = len({row["photograph"] for row in rows})
    for size in SIZES:
        for bands in BANDS:
            pieces = "whole" if bands == 1 else f"in {bands} bands"
            table = Table(
                box=None,
                pad_edge=False,
                title=f"{count} photographs at {size}x{size}, {pieces}",
                title_justify="left",
            )
            table.add_column("codec")
            for column in ("mean", "least", "most", "encode MB/s", "decode MB/s"):
                table.add_column(column, justify="right")
            here = [row for row in rows if (row["size"], row["bands"]) == (size, bands)]
            for codec in dict.fromkeys(row["codec"] for row in here):
                mine = [row for row in here if row["codec"] == codec]
                ratios = [row["ratio"] for row in mine]
                table.add_row(
                    codec,
                    f"{statistics.mean(ratios):.3f}",
                    f"{min(ratios):.2f}",
                    f"{max(ratios):.2f}",
                    *(spread([row[f"{way}_mb_per_s"] for row in mine]) for way in WAYS),
                )
            Console(width=100).print(table)
            print()


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.0f} ({min(values):.0f}–{max(values):.0f})"


def measure(network: str, photo: Path) -> list[dict]:
    model = load_model(network if network.endswith(".onnx") else f"zoo:{network}")
    _, _, height, width = model.graph.input.shape
    image = pixels(photo, rows=height, columns=width)
    rows = []
    for name, value in crossing_tensors(model, image, InputFormat()):
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


def write(rows: list[dict], name: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / name).open("w", newline="") as stream:
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
        images = [row for row in rows if row["kind"] == "image" and row["codec"] == codec]
        if not of_maps:
            continue  # it suits pixels alone
        (image,) = images
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
