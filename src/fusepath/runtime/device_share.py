"""The device's share of a plan, made ready: sessions are built and warm before the first image."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING

from fusepath.runtime.packing import EncodedTensor, pack
from fusepath.runtime.pixels import check_form
from fusepath.runtime.stage import WholeStage, make_stage
from fusepath.runtime.stages import prepare_stages, stages_macs, usable_codecs
from fusepath.runtime.strip_stage import StripState
from fusepath.tiling import layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.plan import Recipe
    from fusepath.runtime.stage import Pieces, Stage


class DeviceShare:
    """The device's share of a plan: layers before each path's cut.

    It serves one inference at a time, in the plan's order.
    """

    def __init__(self, model: Model, recipe: Recipe, *, threads: int = 1) -> None:
        check_form(recipe.input, model)
        self._head = None
        if recipe.start > 0:
            self._head = WholeStage(model, recipe.input, 1, recipe.start, threads=threads)
            model, recipe = model.behind(recipe.start), recipe.rest
        self._model = model
        self._recipe = recipe
        self._entry: Pieces = {}
        self._codecs = usable_codecs(recipe)
        self._paths = layout(model.graph, recipe.arrangement)
        self._stages: dict[int, Stage] = {
            cut: make_stage(model, self._paths, recipe.input, 1, cut - 1, threads=threads)
            for cut in sorted(set(recipe.cuts))
            if cut > 1
        }
        prepare_stages(self._stages, recipe)
        self._state = StripState()
        self._sent_bytes = [0] * len(recipe.cuts)

    @property
    def has_head(self) -> bool:
        """Whether layers are computed whole before all paths."""
        return self._head is not None

    def compute_head(self, image: Array) -> None:
        """Compute the layers before all paths, whose maps the paths of this image begin with.

        Args:
            image: as of `compute`.
        """
        if self._head is not None:
            pieces = {self._model.graph.input.name: image}
            self._entry = self._head.forward(0, pieces, self._state)

    def compute(self, path: int, image: Array) -> Pieces:
        """What path (0-based) sends: its part of what paths begin with, taken as far as its cut.

        Args:
            path: 0-based.
            image: the whole input, (1, C, H, W), of the plan's input dtype.
        """
        entry = {self._model.graph.input.name: image} if self._head is None else self._entry
        held = {name: self._paths.piece(path, name, value) for name, value in entry.items()}
        pieces = {name: piece for name, piece in held.items() if piece is not None}
        stage = self._stages.get(self._recipe.cuts[path])
        return stage.forward(path, pieces, self._state) if stage is not None else pieces

    def pack(self, path: int, pieces: Pieces) -> dict[str, Array | EncodedTensor]:
        """The pieces of a path as they are sent: encoded, where the plan says so."""
        return {} if self.keeps(path) else pack(pieces, self._codecs)

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of one inference on the device."""
        head = self._head.macs(0) if self._head is not None else 0
        return head + stages_macs(self._stages, self._recipe)

    def keeps(self, path: int) -> bool:
        """Whether the device takes a path to the very end, so that nothing of it is sent."""
        return self._recipe.cuts[path] == self._model.graph.depth + 1

    def sent_bytes(self, path: int) -> int:
        """Bytes of what a path (0-based) has sent of the image of the rehearsal."""
        return self._sent_bytes[path]

    @cached_property
    def returning(self) -> frozenset[int] | None:
        """Paths (0-based) of which the edge server returns a part; None for one whole result."""
        return self._paths.returning(self._recipe.cuts)

    def expected_part(self, path: int) -> dict[str, tuple[str, tuple[int, ...]]]:
        """(dtype, shape) by output of the part that comes back for a path (0-based)."""
        return self._paths.part_forms(path)

    def put_together(self, outputs: Pieces, parts: Mapping[int, Pieces]) -> Pieces:
        """The outputs from what has come back as a whole, and from parts (by path, 0-based).

        Parts are those that the device has kept, and those that have come back one by one.
        """
        whole = dict(outputs)
        for path, pieces in parts.items():
            for name, piece in pieces.items():
                whole[name] = self._paths.placed(path, name, piece, whole.get(name))
        return {name: whole[name] for name in self._model.graph.outputs}

    @property
    def sessions(self) -> int:
        """Number of sessions in memory."""
        return sum(stage.sessions for stage in self._stages.values()) + self.has_head

    def computes(self, path: int) -> bool:
        """Whether the device does anything for a path but cut it out of the image."""
        cut = self._recipe.cuts[path]
        return (
            self.has_head
            or cut in self._stages
            or any(name in self._codecs for name in self._model.graph.sent(cut))
        )

    def rehearse(self, image: Array, *, repeats: int) -> tuple[list[float], list[list[float]]]:
        """Warm every session up; seconds of the head and of each path (0-based).

        All of them ``repeats`` times.
        """
        head: list[float] = []
        times: list[list[float]] = [[] for _ in self._recipe.cuts]
        for turn in range(repeats + 1):
            started_s = time.perf_counter()
            self.compute_head(image)
            if turn > 0:
                head.append(time.perf_counter() - started_s)
            for number in self._recipe.order:
                started_s = time.perf_counter()
                to_send = self.pack(number - 1, self.compute(number - 1, image))
                self._sent_bytes[number - 1] = sum(item.nbytes for item in to_send.values())
                if turn > 0:  # the first one warms up
                    times[number - 1].append(time.perf_counter() - started_s)
        return head, times
