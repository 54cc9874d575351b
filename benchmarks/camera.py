"""What pictures take from camera to result, by plan: auto beside the strongest that people do.

Planned: this machine is measured, and is the edge server; the device is this machine slowed.
Sources are pixels and JPEG files at the model's size, 640x480 and 1280x720. Beside auto stand
the device alone, the forwarded file (decoded on the edge server), the pixels encoded
losslessly, and the best single cut with codecs (NFL). All but the forwarded file wait until
the device has decoded it.

    python -m benchmarks.camera [--photos DIR] [--photographs N] [zoo:squeezenet …]
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import statistics
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

import fusepath
from benchmarks.photographs import photographs
from fusepath import Budget, PlanRequest, Setting
from fusepath.pictures.decoding import PictureFile
from fusepath.pictures.frame import PictureFrame
from fusepath.pictures.inputs import load_input
from fusepath.plan import Fit, InputFormat, PictureSource, Plan, Preprocessing, make_plan
from fusepath.profiling.codecs import named_codecs, try_codecs
from fusepath.profiling.layers import measure_layers
from fusepath.profiling.pictures import measured_source

if TYPE_CHECKING:
    from fusepath.onnx_io import Model

NETWORKS = ("zoo:squeezenet", "zoo:tiny-yolov2", "zoo:mobilenetv2")
SLOWER = (8, 20)
RATES = (1.1, 1.8, 3.0, 12.0)
"""MB/s."""
QUALITIES = (80, 95)
BUDGET = Budget(evaluations=30_000)
CHAIN = Preprocessing(fit=Fit.CROP)
FORM = InputFormat()
RESULTS = Path(__file__).parent / "results" / "camera.csv"
BAR = 1.03
"""Auto takes no more than so many times what the best of the others takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One cell: planned milliseconds of auto and of the others."""

    network: str
    photograph: str
    source: str
    slower: int
    rate: float
    file_bytes: int
    auto_ms: float
    auto: str
    device_only_ms: float
    forward_ms: float | None
    lossless_ms: float
    nfl_ms: float

    @property
    def best_ms(self) -> float:
        """Of the others."""
        others = (self.device_only_ms, self.forward_ms, self.lossless_ms, self.nfl_ms)
        return min(value for value in others if value is not None)


def sources(path: Path, model: Model) -> dict[str, PictureFile]:
    """A photograph as a camera would have it: its middle, as JPEG files of several sizes."""
    height, width = model.graph.input.size(0), model.graph.input.size(1)
    files = {}
    for (wide, high), quality in itertools.product(
        ((width, height), (640, 480), (1280, 720)), QUALITIES
    ):
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        scale = max(wide / picture.width, high / picture.height)
        box = ((picture.width - wide / scale) / 2, (picture.height - high / scale) / 2)
        framed = picture.resize(
            (wide, high),
            Image.Resampling.BICUBIC,
            box=(*box, picture.width - box[0], picture.height - box[1]),
        )
        stream = io.BytesIO()
        framed.save(stream, "JPEG", quality=quality)
        files[f"JPEG {wide}x{high} q{quality}"] = PictureFile(stream.getvalue())
    return files


def measure(network: str, paths: list[Path]) -> list[Row]:
    """All cells of a network."""
    model = fusepath.load_model(network)
    edge = measure_layers(model)
    rows = []
    for path in paths:
        print(f"{network}: {path.name} …", file=sys.stderr)
        files = sources(path, model)
        frames = {
            name: PictureFrame.of(file, CHAIN, model.graph.input) for name, file in files.items()
        }
        pixels = load_input(path, model.graph.input, pictures=CHAIN)
        tried = try_codecs(model, pixels, FORM, codecs=named_codecs("auto"))
        for slower in SLOWER:
            here = Setting(
                graph=model.graph,
                device=edge.slowed(slower),
                edge=edge,
                link=fusepath.parse_link("1MB/s"),
            )
            here = tried.on(here)
            known: dict[str, PictureSource | None] = {
                name: measured_source(model, frame, FORM, here) for name, frame in frames.items()
            }
            for rate in RATES:
                at = here.at(fusepath.parse_link(f"{rate}MB/s"))
                rows += cells(network, path.stem, slower, rate, at, {"pixels": None, **known})
    return rows


def cells(
    network: str,
    photograph: str,
    slower: int,
    rate: float,
    setting: Setting,
    known: dict[str, PictureSource | None],
) -> list[Row]:
    """One network, photograph, device and link, from every source."""

    def planned(algorithm: str, at: Setting) -> Plan:
        return make_plan(at, PlanRequest(algorithm=algorithm, budget=BUDGET)).best

    rows = []
    for source, about in known.items():
        at = replace(setting, source=about)
        auto = planned("auto", at)
        forward = None if about is None else planned("forward", at).makespan_s * 1e3
        rows.append(
            Row(
                network=network,
                photograph=photograph,
                source=source,
                slower=slower,
                rate=rate,
                file_bytes=0 if about is None else about.file_bytes,
                auto_ms=auto.makespan_s * 1e3,
                auto=auto.family,
                device_only_ms=planned("device-only", at).makespan_s * 1e3,
                forward_ms=forward,
                lossless_ms=planned("full-offload", at).makespan_s * 1e3,
                nfl_ms=planned("nfl", at).makespan_s * 1e3,
            )
        )
    return rows


def write(rows: list[Row], path: Path) -> None:
    """The rows as a file."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        names = list(Row.__dataclass_fields__)
        writer.writerow(names)
        for row in rows:
            values = [getattr(row, name) for name in names]
            writer.writerow([f"{v:.3f}" if isinstance(v, float) else v for v in values])


def show(rows: list[Row]) -> bool:
    """By network and source: geometric means, and the worst cell; whether all keep to the bar."""
    print("network, source: cells, gain over the best other (geometric mean), worst, forwarded")
    for (network, source), own in itertools.groupby(
        sorted(rows, key=lambda row: (row.network, row.source)),
        key=lambda row: (row.network, row.source),
    ):
        several = list(own)
        gain = statistics.geometric_mean([row.best_ms / row.auto_ms for row in several])
        worst = max(row.auto_ms / row.best_ms for row in several)
        sent = sum(row.auto == "forwarded file" for row in several)
        print(f"{network}, {source}: {len(several)}, {gain:.3f}, {worst:.3f}, {sent}")
    beyond = [row for row in rows if row.auto_ms > BAR * row.best_ms]
    print(f"{len(rows)} cells, {len(beyond)} beyond {BAR} of the best of the others")
    return not beyond


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--photos", type=Path, help="a folder of one's own photographs")
    parser.add_argument("--photographs", type=int, help="only the first so many")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    asked = parser.parse_args()
    paths = photographs(asked.photos)[: asked.photographs]
    rows = [row for network in asked.networks for row in measure(network, paths)]
    write(rows, asked.output)
    return 0 if show(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
