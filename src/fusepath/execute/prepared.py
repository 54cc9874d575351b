"""A plan made ready to run: its sessions are built and warm before the first image."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fusepath.execute.codec import encode_all, pack, receive
from fusepath.execute.lossless import find_codec
from fusepath.execute.pieces import Paths
from fusepath.execute.pixels import check_form
from fusepath.execute.stage import WholeStage, make_stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fusepath.execute.codec import Packed, Received
    from fusepath.execute.stage import Memory, Pieces, Stage
    from fusepath.onnx_io import Model
    from fusepath.plan import Plan

    Array = NDArray[Any]


_LEAST_ROUNDS, _MOST_ROUNDS = 2, 7
_REHEARSAL_S = 0.25
"""Seconds after which a rehearsal begins no further round."""


class DeviceWork:
    """The device's share of a plan: layers before each path's cut.

    It serves one inference at a time, in the plan's order.
    """

    def __init__(self, model: Model, plan: Plan, *, threads: int = 1) -> None:
        check_form(plan.input, model)
        self._model = model
        self._plan = plan
        self._codecs = usable_codecs(plan)
        self._paths = Paths.of(model, plan)
        self._stages: dict[int, Stage] = {
            cut: make_stage(model, self._paths, plan.input, 1, cut - 1, threads=threads)
            for cut in sorted(set(plan.cuts))
            if cut > 1
        }
        _prepare(self._stages, plan)
        self._memory: Memory = {}
        self._sent_bytes = [0] * len(plan.cuts)

    def compute(self, path: int, image: Array) -> Pieces:
        """What path (0-based) sends: its part of the image, taken as far as its cut.

        Args:
            path: 0-based.
            image: the whole input, (1, C, H, W), of the plan's input dtype.
        """
        name = self._model.graph.input.name
        pieces = {name: image}
        if self._paths.tiling is not None:
            box = self._paths.box(path, name)
            pieces = {}
            if box is not None:
                pieces = {name: image[:, :, box.rows.slice(), box.cols.slice()]}
        stage = self._stages.get(self._plan.cuts[path])
        return stage.run(path, pieces, self._memory) if stage is not None else pieces

    def pack(self, path: int, pieces: Pieces) -> dict[str, Array | Packed]:
        """The pieces of a path as they are sent: encoded, where the plan says so."""
        return {} if self.keeps(path) else pack(pieces, self._codecs)

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of one inference on the device."""
        return _macs(self._stages, self._plan)

    def keeps(self, path: int) -> bool:
        """Whether the device takes a path to the very end, so that nothing of it is sent."""
        return self._plan.cuts[path] == self._model.graph.depth + 1

    def sent_bytes(self, path: int) -> int:
        """Bytes of what a path (0-based) has sent of the image of the rehearsal."""
        return self._sent_bytes[path]

    @cached_property
    def returning(self) -> frozenset[int] | None:
        """Paths (0-based) of which the edge server returns a part; None for one whole result."""
        return self._paths.returning(self._plan)

    def expected_part(self, path: int) -> dict[str, tuple[str, tuple[int, ...]]]:
        """(dtype, shape) by output of the part that comes back for a path (0-based)."""
        return self._paths.part_shapes(self._model, path)

    def put_together(self, outputs: Pieces, parts: Mapping[int, Pieces]) -> Pieces:
        """The outputs from what has come back as a whole, and from parts (by path, 0-based).

        Parts are those that the device has kept, and those that have come back one by one.
        """
        whole = dict(outputs)
        for path, pieces in parts.items():
            if self._paths.tiling is None:
                whole.update(pieces)
                continue
            for name, share in pieces.items():
                box = self._paths.box(path, name)
                assert box is not None  # a share is never empty
                if name not in whole:
                    tensor = self._model.graph.tensors[name]
                    whole[name] = np.empty(tensor.shape, dtype=tensor.dtype)
                elif not whole[name].flags.writeable:
                    whole[name] = whole[name].copy()
                whole[name][:, :, box.rows.slice(), box.cols.slice()] = share
        return {name: whole[name] for name in self._model.graph.outputs}

    @property
    def sessions(self) -> int:
        """Number of sessions in memory."""
        return sum(stage.sessions for stage in self._stages.values())

    def computes(self, path: int) -> bool:
        """Whether the device does anything for a path but cut it out of the image."""
        cut = self._plan.cuts[path]
        return cut in self._stages or any(
            name in self._codecs for name in self._model.graph.sent(cut)
        )

    def rehearse(self, image: Array, *, repeats: int) -> list[list[float]]:
        """Warm every session up; seconds of each path (0-based), ``repeats`` times."""
        times: list[list[float]] = [[] for _ in self._plan.cuts]
        for turn in range(repeats + 1):
            for number in self._plan.order:
                started_s = time.perf_counter()
                to_send = self.pack(number - 1, self.compute(number - 1, image))
                self._sent_bytes[number - 1] = sum(item.nbytes for item in to_send.values())
                if turn > 0:  # the first one warms up
                    times[number - 1].append(time.perf_counter() - started_s)
        return times


@dataclass(frozen=True, slots=True)
class FusedLayer:
    """One inference on the edge server: maps that paths fill, and what strips remember."""

    maps: Pieces
    memory: Memory = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EdgeTimes:
    """Seconds of every path (0-based) and of the layers behind them, measured on this machine."""

    paths_s: tuple[float, ...]
    tail_s: float


class EdgeWork:
    """The edge server's share of a plan: every path from its cut on, and the tail."""

    def __init__(self, model: Model, plan: Plan, *, threads: int = 1) -> None:
        check_form(plan.input, model)
        self._model = model
        self.plan = plan
        self.codecs = usable_codecs(plan)
        self._paths = Paths.of(model, plan)
        self._stages: dict[int, Stage] = {
            cut: make_stage(model, self._paths, plan.input, cut, plan.tau, threads=threads)
            for cut in sorted(set(plan.cuts))
            if cut <= plan.tau
        }
        _prepare(self._stages, plan)
        self._expected = [self._arrives(path) for path in range(len(plan.cuts))]
        depth = model.graph.depth
        self._tail = (
            WholeStage(model, plan.input, plan.tau + 1, depth, threads=threads)
            if plan.tau < depth
            else None
        )

    @property
    def has_tail(self) -> bool:
        """Whether layers are left behind the fused layer."""
        return self._tail is not None

    def predecessors(self) -> dict[int, int]:
        """Paths (0-based) that wait for another path, and that other."""
        return self._paths.predecessors()

    def expected(self, path: int) -> dict[str, tuple[str, tuple[int, ...]]]:
        """(dtype, shape) of every tensor that path (0-based) arrives with."""
        return self._expected[path]

    def _arrives(self, path: int) -> dict[str, tuple[str, tuple[int, ...]]]:
        graph = self._model.graph
        shapes = {
            name: self._paths.piece_shape(self._model, path, name)
            for name in graph.sent(self.plan.cuts[path])
        }
        return {
            name: (
                self.plan.input.dtype if name == graph.input.name else graph.tensors[name].dtype,
                shape,
            )
            for name, shape in shapes.items()
            if shape is not None
        }

    def new_fused(self) -> FusedLayer:
        """Room for the fused layer of one inference."""
        graph = self._model.graph
        return FusedLayer(
            {
                name: np.zeros(graph.tensors[name].shape, dtype=graph.tensors[name].dtype)
                for name in graph.frontier(self.plan.tau)
            }
        )

    def compute(self, path: int, pieces: Mapping[str, Array], fused: FusedLayer) -> None:
        """Take a path from its cut to the fused layer and put its share in place."""
        stage = self._stages.get(self.plan.cuts[path])
        shares = stage.run(path, pieces, fused.memory) if stage is not None else pieces
        for name, share in shares.items():
            if self._paths.tiling is None:
                fused.maps[name] = np.asarray(share)
                continue
            box = self._paths.box(path, name)
            assert box is not None  # a share is never empty
            fused.maps[name][:, :, box.rows.slice(), box.cols.slice()] = share

    @cached_property
    def returning(self) -> frozenset[int] | None:
        """Paths (0-based) that return a part of the outputs each; None for one whole result."""
        return self._paths.returning(self.plan)

    def part(self, path: int, fused: FusedLayer) -> Pieces:
        """The rows of the outputs that a path (0-based) has made."""
        boxes = {name: self._paths.box(path, name) for name in self._model.graph.outputs}
        return {
            name: fused.maps[name][:, :, box.rows.slice(), box.cols.slice()]
            for name, box in boxes.items()
            if box is not None
        }

    def compute_tail(self, fused: FusedLayer) -> Pieces:
        """The outputs, once all paths are in place."""
        values = fused.maps
        if self._tail is not None:
            values = self._tail.run(0, values, fused.memory)
        return {name: np.asarray(values[name]) for name in self._model.graph.outputs}

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of one inference on the edge server."""
        return _macs(self._stages, self.plan) + (self._tail.macs(0) if self._tail else 0)

    @property
    def sessions(self) -> int:
        """Number of sessions in memory."""
        return sum(stage.sessions for stage in self._stages.values()) + (self._tail is not None)

    def finish(self, path: int, received: Mapping[str, Received], fused: FusedLayer) -> None:
        """Decode what a path (0-based) has arrived with, and compute it.

        Raises:
            ProtocolError: a tensor does not decode.
        """
        pieces = {name: item.value() for name, item in received.items()}
        self.compute(path, pieces, fused)

    def _blank(self, path: int) -> dict[str, Received]:
        """A path as it could arrive: zeros; random in every other place of what is encoded."""
        expected = self.expected(path)
        values = {name: np.zeros(shape, dtype=dtype) for name, (dtype, shape) in expected.items()}
        for name in values.keys() & self.codecs.keys():
            flat = values[name].reshape(-1)
            flat[::2] = 1 + 254 * np.random.default_rng(0).random(flat[::2].shape)
        return receive(encode_all(pack(values, self.codecs)), expected, self.codecs)

    def rehearse(self, *, wait_s: float = 0.0) -> EdgeTimes:
        """Run everything on blank pieces a few times: the first image pays for no warming up.

        Of tiles that are alike, one is timed for all.

        Args:
            wait_s: idle time before each path, as there will be while the link is busy; a machine
                that has just been idle is slower.

        Returns:
            The median time of every path and of the tail, which is none where parts return.
        """
        alike = self._alike()
        blanks = {path - 1: self._blank(path - 1) for path in self.plan.order if path - 1 in alike}
        assert self.macs >= 0  # counted now, not while a device waits
        self._round(blanks, wait_s=0.0)
        begun_s = time.perf_counter()
        rounds: list[dict[int | None, float]] = []
        while len(rounds) < _LEAST_ROUNDS or (
            len(rounds) < _MOST_ROUNDS and time.perf_counter() - begun_s < _REHEARSAL_S
        ):
            rounds.append(self._round(blanks, wait_s=wait_s))
        median_s = {key: statistics.median(times[key] for times in rounds) for key in rounds[0]}
        return EdgeTimes(tuple(median_s[path] for path in alike), median_s[None])

    def _round(
        self, blanks: Mapping[int, Mapping[str, Received]], *, wait_s: float
    ) -> dict[int | None, float]:
        """Seconds of every path that there is a blank piece for, and, under None, of the tail."""
        fused = self.new_fused()
        times: dict[int | None, float] = {}
        for path, blank in blanks.items():
            time.sleep(wait_s)
            started_s = time.perf_counter()
            self.finish(path, blank, fused)
            times[path] = time.perf_counter() - started_s
        started_s = time.perf_counter()
        if self.returning is None:
            self.compute_tail(fused)
        times[None] = time.perf_counter() - started_s
        return times

    def _alike(self) -> list[int]:
        """For every path (0-based), the first one that takes as long."""
        paths = range(len(self.plan.cuts))
        if self.predecessors():
            return list(paths)  # no strip is like another
        first: dict[object, int] = {}
        return [first.setdefault(self._likeness(path), path) for path in paths]

    def _likeness(self, path: int) -> object:
        stage = self._stages.get(self.plan.cuts[path])
        macs = stage.macs(path) if stage is not None else 0
        return self.plan.cuts[path], tuple(sorted(self.expected(path).items())), macs


def usable_codecs(plan: Plan) -> dict[str, str]:
    """Names of the plan's codecs by tensor.

    Raises:
        InputError: one of them is unknown or not installed on this machine.
    """
    for item in plan.compression.values():
        find_codec(item.codec)
    return {name: item.codec for name, item in plan.compression.items()}


def _prepare(stages: Mapping[int, Stage], plan: Plan) -> None:
    """Build all sessions that paths need, before the first of them runs."""
    for path, cut in enumerate(plan.cuts):
        if cut in stages:
            stages[cut].prepare(path)


def _macs(stages: Mapping[int, Stage], plan: Plan) -> int:
    return sum(stages[cut].macs(path) for path, cut in enumerate(plan.cuts) if cut in stages)
