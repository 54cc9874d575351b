"""Is what a plan made what the model makes? ONNX Runtime says, and how exactly it can say so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from fusepath.onnx_io import original_with_shape, summands, whole_exposing
from fusepath.runtime.compare import Comparison, compare, measured_tolerances
from fusepath.runtime.execution import ON_CPU, Execution
from fusepath.runtime.pixels import to_model_input
from fusepath.runtime.runner import LEVELS, Level, Runner

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from fusepath.arrays import Array
    from fusepath.onnx_io import Model
    from fusepath.plan import InputFormat


def run_unsplit(
    model: Model,
    image: Array,
    form: InputFormat,
    level: Level = "all",
    companions: Mapping[str, Array] = MappingProxyType({}),
) -> dict[str, Array]:
    """Outputs of the original, untouched model on this machine.

    Args:
        model: the network.
        image: the input in normal form; for a model of a batch, all its images, (N, C, H, W).
        form: how pixels become values.
        level: how far ONNX Runtime may rewrite the model.
        companions: the other inputs, by their names in the graph.
    """
    runner = Runner(original_with_shape(model), outputs=model.output_names, level=level)
    return runner.run(_fed(model, image, form, companions))


def _fed(
    model: Model, image: Array, form: InputFormat, companions: Mapping[str, Array]
) -> dict[str, Array]:
    """What the original takes, by the names that its owner knows."""
    source = model.boundary.input
    value = to_model_input(image, form, source.dtype)
    feeds = {source.name: source.to_owner([value])}
    for inner, port in zip(model.graph.companions, model.boundary.companions, strict=True):
        feeds[port.name] = companions[inner]
    return feeds


@dataclass(frozen=True)
class Reference:
    """What the unsplit model makes of an input, and how exactly that can be said."""

    outputs: Mapping[str, Array]
    tolerances: Mapping[str, float]

    def only(self, names: Collection[str]) -> Reference:
        """The same of some of the outputs."""
        return replace(self, outputs={n: value for n, value in self.outputs.items() if n in names})

    def judge(self, outputs: Mapping[str, Array]) -> Comparison:
        """How far outputs are from the reference."""
        return compare(outputs, self.outputs, self.tolerances)


def measured_reference(
    model: Model,
    image: Array,
    form: InputFormat,
    companions: Mapping[str, Array] = MappingProxyType({}),
    execution: Execution = ON_CPU,
    rounding: float = 0.0,
) -> Reference:
    """The reference for an input: the original at ONNX Runtime's levels of optimisation.

    It is what the processor makes; how far others are off it makes the tolerance.

    Args:
        model: the network.
        image: as of `run_unsplit`.
        form: how pixels become values.
        companions: the other inputs, by their names in the graph.
        execution: what this machine computed its share on.
        rounding: of what the edge server computed on (`MachineProfile.rounding`).
    """
    original = original_with_shape(model)
    feeds = _fed(model, image, form, companions)
    runs = [
        Runner(original, outputs=model.output_names, level=level).run(feeds)
        for level in _levels(model)
    ]
    if execution.providers != ON_CPU.providers:
        elsewhere = Runner(original, outputs=model.output_names, execution=execution)
        runs.append(elsewhere.run(feeds))
    halves = any(tensor.dtype == "float16" for tensor in model.graph.tensors.values())
    summed = _summed(model, image, form, companions)
    tolerances = measured_tolerances(runs, summed, halves=halves, rounding=rounding)
    return Reference(runs[0], tolerances)


def _levels(model: Model) -> tuple[Level, ...]:
    """Levels that may round differently, but all carry out what the model says.

    Of a quantised one the first two compute in integers. The others compute in float32 what is then
    quantised: that differs by whole steps, which would hide what is wrong.
    """
    tensors = model.graph.tensors.values()
    quantised = any(each.is_quantised and each != model.graph.input for each in tensors)
    return LEVELS[:2] if quantised else LEVELS


def _summed(
    model: Model, image: Array, form: InputFormat, companions: Mapping[str, Array]
) -> dict[str, float]:
    """By output: the largest value of which its last sums were made."""
    read = summands(model)
    whole = whole_exposing(model, frozenset().union(*(names for names, _ in read.values())))
    runner = Runner(whole.data, weights=whole.weights, outputs=whole.outputs)
    source = model.graph.input
    values = to_model_input(image, form, source.dtype)
    largest: dict[str, float] = {}
    for part in np.split(values, model.boundary.batch):
        feeds = {source.name: part, **companions}
        found = {**feeds, **runner.run(feeds)}
        for name, value in found.items():
            largest[name] = max(largest.get(name, 0.0), _largest(value))
    return {
        output: max(least, *(largest[name] for name in names))
        for output, (names, least) in read.items()
    }


def _largest(value: Array) -> float:
    finite = np.abs(value[np.isfinite(value)], dtype=np.float64)
    return float(finite.max(initial=0.0))
