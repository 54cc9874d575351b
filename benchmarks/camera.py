"""What pictures take from camera to result, by plan: auto beside the strongest that people do.

Planned: this machine is measured, and is the edge server; the device is this machine slowed.
Sources are pixels and JPEG files at the model's size, 640x480 and 1280x720. Beside auto stand
the device alone, the forwarded file (decoded on the edge server), the pixels encoded
losslessly, and the best single cut with codecs (NFL). All but the forwarded file wait until
the device has decoded it.

    python -m benchmarks.camera [--photos DIR] [--photographs N] [zoo:squeezenet …]
    FUSEPATH_ULTRAFACE=version-RFB-320.onnx python -m benchmarks.camera     trained weights as well

A photograph's rows are kept as they come: interrupted, or ended by --minutes, the same command
goes on. What does not wait for the file is planned once for all files of a photograph, since
decoding delays it by as much whatever it is; of the first photograph of every network that is
tried against plans that know the file.
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import statistics
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

import fusepath
from benchmarks.photographs import photographs
from benchmarks.rows import append_rows, read_rows
from fusepath import Budget, PlanRequest, Setting
from fusepath.pictures.decoding import PictureFile
from fusepath.pictures.frame import PictureFrame
from fusepath.pictures.inputs import load_input
from fusepath.plan import Fit, InputFormat, PictureSource, Plan, Preprocessing, make_plan
from fusepath.profiling.codecs import named_codecs, try_codecs
from fusepath.profiling.layers import measure_layers
from fusepath.profiling.pictures import measured_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusepath.onnx_io import Model

NETWORKS = ("zoo:squeezenet", "zoo:tiny-yolov2", "zoo:mobilenetv2")
SLOWER = (8, 20)
RATES = (1.1, 1.8, 3.0, 12.0)
"""MB/s."""
QUALITIES = (80, 95)
BUDGET = Budget(evaluations=30_000)
"""A tenth of what `auto` takes by itself. With a third of this it sees no strips of networks of
several sections, and gains 1.18 from pixels where it gains 1.26."""
OFFLOAD = "full-offload"
CHECKED = ("JPEG 640x480 q80", "JPEG 1280x720 q95")
ROUNDING_MS = 1e-5
CHAIN = Preprocessing(fit=Fit.CROP)
FORM = InputFormat()
RESULTS = Path(__file__).parent / "results" / "camera.csv"
BAR = 1.03
"""Auto takes no more than so many times what the best of the others takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One cell: planned milliseconds of auto and of the others."""

    network: str = ""
    photograph: str = ""
    source: str
    slower: int = 0
    rate: float = 0.0
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

    @property
    def times_the_best(self) -> float:
        """What auto takes."""
        return self.auto_ms / self.best_ms


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
        left = max((picture.width - wide / scale) / 2, 0.0)
        top = max((picture.height - high / scale) / 2, 0.0)
        framed = picture.resize(
            (wide, high),
            Image.Resampling.BICUBIC,
            box=(left, top, picture.width - left, picture.height - top),
        )
        stream = io.BytesIO()
        framed.save(stream, "JPEG", quality=quality)
        files[f"JPEG {wide}x{high} q{quality}"] = PictureFile(stream.getvalue())
    return files


def titled(name: str) -> str:
    """A network as tables name it."""
    return Path(name).stem.split("-")[0] if name.endswith(".onnx") else name.removeprefix("zoo:")


class Network:
    """A network, and this machine as it runs it."""

    def __init__(self, name: str) -> None:
        self.name = titled(name)
        self.model = fusepath.load_model(name)
        self.edge = measure_layers(self.model)

    def rows(self, path: Path, todo: list[int], *, checked: bool) -> Iterator[list[Row]]:
        """All cells of a photograph, by device.

        Args:
            path: the photograph.
            todo: how much slower the devices are.
            checked: whether to try what is said of delays.
        """
        graph = self.model.graph
        frames = {
            name: PictureFrame.of(file, CHAIN, graph.input)
            for name, file in sources(path, self.model).items()
        }
        pixels = load_input(path, graph.input, pictures=CHAIN)
        tried = try_codecs(self.model, pixels, FORM, codecs=named_codecs("auto"))
        for slower in todo:
            here = Setting(
                graph=graph,
                device=self.edge.slowed(slower),
                edge=self.edge,
                link=fusepath.parse_link("1MB/s"),
            )
            here = tried.on(here)
            known = {
                name: measured_source(self.model, frame, FORM, here)
                for name, frame in frames.items()
            }
            yield [
                replace(row, network=self.name, photograph=path.stem, slower=slower, rate=rate)
                for rate in RATES
                for row in cells(
                    here.at(fusepath.parse_link(f"{rate}MB/s")),
                    known,
                    checked=CHECKED if checked and rate == RATES[1] else (),
                )
            ]


def cells(
    setting: Setting, known: dict[str, PictureSource], *, checked: tuple[str, ...]
) -> Iterator[Row]:
    """One network, photograph, device and link, from every source; some are planned for twice."""
    plans = {name: planned(name, setting) for name in ("auto", "device-only", OFFLOAD, "nfl")}
    times_ms = {name: plan.makespan_s * 1e3 for name, plan in plans.items()}
    pixels = Row(
        source="pixels",
        file_bytes=0,
        auto_ms=times_ms["auto"],
        auto=plans["auto"].family,
        device_only_ms=times_ms["device-only"],
        forward_ms=None,
        lossless_ms=times_ms[OFFLOAD],
        nfl_ms=times_ms["nfl"],
    )
    yield pixels
    for source, about in known.items():
        at = replace(setting, source=about)
        forward = planned("forward", at)
        forward_ms, decode_ms = forward.makespan_s * 1e3, about.device_decode_s * 1e3
        forwards = forward_ms < pixels.auto_ms + decode_ms
        row = replace(
            pixels,
            source=source,
            file_bytes=about.file_bytes,
            auto_ms=min(forward_ms, pixels.auto_ms + decode_ms),
            auto=forward.family if forwards else pixels.auto,
            device_only_ms=pixels.device_only_ms + decode_ms,
            forward_ms=forward_ms,
            lossless_ms=pixels.lossless_ms + decode_ms,
            nfl_ms=pixels.nfl_ms + decode_ms,
        )
        if source in checked:
            for name, said_ms in (("auto", row.auto_ms), ("nfl", row.nfl_ms)):
                found_ms = planned(name, at).makespan_s * 1e3
                if abs(found_ms - said_ms) > ROUNDING_MS:
                    raise SystemExit(f"{source}: {name} takes {found_ms} ms, not {said_ms} ms")
        yield row


def planned(algorithm: str, setting: Setting) -> Plan:
    return make_plan(setting, PlanRequest(algorithm=algorithm, budget=BUDGET)).best


def show(rows: list[Row]) -> bool:
    """By network and source: what auto gains; whether all keep to the bar."""
    print(
        f"{len({row.photograph for row in rows})} photographs; auto beside the best of the others"
    )
    print(
        f"{'network':12} {'source':18} {'cells':>5} {'gain':>6} {'most':>6} {'worst':>6} forwarded"
    )
    for (network, source), own in itertools.groupby(
        sorted(rows, key=lambda row: (row.network, row.source)),
        key=lambda row: (row.network, row.source),
    ):
        several = list(own)
        gains = [1 / row.times_the_best for row in several]
        worst = max(row.times_the_best for row in several)
        sent = sum(row.auto == "forwarded file" for row in several)
        print(
            f"{network:12} {source:18} {len(several):5} {statistics.geometric_mean(gains):6.3f} "
            f"{max(gains):6.3f} {worst:6.3f} {sent:9}"
        )
    for slower, rate in itertools.product(SLOWER, RATES):
        here = [row for row in rows if (row.slower, row.rate) == (slower, rate)]
        if raw := [1 / row.times_the_best for row in here if row.source == "pixels"]:
            print(f"from pixels, {slower}x, {rate} MB/s: {statistics.geometric_mean(raw):.3f}")
    if raw := [1 / row.times_the_best for row in rows if row.source == "pixels"]:
        print(f"from pixels: {statistics.geometric_mean(raw):.3f} over the best of the others")
    beyond = [row for row in rows if row.times_the_best > BAR]
    print(f"{len(rows)} cells, {len(beyond)} beyond {BAR} of the best of the others")
    return not beyond


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ultraface = filter(None, [os.environ.get("FUSEPATH_ULTRAFACE")])
    parser.add_argument("networks", nargs="*", default=[*NETWORKS, *ultraface])
    parser.add_argument("--photos", type=Path, help="a folder of one's own photographs")
    parser.add_argument("--photographs", type=int, help="only the first so many")
    parser.add_argument(
        "--minutes", type=float, default=15, help="end after so many, to go on later"
    )
    parser.add_argument("--show", action="store_true", help="only what is kept")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS, help="rows are kept here")
    asked = parser.parse_args()
    until_s = time.monotonic() + asked.minutes * 60
    done = read_rows(asked.output, Row)
    there = {(row.network, row.photograph, row.slower) for row in done}
    paths = photographs(asked.photos)[: asked.photographs]
    networks: dict[str, Network] = {}
    for path, name in itertools.product([] if asked.show else paths, asked.networks):
        todo = [slower for slower in SLOWER if (titled(name), path.stem, slower) not in there]
        if not todo:
            continue
        if time.monotonic() > until_s:
            print("not all is done; the same command goes on …", file=sys.stderr)
            show(done)
            return 1
        print(f"{titled(name)}: {path.name} …", file=sys.stderr)
        network = networks.get(name) or networks.setdefault(name, Network(name))
        for rows in network.rows(path, todo, checked=path == paths[0]):
            append_rows(asked.output, Row, rows)
            done += rows
    return 0 if show(done) else 1


if __name__ == "__main__":
    sys.exit(main())
