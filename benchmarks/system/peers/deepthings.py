"""Fused tile partitioning on a fixed grid, with work stealing: DeepThings' way."""

from __future__ import annotations

import queue
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import onnx
import plain
from crossing import Crossings

WINDOWED = {"Conv", "MaxPool", "AveragePool"}
MOST_REDUCED = 16
"""The fused layers end before maps are smaller than the picture by more than this factor."""


@dataclass(frozen=True)
class Tile:
    """A piece of the picture (with halo), and which part of its result goes where."""

    rows: tuple[int, int]
    cols: tuple[int, int]
    out_rows: tuple[int, int]
    out_cols: tuple[int, int]
    crop: tuple[int, int]

    def piece(self, pixels: np.ndarray) -> np.ndarray:
        return pixels[:, :, slice(*self.rows), slice(*self.cols)]

    def result(self, maps: np.ndarray) -> np.ndarray:
        row, col = self.crop
        height, width = (stop - start for start, stop in (self.out_rows, self.out_cols))
        return maps[:, :, row : row + height, col : col + width]


class FusedTiles:
    """The fused layers as one session for every tile, and the tiles of a grid."""

    def __init__(self, crossings: Crossings, fused: str | None, grid: int) -> None:
        self.fused = fused or _fused_layer(crossings)
        self._shapes = crossings.shapes
        self._input = crossings.input
        self._model = crossings.before(self.fused)
        self.tiles = [
            Tile(rows, cols, out_rows, out_cols, (row_crop, col_crop))
            for rows, out_rows, row_crop in self._spans(2, grid)
            for cols, out_cols, col_crop in self._spans(3, grid)
        ]
        self._session = plain.session(self._dynamic())

    def compute(self, tile: Tile, piece: np.ndarray) -> np.ndarray:
        return tile.result(plain.run(self._session, plain.to_input(piece)))

    def _dynamic(self) -> bytes:
        """The model for maps of any height and width."""
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        del model.graph.value_info[:]
        for value in (model.graph.input[0], model.graph.output[0]):
            for axis in (2, 3):
                value.type.tensor_type.shape.dim[axis].dim_param = f"{value.name}_{axis}"
        return model.SerializeToString()

    def _spans(self, axis: int, grid: int) -> list[tuple]:
        """(input range, output range, where that begins in what the session returns)."""
        size = self._shapes[self.fused][axis]
        bounds = [size * i // grid for i in range(grid + 1)]
        return [self._span(axis, *span) for span in pairwise(bounds)]

    def _span(self, axis: int, start: int, stop: int) -> tuple:
        needed = {self.fused: (start, stop)}
        stride = {self.fused: 1}
        at_begin = at_end = False
        for node in reversed(self._model.graph.node):
            low, high = needed[node.output[0]]
            down = 1
            if node.op_type in WINDOWED:
                kernel, down, pad = _window(node, axis - 2, self._weight_shape(node))
                low, high = low * down - pad, (high - 1) * down - pad + kernel
            for name in node.input:
                if name not in self._shapes:
                    continue  # weights
                last = self._shapes[name][axis]
                at_begin, at_end = at_begin or low < 0, at_end or high > last
                was = needed.get(name, (last, 0))
                needed[name] = min(was[0], max(low, 0)), max(was[1], min(high, last))
                stride[name] = stride[node.output[0]] * down
        low, high = needed[self._input]
        step = stride[self._input]
        # The session pads at every side of its input, which is right at the picture's border only.
        low = 0 if at_begin else low - low % step
        high = self._shapes[self._input][axis] if at_end else high
        return (low, high), (start, stop), start - low // step

    def _weight_shape(self, node: onnx.NodeProto) -> list[int]:
        if node.op_type != "Conv":
            return []
        return next(
            list(item.dims) for item in self._model.graph.initializer if item.name == node.input[1]
        )


def _fused_layer(crossings: Crossings) -> str:
    """The smallest tensor, and the last of equals, that is not reduced too much."""
    shapes = crossings.shapes
    least = shapes[crossings.input][2] / MOST_REDUCED
    large = [name for name in crossings.names[1:] if len(shapes[name]) == 4]
    large = [name for name in large if shapes[name][2] >= least]
    return min(reversed(large), key=lambda name: np.prod(shapes[name]))


def _window(node: onnx.NodeProto, axis: int, weight: list[int]) -> tuple[int, int, int]:
    """Reach, stride and padding in front, along rows (0) or columns (1)."""
    given = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    if given.get("auto_pad", b"NOTSET") not in {b"NOTSET", b""}:
        raise SystemExit(f"node '{node.name}': auto_pad is not supported; write pads out")
    kernel = given["kernel_shape"][axis] if "kernel_shape" in given else weight[2 + axis]
    reach = (kernel - 1) * given.get("dilations", [1, 1])[axis] + 1
    return reach, given.get("strides", [1, 1])[axis], given.get("pads", [0] * 4)[axis]


def edge(model: str, listen: str, fused: str | None, grid: int) -> None:
    crossings = Crossings(model)
    tiles = FusedTiles(crossings, fused, grid)
    rest = plain.session(crossings.behind(tiles.fused).SerializeToString())
    maps = np.zeros(crossings.shapes[tiles.fused], dtype=np.float32)
    worker = ThreadPoolExecutor(1)
    jobs: list = []

    def place(index: int, share: np.ndarray) -> None:
        tile = tiles.tiles[index]
        maps[:, :, slice(*tile.out_rows), slice(*tile.out_cols)] = share

    def work(data: bytes) -> bytes:
        """Compute a tile whose piece of the picture was sent."""
        index = data[0]
        piece = plain.from_bytes(data[1:])
        jobs.append(worker.submit(lambda: place(index, tiles.compute(tiles.tiles[index], piece))))
        return b""

    def done(data: bytes) -> bytes:
        """Take the result of a tile that the device has computed."""
        place(data[0], plain.from_bytes(data[1:]))
        return b""

    def finish(_: bytes) -> bytes:
        for job in jobs:
            job.result()
        jobs.clear()
        return plain.to_bytes(plain.run(rest, maps))

    plain.serve(listen, {"Work": work, "Done": done, "Finish": finish})


def device(model: str, image: str, address: str, fused: str | None, grid: int) -> None:
    crossings = Crossings(model)
    fused_tiles = FusedTiles(crossings, fused, grid)
    tiles = fused_tiles.tiles
    pixels = np.load(image)
    channel = plain.connect(address)
    work, done, finish = (plain.method(channel, name) for name in ("Work", "Done", "Finish"))
    quiet_s = [
        plain.quiet_s(lambda t=tile: fused_tiles.compute(t, t.piece(pixels))) for tile in tiles
    ]
    target_s: list[float] = []

    def prepare(slowdown: float, rate_bytes_per_s: float) -> dict:  # noqa: ARG001 - it forecasts nothing
        target_s[:] = [slowdown * item for item in quiet_s]
        run()
        return {"choice": f"{grid}x{grid} tiles to {fused_tiles.fused}"}

    def run() -> tuple[list[np.ndarray], int]:
        waiting = deque(range(len(tiles)))
        computed: queue.SimpleQueue = queue.SimpleQueue()

        def compute() -> None:
            while waiting:
                try:
                    index = waiting.popleft()
                except IndexError:  # stolen just now
                    break
                tile = tiles[index]
                share = plain.stretched(
                    lambda t=tile: fused_tiles.compute(t, t.piece(pixels)), target_s[index]
                )
                computed.put((index, share))
            computed.put(None)

        computing = threading.Thread(target=compute)
        computing.start()
        up_bytes = 0
        while True:
            try:
                item = computed.get(block=not waiting)
            except queue.Empty:
                try:
                    index = waiting.pop()
                except IndexError:
                    continue
                piece = np.ascontiguousarray(tiles[index].piece(pixels))
                work(bytes([index]) + plain.to_bytes(piece))
                up_bytes += piece.nbytes
                continue
            if item is None:
                break
            done(bytes([item[0]]) + plain.to_bytes(item[1]))
            up_bytes += item[1].nbytes
        computing.join()
        return [plain.from_bytes(finish(b""))], up_bytes

    plain.obey(prepare, run)


def _options(parser) -> None:
    parser.add_argument("--grid", type=int, default=3)
    parser.add_argument("--fused", help="the tensor that tiles are joined at")


if __name__ == "__main__":
    given = plain.arguments(__doc__, _options)
    if given.role == "edge":
        edge(given.model, given.listen, given.fused, given.grid)
    else:
        device(given.model, given.image, given.edge, given.fused, given.grid)
