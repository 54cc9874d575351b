"""A machine's profile for a model, and how well it predicts what it was not made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec

from fusepath.cost import RUNTIME, FitError, MachineProfile, fit_error
from fusepath.profiling.layers import (
    LayerMeasurement,
    Measurement,
    PieceTime,
    WholeNetwork,
    each_layer,
    measure,
    range_tiles,
)
from fusepath.profiling.strips import strip_samples
from fusepath.profiling.timing import WAIT_S, time_call
from fusepath.runtime.execution import ON_CPU, Execution
from fusepath.tiling import Grid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusepath.graph import Layer, ModelGraph
    from fusepath.onnx_io import Model

SETTINGS_VERSION = 4
"""Changes with what is measured and how, so that older profiles are not taken for new ones."""
HELD_OUT_GRIDS = (Grid(2, 1), Grid(8, 1), Grid(3, 3), Grid(6, 6))
"""Grids of which no tile was timed to make the profile."""
HELD_OUT_STRIPS = (6, 24)
_DIFFERENCE = 0.1
"""The network, and the sum of its layers, may differ so much between two measurements."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to measure."""

    execution: Execution = ON_CPU
    """What to compute on."""
    repeats: int = 9
    """Runs of every layer and piece."""
    attempts: int = 3
    """How often all is measured anew on a machine that is not quiet."""
    held_out: bool = True
    """Whether to see how well the profile predicts what it was not made from."""
    patience_s: float | None = None
    """What repeats of the whole network may take: a machine that is slow repeats all less often."""

    @classmethod
    def quick(cls, execution: Execution = ON_CPU) -> Settings:
        """For when somebody waits."""
        return cls(execution=execution, repeats=5, attempts=2)

    @classmethod
    def brief(cls, execution: Execution = ON_CPU) -> Settings:
        """For when a program waits: the profile alone, once, since what it plans is tried.

        Three runs of a thing are as steady as five, where the machine is not.
        """
        return cls(execution=execution, repeats=3, attempts=1, held_out=False, patience_s=0.5)

    def repeats_of(self, whole_s: float) -> int:
        """Runs of each thing where one of the whole network takes so long; at least one."""
        if self.patience_s is None:
            return self.repeats
        return max(min(self.repeats, int(self.patience_s / whole_s)), 1)


class Prediction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something the profile was not made from, predicted and measured."""

    what: str
    """``2x2`` is a middle tile of that grid, ``6 strips`` are all of them together before a cut,
    and ``6 strips ahead`` behind one."""
    first: int
    """First layer, 1-based."""
    last: int
    predicted_s: float
    measured_s: float


class LayerReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One layer by itself; a piece with a share of it costs ``fixed_s + share · moving_s``."""

    name: str
    fixed_s: float
    moving_s: float
    """Seconds of all its positions."""
    spread: float
    error: FitError | None
    """On held-out tiles of this layer alone; None where it cannot be cut into tiles."""
    predictions: tuple[Prediction, ...]


class ProfileReport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A profile and its evidence."""

    KIND: ClassVar[str] = "profile report"

    version: int = 1
    settings: Settings
    profile: MachineProfile
    layers: tuple[LayerReport, ...]
    layer_error: FitError | None
    """On held-out tiles of single layers, repeated without a wait."""
    tile_error: FitError | None
    """On held-out tiles of ranges of layers, after a wait: what runs in a plan of tiles."""
    strip_error: FitError | None
    """On held-out numbers of strips, after waits: what runs in a plan of strips."""
    predictions: tuple[Prediction, ...]
    """Of ranges of layers and of strips."""
    drift: float
    """By how much the network's time, or that of its layers, differed between two measurements."""
    attempts: int
    """How often all was measured."""


def profile_machine(
    model: Model,
    settings: Settings,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> ProfileReport:
    """Measure this machine for a model.

    The whole network is timed before and after the layers, and the layers are timed again for the
    held-out tiles, if there are any. Where these differ by more than a tenth, all is measured anew;
    when it still differs the profile is marked as disturbed.

    Args:
        model: what to measure.
        settings: how.
        progress: called with (layers done, layers in all), from the start again where all is
            measured anew.
    """
    attempts = [_Attempt.make(model, settings, progress)]
    while attempts[-1].disturbed and len(attempts) < settings.attempts:
        attempts.append(_Attempt.make(model, settings, progress))
    best = min(attempts, key=lambda item: item.drift)
    return best.report(settings, len(attempts))


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """One measurement of everything."""

    measurement: Measurement
    layers: tuple[LayerReport, ...]
    tiles: tuple[Prediction, ...]
    strips: tuple[Prediction, ...]
    drift: float

    @property
    def disturbed(self) -> bool:
        return self.drift > _DIFFERENCE

    @classmethod
    def make(
        cls, model: Model, settings: Settings, progress: Callable[[int, int], None]
    ) -> _Attempt:
        execution, graph = settings.execution, model.graph
        whole = WholeNetwork(model, execution)
        if settings.patience_s is not None:
            once_s = whole.time(1).seconds
            settings = msgspec.structs.replace(settings, repeats=settings.repeats_of(once_s))
        repeats = settings.repeats
        before_s = whole.time(repeats).seconds
        passes = 2 if settings.held_out else 1
        found = measure(
            whole,
            before_s,
            repeats=repeats,
            progress=lambda done, depth: progress(done, passes * depth),
        )
        layers_s = found.layers_s
        pieces: list[tuple[PieceTime, ...]] = [()] * graph.depth
        tiles: tuple[Prediction, ...] = ()
        strips: tuple[Prediction, ...] = ()
        if settings.held_out:
            again = []
            for index, item in enumerate(each_layer(model, HELD_OUT_GRIDS, execution, repeats), 1):
                again.append(item)
                progress(graph.depth + index, passes * graph.depth)
            layers_s = sum(item.whole.seconds for item in again)
            pieces = [item.pieces for item in again]
            tiles = tuple(_tiles(model, found.profile, settings))
            strips = tuple(_strips(model, found.profile, settings))
        layers = tuple(
            _layer_report(layer, first, held_out)
            for layer, first, held_out in zip(graph.layers, found.layers, pieces, strict=True)
        )
        after_s = whole.time(repeats).seconds
        pairs = ((before_s, after_s), (found.layers_s, layers_s))
        drift = max(max(pair) / min(pair) - 1 for pair in pairs)
        return cls(measurement=found, layers=layers, tiles=tiles, strips=strips, drift=drift)

    def report(self, settings: Settings, attempts: int) -> ProfileReport:
        profile = msgspec.structs.replace(
            self.measurement.profile,
            disturbed=self.disturbed,
            held_out=_error(self.tiles + self.strips),
        )
        return ProfileReport(
            settings=settings,
            profile=profile,
            layers=self.layers,
            layer_error=_error(tuple(item for layer in self.layers for item in layer.predictions)),
            tile_error=_error(self.tiles),
            strip_error=_error(self.strips),
            predictions=self.tiles + self.strips,
            drift=self.drift,
            attempts=attempts,
        )


def _layer_report(
    layer: Layer, first: LayerMeasurement, pieces: tuple[PieceTime, ...]
) -> LayerReport:
    """A layer as the profile has it, and what of it was timed besides."""
    fixed_s, moving_s = first.fixed_s, first.whole.seconds - first.fixed_s
    predictions = tuple(
        Prediction(
            what=str(piece.grid),
            first=layer.index,
            last=layer.index,
            predicted_s=fixed_s + moving_s * piece.share,
            measured_s=piece.seconds,
        )
        for piece in pieces
    )
    return LayerReport(
        name=layer.name,
        fixed_s=fixed_s,
        moving_s=moving_s,
        spread=first.whole.spread,
        error=_error(predictions),
        predictions=predictions,
    )


def _error(predictions: tuple[Prediction, ...]) -> FitError | None:
    return fit_error([(item.predicted_s, item.measured_s) for item in predictions])


def _ranges(graph: ModelGraph) -> Iterator[tuple[int, int]]:
    """Ranges of the first section as plans have them: from its first layer on, or from a cut."""
    for section in graph.sections[:1]:
        for layers in sorted({section.layers // 2, section.layers} - {0}):
            last = section.start + layers
            yield section.start + 1, last
            if layers > 1:
                yield section.start + layers // 2 + 1, last


def _tiles(model: Model, profile: MachineProfile, settings: Settings) -> Iterator[Prediction]:
    begin = model.graph.begin
    charges = profile.behind(begin).charges(model.graph.behind(begin), RUNTIME)
    for first, last in _ranges(model.graph):
        for grid, regions, run in range_tiles(
            model, HELD_OUT_GRIDS, first, last, execution=settings.execution
        ):
            moving_s = sum(
                charge.amount * regions[charge.tensor].area
                for charge in charges
                if first <= begin + charge.layer <= last
            )
            timing = time_call(
                run,
                settings.repeats,
                wait_s=WAIT_S,
                on_caller=settings.execution.on_caller,
            )
            yield Prediction(
                what=str(grid),
                first=first,
                last=last,
                predicted_s=profile.piece_s(first, last) + moving_s,
                measured_s=timing.seconds,
            )


def _strips(model: Model, profile: MachineProfile, settings: Settings) -> Iterator[Prediction]:
    begin = model.graph.begin
    model, profile = model.behind(begin), profile.behind(begin)
    for sample in strip_samples(model.graph, HELD_OUT_STRIPS):
        tau, fixed_s = sample.rows.tau, sample.count * profile.strip_s(1, sample.rows.tau)
        yield Prediction(
            what=sample.what,
            first=begin + 1,
            last=begin + tau,
            predicted_s=sample.rows_s(profile) + fixed_s,
            measured_s=sample.seconds(
                model, execution=settings.execution, repeats=settings.repeats
            ),
        )
