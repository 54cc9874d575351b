"""The device's share of a plan, made ready: sessions are built and warm before the first image."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from fusepath.cancellation import check_cancelled
from fusepath.plan import TailPlace
from fusepath.runtime.companions import blank_companions
from fusepath.runtime.execution import ON_CPU, Execution
from fusepath.runtime.packing import EncodedTensor, pack
from fusepath.runtime.pixels import check_form
from fusepath.runtime.rehearsing import here
from fusepath.runtime.stage import WholeStage, make_stage
from fusepath.runtime.stages import (
    may_reuse,
    prepare_stages,
    returned_names,
    stages_macs,
    usable_codecs,
)
from fusepath.runtime.strip_stage import StripState
from fusepath.tiling import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.pictures.frame import PictureFrame
    from fusepath.plan import Recipe
    from fusepath.runtime.rehearsing import On
    from fusepath.runtime.stage import Pieces, Stage
    from fusepath.tiling.interval import Box


@dataclass(frozen=True, slots=True)
class DeviceTimes:
    """Seconds of the head, of every path (0-based) and of the tail if it runs here, per repeat."""

    head_s: list[float]
    paths_s: list[list[float]]
    tail_s: list[float]

    def and_of(self, other: DeviceTimes) -> DeviceTimes:
        """Of further repeats as well."""
        return DeviceTimes(
            self.head_s + other.head_s,
            [mine + its for mine, its in zip(self.paths_s, other.paths_s, strict=True)],
            self.tail_s + other.tail_s,
        )


class DeviceShare:
    """The device's share of a plan: layers before each path's cut, and perhaps the tail.

    It serves one inference at a time, in the plan's order.
    """

    def __init__(self, model: Model, recipe: Recipe, *, execution: Execution = ON_CPU) -> None:
        check_form(recipe.input, model)
        self._head = None
        if recipe.start > 0:
            self._head = WholeStage(model, recipe.input, 1, recipe.start, execution=execution)
            model, recipe = model.behind(recipe.start), recipe.rest
        self._model = model
        self._recipe = recipe
        self._entry: Pieces = {}
        self._codecs = usable_codecs(recipe.codecs)
        self.back_codecs = usable_codecs(recipe.back_codecs)
        self._graph = recipe.divided(model.graph)
        self._paths = layout(self._graph, recipe.arrangement)
        self._stages: dict[int, Stage] = {
            cut: make_stage(model, self._paths, recipe.input, 1, cut - 1, execution=execution)
            for cut in sorted(set(recipe.cuts))
            if cut > 1
        }
        prepare_stages(self._stages, recipe)
        depth = model.graph.depth
        self._tail = (
            WholeStage(model, recipe.input, recipe.tau + 1, depth, execution=execution)
            if recipe.tail is TailPlace.DEVICE and recipe.tau < depth
            else None
        )
        self._state = StripState()
        self._sent_bytes = [0] * len(recipe.cuts)

    @property
    def has_head(self) -> bool:
        """Whether layers are computed whole before all paths."""
        return self._head is not None

    def compute_head(
        self, image: Array, companions: Mapping[str, Array] = MappingProxyType({})
    ) -> None:
        """Compute the layers before all paths, whose maps the paths of this image begin with.

        Args:
            image: as of `compute`.
            companions: the other inputs, by name in the graph.
        """
        if self._head is not None:
            pieces = {self._model.graph.input.name: image, **companions}
            self._entry = self._head.forward(0, pieces, self._state)

    def compute(
        self, path: int, image: Array, companions: Mapping[str, Array] = MappingProxyType({})
    ) -> Pieces:
        """What path (0-based) sends: its part of what paths begin with, taken as far as its cut.

        Args:
            path: 0-based.
            image: the whole input, (1, C, H, W), of the plan's input dtype.
            companions: the other inputs, by name in the graph.
        """
        entry = {self._model.graph.input.name: image} if self._head is None else self._entry
        held = {name: self._paths.piece(path, name, value) for name, value in entry.items()}
        pieces = {name: piece for name, piece in held.items() if piece is not None}
        cut = self._recipe.cuts[path]
        stage = self._stages.get(cut)
        if stage is not None:
            pieces = stage.forward(path, {**pieces, **companions}, self._state)
        if self._accompanying(path):
            pieces |= {name: companions[name] for name in self._accompanying(path)}
        return pieces

    @property
    def may_reuse(self) -> bool:
        """Whether paths may be left out that begin with what they began with before."""
        forwards = self._recipe.forwards
        return not (self.has_head or forwards) and may_reuse(self._graph, self._paths)

    @cached_property
    def input_boxes(self) -> list[Box | None]:
        """What every path reads of the input, halo included; None for nothing."""
        name = self._model.graph.input.name
        return [self._paths.box(path, name) for path in range(len(self._recipe.cuts))]

    def pack(self, path: int, pieces: Pieces) -> dict[str, Array | EncodedTensor]:
        """The pieces of a path as they are sent: encoded, where the plan says so."""
        return pack(self.sent(path, pieces), self._codecs)

    def sent(self, path: int, pieces: Pieces) -> Pieces:
        """Those of a path's pieces that are sent."""
        sent = (*self._graph.sent(self._recipe.cuts[path]), *self._accompanying(path))
        return {name: pieces[name] for name in sent if name in pieces}

    def forward(
        self, frame: PictureFrame, companions: Mapping[str, Array]
    ) -> dict[str, Array | EncodedTensor]:
        """What is sent where the input's file is forwarded: that, and its companions."""
        name = self._graph.input.name
        beside = {other: companions[other] for other in self._accompanying(0)}
        return {name: EncodedTensor.forwarded(name, frame), **beside}

    def _accompanying(self, path: int) -> tuple[str, ...]:
        """Companions that the edge server needs; they travel with the first path."""
        is_first = path == self._recipe.order[0] - 1
        return self._graph.accompanying(self._recipe.cuts[path]) if is_first else ()

    def kept(self, path: int, pieces: Pieces) -> Pieces:
        """Those of a path's pieces that stay: its share of what nobody computes further."""
        cut = self._recipe.cuts[path]
        if cut <= self._graph.depth and not self._graph.outputs_stay:
            return {}
        return {name: pieces[name] for name in self._graph.outputs if name in pieces}

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of one inference on the device."""
        return self.head_macs + stages_macs(self._stages, self._recipe) + self.tail_macs

    @cached_property
    def head_macs(self) -> int:
        """Multiply-accumulates before all paths."""
        return 0 if self._head is None else self._head.macs(0)

    @cached_property
    def tail_macs(self) -> int:
        """Multiply-accumulates behind the fused layer, where they run here."""
        return 0 if self._tail is None else self._tail.macs(0)

    def path_macs(self, path: int) -> int:
        """Multiply-accumulates of a path (0-based) on the device."""
        stage = self._stages.get(self._recipe.cuts[path])
        return 0 if stage is None else stage.macs(path)

    @cached_property
    def held_bytes(self) -> int:
        """Bytes of what all paths have at their cuts; pieces of the image take none."""
        total = 0
        for path, cut in enumerate(self._recipe.cuts):
            for name in self._graph.sent(cut) if cut > 1 else ():
                shape = self._paths.piece_shape(path, name)
                dtype = np.dtype(self._graph.tensors[name].dtype)
                total += 0 if shape is None else dtype.itemsize * math.prod(shape)
        return total

    @property
    def has_tail(self) -> bool:
        """Whether layers behind the fused layer run here."""
        return self._tail is not None

    def sent_bytes(self, path: int) -> int:
        """Bytes of what a path (0-based) has sent of the image of the rehearsal."""
        return self._sent_bytes[path]

    @cached_property
    def returning(self) -> frozenset[int] | None:
        """Paths (0-based) of which the edge server returns a part; None for one whole result."""
        return self._paths.returning(self._recipe.cuts)

    def returned(self, left_out: int) -> frozenset[str]:
        """Names of what returns, as `returned_names`."""
        return returned_names(self._model.graph, self._recipe, left_out)

    def expected_part(self, path: int) -> dict[str, tuple[str, tuple[int, ...]]]:
        """(dtype, shape) by output of the part that comes back for a path (0-based)."""
        return self._paths.part_forms(path, self._recipe.cuts[path])

    def place(self, whole: Pieces, path: int, pieces: Pieces) -> None:
        """Put the pieces of a path (0-based) where they belong among those of others."""
        for name, piece in pieces.items():
            whole[name] = self._paths.placed(path, name, piece, whole.get(name))

    def put_together(
        self, outputs: Pieces, parts: Iterable[tuple[int, Pieces]], inputs: Mapping[str, Array]
    ) -> Pieces:
        """The outputs from what has come back as a whole and from parts; computes the tail, if any.

        Those that were left out are not there, or not whole.

        Args:
            outputs: what has come back as a whole, and what has been placed.
            parts: by path (0-based), what else the device has kept and what has come back one by
                one.
            inputs: the whole image and its companions, by name in the graph.
        """
        whole = dict(outputs)
        for path, pieces in parts:
            self.place(whole, path, pieces)
        if self._tail is not None:
            whole = self._tail.forward(0, {**whole, **inputs}, self._state)
        return {name: whole[name] for name in self._model.graph.outputs if name in whole}

    @property
    def sessions(self) -> int:
        """Number of sessions in memory."""
        own = sum(stage.sessions for stage in self._stages.values())
        return own + self.has_head + self.has_tail

    def computes(self, path: int) -> bool:
        """Whether the device does anything for a path but cut it out of the image."""
        cut = self._recipe.cuts[path]
        return (
            self.has_head
            or cut in self._stages
            or any(name in self._codecs for name in self._graph.sent(cut))
        )

    def rehearse(self, image: Array, *, repeats: int, on: On = here) -> DeviceTimes:
        """Warm every session up and time it ``repeats`` times; what returns is taken as zeros.

        All parts but the last are in their places before the tail.

        Args:
            image: the plan's input.
            repeats: how often each part is timed.
            on: has head, path or tail run where it will run; others have their turns between.
        """
        times = DeviceTimes([], [[] for _ in self._recipe.cuts], [])
        self._rehearse_once(image, DeviceTimes([], [[] for _ in self._recipe.cuts], []), on)
        for _ in range(repeats):
            check_cancelled()
            self._rehearse_once(image, times, on)
        return times

    def _rehearse_once(self, image: Array, times: DeviceTimes, on: On) -> None:
        companions = blank_companions(self._model.graph)
        kept: dict[int, Pieces] = {}

        def head() -> None:
            started_s = time.perf_counter()
            self.compute_head(image, companions)
            times.head_s.append(time.perf_counter() - started_s)

        def path(place: int) -> None:
            started_s = time.perf_counter()
            pieces = self.compute(place, image, companions)
            to_send = self.pack(place, pieces)
            self._sent_bytes[place] = sum(item.nbytes for item in to_send.values())
            times.paths_s[place].append(time.perf_counter() - started_s)
            kept[place] = self.kept(place, pieces)

        def tail() -> None:
            parts = [*kept.items(), *((place, self._blank_part(place)) for place in kept)]
            whole: Pieces = {}
            for place, pieces in parts[:-1]:
                self.place(whole, place, pieces)
            started_s = time.perf_counter()
            self.put_together(whole, parts[-1:], {self._graph.input.name: image, **companions})
            times.tail_s.append(time.perf_counter() - started_s)

        on(head)
        for number in self._recipe.order:
            on(partial(path, number - 1))
        if self._tail is not None:
            on(tail)

    def _blank_part(self, path: int) -> Pieces:
        """A part as it could come back."""
        expected = self.expected_part(path)
        return {name: np.zeros(shape, dtype) for name, (dtype, shape) in expected.items()}
