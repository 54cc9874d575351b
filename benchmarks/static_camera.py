"""A camera that stands still: what `SessionOptions(reuse=True)` saves, and whether it is exact.

Frames of a photograph over which a patch moves, with and without the noise of a sensor, as they are
and as a decoder of H.264 (crf 28) makes them of the noisy ones, encoded as cameras do (no frame
waits for a later one) and as files are; and frames in which every pixel changes. Device and edge
server are in this process (``memory:``). Every frame is answered by a session that reuses and
compared, bit for bit, with one that computes every frame anew, both with the same plan of tiles.

``--frames`` of each kind are answered; ``--long N`` further ones by a smaller network. What a
session costs where every pixel changes is timed with both in turn. Beside it stands why tiles are
sent: since pixels of their own have changed, or pixels of their halo alone. With ``--codecs`` what
is sent is encoded, with and without reuse.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import statistics
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

import fusepath
from benchmarks.photographs import photographs, pixels
from fusepath.offload.order import FallbackPolicy
from fusepath.plan import InputFormat, Plan, PlanRequest
from fusepath.profiling.codecs import named_codecs, try_codecs
from fusepath.runtime.codecs import find_codec
from fusepath.tiling import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusepath.arrays import Array

NETWORK, SMALL = "zoo:squeezenet?size=224", "zoo:squeezenet?size=64&weights=integer"
DEVICE, EDGE, LINK = "5GFLOPS", "500GFLOPS", "1.8MB/s"
PATCH = 24
"""Pixels along each side of what moves."""
NOISE = 2.0
"""Standard deviation of the noise of a sensor, of 255."""
CRF = 28
GROUP = 250
"""Frames that a decoder of video is given at a time."""


def moving_patch(photo: Array, count: int, *, seed: int = 0) -> Iterator[Array]:
    """A photograph (1, C, H, W) over which a patch moves, a few pixels a frame, and rests."""
    rng = np.random.default_rng(seed)
    patch = rng.integers(256, size=(1, photo.shape[1], PATCH, PATCH), dtype=np.uint8)
    limits = np.array(photo.shape[2:]) - PATCH
    place, speed = limits // 2, np.array([2, 3])
    for number in range(count):
        frame = photo.copy()
        top, left = place
        frame[:, :, top : top + PATCH, left : left + PATCH] = patch
        yield frame
        if number % 50 < 40:  # what moves stands still for a while
            turned = (place + speed < 0) | (place + speed > limits)
            speed = np.where(turned, -speed, speed)
            place = place + speed


def noisy(frames: Iterator[Array], *, seed: int = 1) -> Iterator[Array]:
    """The same with the noise of a sensor, which is new in every frame."""
    rng = np.random.default_rng(seed)
    for frame in frames:
        noise = rng.normal(0.0, NOISE, frame.shape)
        yield np.clip(np.rint(frame + noise), 0, 255).astype(np.uint8)


def every_pixel_changes(photo: Array, count: int) -> Iterator[Array]:
    """A photograph that becomes brighter and darker."""
    for number in range(count):
        yield photo + np.uint8(number % 2 + 1)


def decoded_h264(frames: Iterator[Array], **options: str) -> Iterator[Array]:
    """What a decoder of H.264 makes of frames, a group at a time; options are those of x264."""
    import av  # noqa: PLC0415 - in an extra

    group: list[Array] = []
    for frame in frames:
        group.append(frame)
        if len(group) == GROUP:
            yield from _through_h264(av, group, options)
            group = []
    if group:
        yield from _through_h264(av, group, options)


def _through_h264(av: Any, frames: list[Array], options: dict[str, str]) -> Iterator[Array]:
    stored = io.BytesIO()
    _, _, height, width = frames[0].shape
    with av.open(stored, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(CRF), **options})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            rows_first = np.ascontiguousarray(frame[0].transpose(1, 2, 0))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rows_first, format="rgb24")))
        container.mux(stream.encode())
    stored.seek(0)
    with av.open(stored) as container:
        for picture in container.decode(video=0):
            rows_first = picture.to_ndarray(format="rgb24")
            yield np.ascontiguousarray(rows_first.transpose(2, 0, 1))[None]


KINDS: dict[str, Callable[[Array, int], Iterator[Array]]] = {
    "a patch moves": moving_patch,
    "with noise": lambda photo, count: noisy(moving_patch(photo, count)),
    "with noise, H.264": lambda photo, count: decoded_h264(
        noisy(moving_patch(photo, count)), tune="zerolatency"
    ),
    "with noise, H.264 file": lambda photo, count: decoded_h264(noisy(moving_patch(photo, count))),
    "every pixel changes": every_pixel_changes,
}


def tiles(model: fusepath.Model, grid: int, photo: Array | None = None) -> Plan:
    """The best plan of so many tiles along each side, for a weak device and a slow link.

    Args:
        model: the network.
        grid: tiles along each side.
        photo: what codecs are tried on; without, nothing is encoded.
    """
    setting = fusepath.Setting(
        graph=model.graph,
        device=fusepath.parse_machine(DEVICE),
        edge=fusepath.parse_machine(EDGE),
        link=fusepath.parse_link(LINK),
    )
    if photo is not None:
        tried = try_codecs(model, photo, InputFormat(), codecs=named_codecs("auto"))
        setting = tried.on(setting)
    request = PlanRequest(
        algorithm="mw",
        grid=fusepath.Grid(grid, grid),
        codecs="off" if photo is None else "auto",
    )
    return fusepath.make_plan(setting, request).best


def causes(model: fusepath.Model, plan: Plan, frames: Iterator[Array]) -> dict[str, float]:
    """Why tiles are sent: what differs from the frame before, as shares, means over frames.

    Returns:
        Of pixels; of tiles those with such pixels of their own; and those with some in the halo
        alone. And the bytes of whole frames that are encoded as pictures.
    """
    recipe, name = plan.recipe, model.graph.input.name
    parts = layout(recipe.divided(model.graph), recipe.arrangement)
    boxes = [(parts.own_box(path, name), parts.box(path, name)) for path in range(len(plan.cuts))]
    codec = find_codec("picture")
    counts: list[tuple[float, float, float, int]] = []
    for before, now in itertools.pairwise(frames):
        differs = (before != now).any(axis=(0, 1))
        own, all_of_it = (
            np.array([box and differs[box.rows.slice(), box.cols.slice()].any() for box in column])
            for column in zip(*boxes, strict=True)
        )
        halo = all_of_it & ~own
        counts.append((differs.mean(), own.mean(), halo.mean(), len(codec.encode(now))))
    pixels_new, tiles_new, halos_new, picture_bytes = np.mean(counts, axis=0)
    return {
        "pixels_new": float(pixels_new),
        "tiles_new": float(tiles_new),
        "halos_new": float(halos_new),
        "picture_bytes": float(picture_bytes),
    }


def sessions(stack: ExitStack, model: fusepath.Model, plan: Plan) -> list[fusepath.Session]:
    """One that computes every frame anew, and one that reuses; both ready."""
    held = []
    for reuse in (False, True):
        options = fusepath.SessionOptions(remember=False, reuse=reuse, fallback=FallbackPolicy.OFF)
        session = fusepath.Session(model, "memory:", plan=plan, options=options)
        held.append(stack.enter_context(session))
    for session in held:
        session.wait_ready()
    return held


def compared(model: fusepath.Model, plan: Plan, frames: Iterator[Array]) -> dict[str, Any]:
    """Answer frames both ways with one plan, and count."""
    sums = {"up_bytes": [0, 0], "macs": [0, 0]}
    differing, same, count, paths = 0, 0, 0, 0
    began_s = time.perf_counter()
    with ExitStack() as stack:
        both = sessions(stack, model, plan)
        for frame in frames:
            done = [session.infer(frame) for session in both]
            count += 1
            for at, inference in enumerate(done):
                sums["up_bytes"][at] += inference.up_bytes
                sums["macs"][at] += inference.device_macs + inference.edge_macs
            same += done[1].reused.everything
            paths += done[1].reused.paths
            differing += any(
                value.tobytes() != done[1].outputs[name].tobytes()
                for name, value in done[0].outputs.items()
            )
    return {
        "frames": count,
        "differing": differing,
        "nothing_new": same,
        "paths_reused": paths / (count * len(plan.cuts)),
        "fewer_bytes": sums["up_bytes"][0] / max(sums["up_bytes"][1], 1),
        "bytes_a_frame": sums["up_bytes"][1] / count,
        "bytes_a_frame_anew": sums["up_bytes"][0] / count,
        "fewer_macs": sums["macs"][0] / max(sums["macs"][1], 1),
        "seconds": time.perf_counter() - began_s,
    }


def overhead(model: fusepath.Model, plan: Plan, photo: Array, rounds: int) -> dict[str, float]:
    """What reuse costs where every pixel changes: of each frame both ways, one after the other.

    Which comes first is drawn: whatever else the machine does changes from frame to frame.
    """
    ratios, rng = [], np.random.default_rng(0)
    with ExitStack() as stack:
        both = sessions(stack, model, plan)
        frames = list(every_pixel_changes(photo, 16))
        for turn in range(rounds + 1):
            for frame in frames:
                taken = {at: both[at].infer(frame).latency_s for at in rng.permutation(2).tolist()}
                if turn:  # the first one warms up
                    ratios.append(taken[1] / taken[0])
    low, _, high = statistics.quantiles(ratios, n=4)
    return {"ratio": statistics.median(ratios), "low": low, "high": high}


def photograph(model: fusepath.Model) -> Array:
    """The first of the photographs, as the network's input."""
    _, _, rows, columns = model.graph.input.shape
    return pixels(photographs()[0], rows=rows, columns=columns)


def main() -> None:
    """Print what is saved, and what it costs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=200, help="of each kind")
    parser.add_argument("--long", type=int, default=0, help="further frames, of a small network")
    parser.add_argument("--rounds", type=int, default=9, help="of timing")
    parser.add_argument("--grid", type=int, default=10, help="tiles along each side")
    parser.add_argument("--codecs", action="store_true", help="encode what is sent")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()

    model = fusepath.load_model(NETWORK)
    photo = photograph(model)
    plan = tiles(model, arguments.grid, photo if arguments.codecs else None)
    rows = {}
    for kind, make in KINDS.items() if arguments.frames else ():
        frames = list(make(photo, arguments.frames))
        rows[kind] = compared(model, plan, iter(frames)) | causes(model, plan, iter(frames))
    cost = overhead(model, plan, photo, arguments.rounds) if arguments.rounds > 1 else None
    if arguments.long:
        small = fusepath.load_model(SMALL)
        for kind, make in KINDS.items():
            some = make(photograph(small), arguments.long // len(KINDS))
            rows[f"{kind} (small)"] = compared(small, tiles(small, 4), some)
    if arguments.json:
        print(json.dumps({"grid": str(plan.grid), "kinds": rows, "overhead": cost}))
        return
    table = Table(title=f"{NETWORK}, tiles {plan.grid} to layer {plan.tau}")
    for column in ("what", "frames", "differ", "the same", "tiles reused", "kB", "bytes", "MACs"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for kind, row in rows.items():
        table.add_row(
            kind,
            str(row["frames"]),
            str(row["differing"]),
            str(row["nothing_new"]),
            f"{row['paths_reused']:.0%}",
            f"{row['bytes_a_frame'] / 1e3:.1f}",
            f"1/{row['fewer_bytes']:.1f}",
            f"1/{row['fewer_macs']:.1f}",
        )
    Console(width=100).print(table)
    for kind, row in rows.items():
        if "pixels_new" in row:
            print(
                f"{kind}: of the pixels {row['pixels_new']:.1%} are new, of the tiles "
                f"{row['tiles_new']:.0%}, and {row['halos_new']:.0%} in the halo alone; encoded as "
                f"a whole a frame has {row['picture_bytes'] / 1e3:.1f} kB"
            )
    if cost is not None:
        print(
            f"where every pixel changes a frame takes {cost['ratio']:.3f} "
            f"({cost['low']:.3f} to {cost['high']:.3f}) of the time without reuse"
        )


if __name__ == "__main__":
    main()
