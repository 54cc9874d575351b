"""What strips cost beyond pieces: layers run strip by strip, before a cut and behind it."""

from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from fusepath.cost import RUNTIME, strip_costs
from fusepath.errors import GeometryError
from fusepath.plan import InputFormat
from fusepath.profiling.drawn import drawn_map
from fusepath.profiling.timing import WAIT_S, time_call
from fusepath.runtime.execution import ON_CPU, Execution
from fusepath.runtime.strip_stage import StripStage, StripState
from fusepath.tiling import Band, StripRows, StripTiling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fusepath.arrays import FloatArray
    from fusepath.cost import MachineProfile
    from fusepath.graph import ModelGraph
    from fusepath.onnx_io import Model

_LEAST = np.array([1.0, 1.0, 0.0])
"""Of the two factors, and of seconds a layer."""
FITTED_STRIPS = 3, 12
"""Strips in which a shallow and a deep range of layers are run, to see what they cost together."""


@dataclass(frozen=True, slots=True)
class StripSample:
    """The layers of a fused layer in strips of as many input rows each."""

    rows: StripRows
    count: int
    is_ahead: bool
    """Whether they run behind a cut, where rows are made as soon as they can be."""

    @property
    def what(self) -> str:
        """In words."""
        return f"{self.count} strips{' ahead' if self.is_ahead else ''}"

    def rows_s(self, profile: MachineProfile) -> float:
        """Seconds that the profile foretells of all rows."""
        costs = strip_costs(self.rows, device=profile, edge=profile, convention=RUNTIME)
        machine, cut = (2, 0) if self.is_ahead else (0, self.rows.tau)
        return float(costs.per_row[machine, cut] @ costs.stops[:, self.rows.height])

    def seconds(self, model: Model, *, execution: Execution = ON_CPU, repeats: int = 5) -> float:
        """Seconds of them all, one after the other as a plan has them."""
        rows, count = self.rows, self.count
        source = model.graph.source
        drawn = drawn_map(model.graph.tensors[source])
        needed = int(rows.stops[source][-1])
        marks = [(needed * i // count, 0) for i in range(1, count)]
        band = Band(0, rows.height, (*marks, (marks[-1][0], rows.height)))
        cut = 1 if self.is_ahead else rows.tau + 1
        tiling = StripTiling(model.graph, rows.tau, (band,), (cut,))
        form = InputFormat(dtype=model.graph.input.dtype)
        stage = StripStage(model, tiling, form, 1, rows.tau, execution=execution)
        taken_s = 0.0
        state = StripState()
        for strip in range(tiling.paths):
            stage.prepare(strip)
            begin, end = tiling.new_rows(strip, source)
            piece = {source: drawn[:, :, begin:end]} if begin < end else {}
            runs = _Repeated(partial(stage.forward, strip, piece), state)
            taken_s += time_call(
                runs, repeats, wait_s=WAIT_S, on_caller=execution.on_caller
            ).seconds
            state = runs.after
        return taken_s


class _Repeated:
    """A strip run again and again from what the one before it has kept."""

    def __init__(self, run: Callable[[StripState], object], before: StripState) -> None:
        self._run, self._before = run, before
        self.after = before

    def __call__(self) -> None:
        self.after = StripState(self._before.kept)
        self._run(self.after)


def strip_samples(
    graph: ModelGraph, counts: Sequence[int], least_rows: int = 1
) -> Iterator[StripSample]:
    """A shallow and a deep range of layers in every number of strips, before a cut and behind it.

    None where they begin with several maps.

    Args:
        graph: network, or the rest of one that begins with its first section.
        counts: numbers of strips.
        least_rows: that the fused layer has at least, besides one for every strip.
    """
    depth = graph.tileable_layers if len(graph.entry) == 1 else 0
    for upto, count in itertools.product((depth // 2, depth), counts):
        rows = _deepest(graph, upto, max(count, least_rows))
        if rows is not None:
            yield from (StripSample(rows, count, is_ahead) for is_ahead in (False, True))


def _deepest(graph: ModelGraph, upto: int, height: int) -> StripRows | None:
    """The deepest fused layer up to one that is high enough for strips; None if there is none."""
    for tau in range(upto, 0, -1):
        with suppress(GeometryError):
            rows = StripRows(graph, tau)
            if rows.height >= height:
                return rows
    return None


def with_strips(
    model: Model, profile: MachineProfile, execution: Execution, repeats: int
) -> MachineProfile:
    """The profile with what strips cost beyond pieces.

    Few thick strips show by what factors rows cost more, many thin ones what a strip itself costs.
    All come from the least relative errors over all.
    """
    equations, measured_s = [], []
    model, machine = model.behind(model.graph.begin), profile.behind(model.graph.begin)
    for sample in strip_samples(model.graph, FITTED_STRIPS, max(FITTED_STRIPS)):
        tau = sample.rows.tau
        taken_s = sample.seconds(model, execution=execution, repeats=repeats)
        rows_s = sample.rows_s(machine)
        before_s, behind_s = (0.0, rows_s) if sample.is_ahead else (rows_s, 0.0)
        equations.append(np.array([before_s, behind_s, sample.count * tau]) / taken_s)
        measured_s.append(1 - sample.count * machine.piece_s(1, tau) / taken_s)
    if not equations:
        return profile
    factor, ahead_factor, layer_s = map(
        float, bounded_fit(np.array(equations), np.array(measured_s), _LEAST)
    )
    return msgspec.structs.replace(
        profile, strip_factor=factor, strip_ahead_factor=ahead_factor, strip_layer_s=layer_s
    )


def bounded_fit(equations: FloatArray, wanted: FloatArray, least: FloatArray) -> FloatArray:
    """Values none of which is below its least, with the least squared errors.

    To cut off what is below would leave the others too high or too low, which made up for it.

    Args:
        equations: shape (samples, values); few values, since all choices of them are tried.
        wanted: of the equations, shape (samples,).
        least: shape (values,).
    """
    found, error = least, np.inf
    for free in itertools.product((False, True), repeat=len(least)):
        fitted = least.copy()
        columns = np.flatnonzero(free)
        rest = wanted - equations @ least
        fitted[columns] += np.linalg.lstsq(equations[:, columns], rest)[0]
        squared = float(np.sum((equations @ fitted - wanted) ** 2))
        if (fitted >= least).all() and squared < error:
            found, error = fitted, squared
    return found
