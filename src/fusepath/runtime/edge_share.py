"""The edge server's share of a plan, made ready: its stages are built, warm and timed."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from fusepath.errors import InputError
from fusepath.pictures.frame import PictureFrame
from fusepath.pictures.known import decoder_sha256, made_up_file
from fusepath.plan import AS_THEY_COME, Fit, TailPlace
from fusepath.runtime.codecs import FOR_PICTURES
from fusepath.runtime.edge_stages import EdgeStages, MakeStages, decoded
from fusepath.runtime.execution import ON_CPU, Execution
from fusepath.runtime.packing import FILE, EncodedTensor, pack
from fusepath.runtime.pixels import check_form
from fusepath.runtime.rehearsing import here
from fusepath.runtime.stages import may_reuse, returned_names, usable_codecs
from fusepath.runtime.strip_stage import StripState
from fusepath.tiling import layout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusepath.arrays import Array
    from fusepath.graph import ModelGraph
    from fusepath.onnx_io import Model
    from fusepath.plan import Forwarding, Preprocessing, Recipe
    from fusepath.runtime.edge_stages import Arrived
    from fusepath.runtime.rehearsing import On
    from fusepath.runtime.stage import Pieces

_LEAST_ROUNDS, _MOST_ROUNDS = 2, 7
_REHEARSED_PIXELS = 8_000_000
"""Of a picture, at most."""
_REHEARSAL_S = 0.25
"""Seconds after which a rehearsal begins no further round."""


@dataclass(frozen=True, slots=True)
class FusedLayer:
    """One inference on the edge server: maps that paths fill, and what strips remember."""

    maps: Pieces
    """Put together, where the tail runs here or the outputs return as a whole."""
    parts: dict[int, Pieces] = field(default_factory=dict)
    """What returns, by path (0-based), where every path returns its own."""
    state: StripState = field(default_factory=StripState)
    reused: Mapping[int, Pieces] = field(default_factory=dict)
    """Shares by path (0-based) that were computed for frames before."""


@dataclass(frozen=True, slots=True)
class EdgeTimes:
    """Seconds of every path (0-based) and of the layers behind them, measured on this machine.

    With encoding what returns.
    """

    paths_s: tuple[float, ...]
    tail_s: float
    providers: tuple[str, ...] = ()
    """What it computes on (`Execution`)."""

    @property
    def total_s(self) -> float:
        """All of it, one after the other."""
        return sum(self.paths_s) + self.tail_s


class EdgeShare:
    """The edge server's share of a plan: every path from its cut on, and the tail.

    Args:
        model: the network.
        recipe: has been checked against it.
        execution: what to compute on.
        stages: makes what computes, on this machine unless told otherwise.
    """

    def __init__(
        self,
        model: Model,
        recipe: Recipe,
        *,
        execution: Execution = ON_CPU,
        stages: MakeStages = EdgeStages,
    ) -> None:
        check_form(recipe.input, model)
        if recipe.forwarding:
            _check_decoder(recipe.forwarding)
        # What the device computes before all paths is no concern of this machine.
        model, recipe = model.behind(recipe.start), recipe.rest
        self._model = model
        self.recipe = recipe
        self.codecs = usable_codecs(recipe.codecs)
        self.back_codecs = usable_codecs(recipe.back_codecs)
        if recipe.forwards:
            self.codecs[model.graph.input.name] = FILE
        self._graph = recipe.divided(model.graph)
        self._paths = layout(self._graph, recipe.arrangement)
        self._stages = stages(model, recipe, execution=execution)
        self._expected = [self._arrives(path) for path in range(len(recipe.cuts))]

    @property
    def has_tail(self) -> bool:
        """Whether layers behind the fused layer run here."""
        return self.recipe.tail is TailPlace.EDGE and self.recipe.tau < self._model.graph.depth

    @property
    def may_reuse(self) -> bool:
        """Whether paths can be left out whose shares are there, as of `may_reuse`."""
        return may_reuse(self._graph, self._paths)

    def predecessors(self) -> dict[int, int]:
        """Paths (0-based) that wait for another path, and that other."""
        return self._paths.predecessors()

    def goes_on_from(self) -> dict[int, int]:
        """Paths (0-based) that read what another one leaves behind its cut, and that other."""
        return self._paths.goes_on_from()

    def returned(self, left_out: int) -> frozenset[str]:
        """Names of what returns, as `returned_names`.

        Raises:
            ProtocolError: outputs are left out that there are not.
        """
        return returned_names(self._model.graph, self.recipe, left_out)

    def expected(self, path: int) -> dict[str, tuple[str, tuple[int, ...]]]:
        """(dtype, shape) of every tensor that path (0-based) arrives with."""
        return self._expected[path]

    def _arrives(self, path: int) -> dict[str, tuple[str, tuple[int, ...]]]:
        graph = self._graph
        cut = self.recipe.cuts[path]
        shapes = {name: self._paths.piece_shape(path, name) for name in graph.sent(cut)}
        if path == self.recipe.order[0] - 1:
            shapes |= {name: graph.tensors[name].shape for name in graph.accompanying(cut)}
        return {
            name: (
                self.recipe.input.dtype if name == graph.input.name else graph.tensors[name].dtype,
                shape,
            )
            for name, shape in shapes.items()
            if shape is not None
        }

    @cached_property
    def inference_bytes(self) -> int:
        """What an inference keeps at most: pieces as they come and decoded, maps, and answers.

        What sessions need while they run is counted with these.
        """
        graph = self._graph
        kept = [tensor for path in self._expected for tensor in path.values()]
        names = {*graph.frontier(self.recipe.tau), *graph.outputs}
        kept += [(graph.tensors[name].dtype, graph.tensors[name].shape) for name in names]
        return 2 * sum(np.dtype(dtype).itemsize * math.prod(shape) for dtype, shape in kept)

    def new_fused(self) -> FusedLayer:
        """Room for the fused layer of one inference."""
        graph = self._graph
        names = graph.frontier(self.recipe.tau) if self.returning is None else ()
        return FusedLayer(
            {
                name: np.zeros(graph.tensors[name].shape, dtype=graph.tensors[name].dtype)
                for name in names
            }
        )

    def compute(
        self,
        path: int,
        arrived: Mapping[str, Arrived],
        fused: FusedLayer,
        chain: Preprocessing = AS_THEY_COME,
    ) -> Pieces:
        """Take a path from its cut to the fused layer and put its share in place, or by.

        Args:
            path: 0-based.
            arrived: its pieces.
            fused: of the inference.
            chain: by which files become the input.

        Returns:
            Its share.

        Raises:
            ProtocolError: a piece does not decode.
        """
        if self.recipe.cuts[path] <= self.recipe.tau:
            shares = self._stages.forward(path, arrived, fused.state, chain)
        else:
            shares = decoded(arrived, chain)
        if self.returning is not None:
            returned = self._graph.returned(self.recipe.cuts[path])
            part = {name: shares[name] for name in returned if name in shares}
            fused.parts[path] = part
            return part
        companions = arrived.keys() & set(self._model.graph.companions)
        fused.maps.update(decoded({name: arrived[name] for name in companions}, chain))
        own = {name: share for name, share in shares.items() if name not in companions}
        self._place(path, own, fused)
        return own

    def _place(self, path: int, shares: Pieces, fused: FusedLayer) -> None:
        """Put what a path has made of the fused layer in place."""
        for name, share in shares.items():
            fused.maps[name] = self._paths.placed(path, name, share, fused.maps[name])

    @cached_property
    def returning(self) -> frozenset[int] | None:
        """Paths (0-based) that return a part of the outputs each; None for one whole result."""
        return self._paths.returning(self.recipe.cuts)

    def part(self, path: int, fused: FusedLayer) -> Pieces:
        """What a path (0-based) has made of the outputs."""
        return fused.parts.pop(path)

    def encoded(self, made: Pieces) -> dict[str, Array | EncodedTensor]:
        """What was made of outputs, or is a part of them, as it returns."""
        return pack(made, self.back_codecs)

    def compute_tail(self, fused: FusedLayer) -> Pieces:
        """The outputs, once all paths are in place; what is reused comes there now."""
        for path, shares in fused.reused.items():
            self._place(path, shares, fused)
        values = fused.maps
        if self.has_tail:
            values = self._stages.tail(values)
        return {name: np.asarray(values[name]) for name in self._model.graph.outputs}

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference on the edge server."""
        return sum(self._stages.path_macs) + self.tail_macs

    def path_macs(self, path: int) -> int:
        """Multiply-accumulates of a path (0-based) from its cut to the fused layer."""
        return self._stages.path_macs[path]

    @property
    def tail_macs(self) -> int:
        """Multiply-accumulates behind the fused layer, where they run here."""
        return self._stages.tail_macs

    @property
    def sessions(self) -> int:
        """Number of sessions in memory."""
        return self._stages.sessions

    @property
    def elsewhere_bytes(self) -> int:
        """Memory that the sessions take on each of the machines that they are on, if not here."""
        return self._stages.elsewhere_bytes

    def finish(self, path: int, received: Mapping[str, EncodedTensor], fused: FusedLayer) -> Pieces:
        """Decode what a path (0-based) has arrived with, and compute it.

        Returns:
            Its share of the fused layer.

        Raises:
            ProtocolError: a tensor does not decode.
        """
        forwarding = self.recipe.forwarding
        return self.compute(path, received, fused, forwarding.chain if forwarding else AS_THEY_COME)

    @property
    def _rehearsed_chain(self) -> Preprocessing:
        """That of the files to come, as it takes a made-up one: of one picture, of any size."""
        forwarding = self.recipe.forwarding
        chain = forwarding.chain if forwarding else AS_THEY_COME
        fit = Fit.STRETCH if chain.fit is Fit.EXACT else chain.fit
        return msgspec.structs.replace(chain, fit=fit, frame=None)

    def _blank(self, path: int) -> dict[str, EncodedTensor]:
        """A path as it could arrive: zeros; random in every other place of what is encoded.

        Of pictures the contrast is low, so that they shrink.
        """
        expected = self.expected(path)
        if self.recipe.forwarding:
            return self._blank_file(self.recipe.forwarding, expected)
        values = {name: np.zeros(shape, dtype=dtype) for name, (dtype, shape) in expected.items()}
        for name in values.keys() & self.codecs.keys():
            flat = values[name].reshape(-1)
            rng = np.random.default_rng(0)
            if self.codecs[name] in FOR_PICTURES:
                flat[::2] = rng.integers(16, size=flat[::2].shape)
            else:
                flat[::2] = 1 + 254 * rng.random(flat[::2].shape)
        return {
            name: value if isinstance(value, EncodedTensor) else EncodedTensor.plain(name, value)
            for name, value in pack(values, self.codecs).items()
        }

    def _blank_file(
        self, forwarding: Forwarding, expected: Mapping[str, tuple[str, tuple[int, ...]]]
    ) -> dict[str, EncodedTensor]:
        """The input as a file as large as those to come, and blank companions."""
        blank = {
            name: EncodedTensor.plain(name, np.zeros(shape, dtype=dtype))
            for name, (dtype, shape) in expected.items()
        }
        source = self._graph.input
        many = math.ceil(math.sqrt(forwarding.width * forwarding.height / _REHEARSED_PIXELS))
        sides = (max(side // max(many, 1), 1) for side in (forwarding.width, forwarding.height))
        file = made_up_file(*sides)
        frame = PictureFrame(file, self._rehearsed_chain, source.shape)
        return blank | {source.name: EncodedTensor.forwarded(source.name, frame)}

    def rehearse(self, *, idle_s: Sequence[float] = (), on: On = here) -> EdgeTimes:
        """Run everything on blank pieces a few times: the first image pays for no warming up.

        Of tiles that are alike, one is timed for all.

        Args:
            idle_s: before each path (0-based), as there will be while the link is busy; a machine
                that has just been idle is slower. Where it ends, there is none.
            on: has a path or the tail run where it will run; others have their turns between.

        Returns:
            The median time of every path and of the tail, which is none where parts return.
        """
        alike = self._alike()
        blanks = {
            path - 1: self._blank(path - 1) for path in self.recipe.order if path - 1 in alike
        }
        pauses_s = _pauses_s(alike, idle_s)
        self._round(blanks, {}, on)
        begun_s = time.perf_counter()
        rounds: list[dict[int | None, float]] = []
        while len(rounds) < _LEAST_ROUNDS or (
            len(rounds) < _MOST_ROUNDS and time.perf_counter() - begun_s < _REHEARSAL_S
        ):
            rounds.append(self._round(blanks, pauses_s, on))
        median_s = {key: statistics.median(times[key] for times in rounds) for key in rounds[0]}
        return EdgeTimes(tuple(median_s[path] for path in alike), median_s[None])

    def run_blank(self) -> None:
        """Run everything once on blank pieces."""
        blanks = {path - 1: self._blank(path - 1) for path in self.recipe.order}
        self._round(blanks, {}, here)

    def _round(
        self,
        blanks: Mapping[int, Mapping[str, EncodedTensor]],
        pauses_s: Mapping[int, float],
        on: On,
    ) -> dict[int | None, float]:
        """Seconds of every path that there is a blank piece for, and, under None, of the tail.

        Args:
            blanks: by path (0-based).
            pauses_s: before which paths (0-based), and for how long, nothing is done.
            on: see `rehearse`.
        """
        fused = self.new_fused()
        times: dict[int | None, float] = {}

        def timed(what: int | None) -> None:
            started_s = time.perf_counter()
            if what is not None:
                self.compute(what, blanks[what], fused, self._rehearsed_chain)
                if what in (self.returning or ()):
                    self.encoded(self.part(what, fused))
            elif self.returning is None:
                self.encoded(self.compute_tail(fused))
            times[what] = time.perf_counter() - started_s

        for path in blanks:
            if path in pauses_s:
                time.sleep(pauses_s[path])
            on(partial(timed, path))
        on(partial(timed, None))
        return times

    def _alike(self) -> list[int]:
        """For every path (0-based), the first one that takes as long."""
        paths = range(len(self.recipe.cuts))
        if self.predecessors():
            return list(paths)  # no strip is like another
        first: dict[object, int] = {}
        return [first.setdefault(self._likeness(path), path) for path in paths]

    def _likeness(self, path: int) -> object:
        expected = tuple(sorted(self.expected(path).items()))
        return self.recipe.cuts[path], expected, self.path_macs(path)


def _pauses_s(alike: Sequence[int], idle_s: Sequence[float]) -> dict[int, float]:
    """Idle time before each of the paths that are timed, where there is any.

    Args:
        alike: for every path, the one that is timed for it.
        idle_s: before each path; of those that one is timed for, the mean counts.
    """
    several_s: dict[int, list[float]] = {timed: [] for timed in alike}
    for path, timed in enumerate(alike):
        several_s[timed].append(idle_s[path] if path < len(idle_s) else 0.0)
    return {timed: statistics.fmean(each_s) for timed, each_s in several_s.items() if any(each_s)}


def declared_bytes(recipe: Recipe, graph: ModelGraph) -> int:
    """Weights that the edge server's sessions of a recipe pack for themselves, at least.

    Args:
        recipe: checked against the graph.
        graph: of its model.
    """
    layers = {(max(cut, recipe.start + 1), recipe.tau) for cut in recipe.cuts}
    if recipe.tail is TailPlace.EDGE:
        layers.add((recipe.tau + 1, graph.depth))
    return sum(op.weight_bytes for first, last in layers for op in graph.operators(first, last))


def _check_decoder(forwarding: Forwarding) -> None:
    """Raise unless this machine makes the same pixels of a file as the device.

    Raises:
        InputError: it does not, with known pictures.
    """
    if forwarding.decoder_sha256 != decoder_sha256():
        raise InputError(
            "this machine does not decode or scale pictures as the device does; use the same "
            "version of Pillow, or decode on the device"
        )
