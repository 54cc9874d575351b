"""Does a plan keep to its constraints? Counted from the tiling, sharing no code with the search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusepath.cost import Regions
from fusepath.graph import Kind
from fusepath.plan.limits.energy import drawn_j
from fusepath.tiling import StripLayout, layout
from fusepath.units import number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fusepath.cost import Convention
    from fusepath.graph import ModelGraph, Operator, Tensor
    from fusepath.plan.limits.constraints import Constraints
    from fusepath.plan.plan import Plan
    from fusepath.tiling import TileLayout, WholeLayout

    Area = Callable[[str], float]
    """Positions of a map."""

_ROUNDING = 1e-9
"""Part of a limit of what sums up in no whole numbers."""


def limit_violations(plan: Plan, graph: ModelGraph, constraints: Constraints) -> list[str]:
    """Everything in which a plan exceeds constraints; empty when it keeps to them.

    The rules: kept layers run on the device and the input is not sent; what tiles or strips compute
    on the device and send up adds up to no more than allowed; and so do the weights of the device's
    sub-models together with the largest set of maps that it holds for a path.
    """
    problems = []
    paths = plan.recipe.paths
    if constraints.max_paths is not None and paths > constraints.max_paths:
        problems.append(
            f"{number_of(paths, 'path')}, but at most {constraints.max_paths} are allowed"
        )
    rest, recipe = graph.behind(plan.recipe.start), plan.recipe.rest
    divided = recipe.divided(rest)
    problems += _sends_too_early(plan, plan.recipe.divided(graph), constraints.keep_on_device)
    laid = layout(divided, recipe.arrangement)
    counted: _Strips | _Shares = (
        _Strips(recipe.cuts, plan.convention, divided, laid)
        if isinstance(laid, StripLayout)
        else _Shares(recipe.cuts, plan.convention, divided, laid)
    )
    head = _Head(graph, plan.recipe.start)
    behind = rest.operators(divided.depth + 1, rest.depth)

    def macs() -> int:
        return head.macs() + counted.macs() + _macs(graph, behind)

    def memory_bytes() -> int:
        weights, maps = counted.memory_bytes()
        return head.memory_bytes(weights, maps) + _held(graph, behind)

    def sent_bytes() -> int:
        if plan.recipe.forwards and plan.source:
            return plan.source.file_bytes + sum(
                graph.tensors[name].elements * np.dtype(graph.tensors[name].dtype).itemsize
                for name in graph.accompanying(1)
            )
        return counted.sent_bytes()

    limit_j = constraints.device_energy_j
    if limit_j is not None and not plan.device.power:
        problems.append("what the device draws is not known, and it is limited")
    elif limit_j is not None and (joules := drawn_j(plan)) > limit_j * (1 + _ROUNDING):
        problems.append(f"{joules:.6g} J of the device, but at most {limit_j:.6g} are allowed")
    limits: tuple[tuple[str, int | None, Callable[[], int]], ...] = (
        ("MACs on the device", constraints.device_macs, macs),
        ("bytes sent up", constraints.upload_bytes, sent_bytes),
        ("bytes of device memory", constraints.device_memory_bytes, memory_bytes),
    )
    for what, limit, count in limits:
        if limit is not None and (needed := count()) > limit:
            problems.append(f"{needed} {what}, but at most {limit} are allowed")
    return problems


def _sends_too_early(plan: Plan, graph: ModelGraph, kept: int) -> list[str]:
    problems = []
    for cut in sorted(set(plan.cuts)) if kept > 0 else ():
        if cut <= kept:
            problems.append(f"cut {cut} leaves layers {cut} to {kept} to the edge server")
        if graph.input.name in graph.sent(cut):
            problems.append(f"cut {cut} sends the input")
    if kept > plan.tau:
        problems.append(f"the tail begins at layer {plan.tau + 1}, and layer {kept} is kept")
    return problems


class _Head:
    """The layers that the device computes whole, before all paths."""

    def __init__(self, graph: ModelGraph, start: int) -> None:
        self.graph, self.start = graph, start
        self.operators = graph.operators(1, start)

    def macs(self) -> int:
        return _macs(self.graph, self.operators)

    def memory_bytes(self, weights: int, maps: int) -> int:
        """With the weights and the maps of the paths, beside which what they begin with is held."""
        if not self.operators:
            return weights + maps
        sizes = {
            name: tensor.elements * np.dtype(tensor.dtype).itemsize
            for name, tensor in self.graph.tensors.items()
        }
        alive = _most_alive(self.graph, self.operators, self.start + 1, sizes)
        held = sum(sizes[name] for name in self.graph.frontier(self.start))
        own = sum(op.weight_bytes for op in self.operators)
        return own + weights + max(alive, held + maps)


def _macs(graph: ModelGraph, operators: Sequence[Operator]) -> int:
    """Multiply-accumulates of operators on whole maps."""
    return sum(
        op.work.macs * (1 if op.kind is Kind.BARRIER else _area(graph, op.counted))
        for op in operators
    )


def _held(graph: ModelGraph, operators: Sequence[Operator]) -> int:
    """What the device holds for the last operators of the network beside its paths."""
    if not operators:
        return 0
    tensors = graph.tensors
    held = {name for op in operators for name in (*op.inputs, *op.outputs)}
    sizes = {n: tensors[n].elements * np.dtype(tensors[n].dtype).itemsize for n in held}
    alive = _most_alive(graph, operators, graph.depth + 1, sizes)
    return sum(op.weight_bytes for op in operators) + alive


class _Shares:
    """Tiles, or the unsplit network: paths that compute a share of every map."""

    def __init__(
        self,
        cuts: Sequence[int],
        convention: Convention,
        graph: ModelGraph,
        paths: WholeLayout | TileLayout,
    ) -> None:
        self.cuts, self.convention, self.graph, self.paths = cuts, convention, graph, paths

    def macs(self) -> int:
        total = 0.0
        for path, cut in enumerate(self.cuts):
            computed = self._computed(path, cut)
            for op in self.graph.operators(1, cut - 1):
                times = 1.0 if op.kind is Kind.BARRIER else computed(op.counted)
                total += op.work.macs * times
        return round(total)

    def sent_bytes(self) -> int:
        convention = self.convention
        total = 0
        for path, cut in enumerate(self.cuts):
            sent = 0.0
            for name in self.graph.sent(cut):
                size = _element_bytes(self.graph, name, convention)
                elements: float = self.paths.elements(path, name)
                if convention.regions is Regions.SHARE:
                    elements = self.graph.tensors[name].elements * self.paths.share(path)
                sent += size * elements
            total += round(sent)
        return total

    def memory_bytes(self) -> tuple[int, int]:
        """Of weights, and of maps."""
        weights = sum(
            op.weight_bytes for cut in set(self.cuts) for op in self.graph.operators(1, cut - 1)
        )
        largest = 0
        for path, cut in enumerate(self.cuts):
            operators = self.graph.operators(1, cut - 1)
            if operators:
                held = self.paths.session_elements(path, 1, cut - 1)
                tensors = self.graph.tensors
                sizes = {n: held[n] * np.dtype(tensors[n].dtype).itemsize for n in held}
                largest = max(largest, _most_alive(self.graph, operators, cut, sizes))
        return weights, largest

    def _computed(self, path: int, cut: int) -> Area:
        """Positions of each map that the convention charges a path's device share for."""
        regions = self.convention.regions
        if regions is Regions.SHARE:
            share = self.paths.share(path)
            return lambda name: _area(self.graph, name) * share
        if regions is Regions.NEEDED or cut == 1:
            return lambda name: self._positions(name, self.paths.elements(path, name))
        held = self.paths.session_elements(path, 1, cut - 1)
        return lambda name: self._positions(name, held[name])

    def _positions(self, name: str, elements: int) -> float:
        """Of so many elements of a tensor; anything but a map is one position."""
        tensor = self.graph.tensors[name]
        return elements / tensor.channels if tensor.is_map else 1.0


class _Strips:
    """Segments of strips."""

    def __init__(
        self, cuts: Sequence[int], convention: Convention, graph: ModelGraph, paths: StripLayout
    ) -> None:
        self.cuts, self.convention, self.graph, self.paths = cuts, convention, graph, paths

    def macs(self) -> int:
        total = 0
        for strip, cut in enumerate(self.cuts):
            strips = self.paths.strips
            maps = strips.step(strip, 1, cut - 1).maps
            resume = strips.resumes[strips.strips[strip][0]]
            for layer in self.graph.layers[: cut - 1]:
                for op in layer.operators:
                    known, reached = maps[op.counted].known, maps[op.counted].reached
                    if layer.index > resume.device:  # rows that were made before are new to it
                        known, reached = strips.new_rows(strip, op.counted)
                    width = self.graph.tensors[op.counted].size(1)
                    total += op.work.macs * (reached - known) * width
        return total

    def sent_bytes(self) -> int:
        convention = self.convention
        total = 0
        for strip, cut in enumerate(self.cuts):
            for name in self.graph.sent(cut):
                size = _element_bytes(self.graph, name, convention)
                total += self.paths.elements(strip, name) * size
        return total

    def memory_bytes(self) -> tuple[int, int]:
        """Of weights, and of maps."""
        sub_models: dict[object, int] = {}
        largest = held = 0
        for strip, cut in enumerate(self.cuts):
            if cut == 1:
                continue
            step = self.paths.strips.step(strip, 1, cut - 1)
            operators = [item.operator for item in step.operations]
            sub_models[cut, step.likeness] = sum(op.weight_bytes for op in operators)
            row = {name: self._row_bytes(name) for name in step.maps}
            sizes = {n: row[n] * (rows.reached - rows.cached) for n, rows in step.maps.items()}
            keeps = sum(row[n] * (rows.reached - rows.kept) for n, rows in step.maps.items())
            alive = _most_alive(self.graph, operators, cut, sizes) if operators else 0
            largest = max(largest, held + alive + keeps)
            held = keeps
        return sum(sub_models.values()), largest

    def _row_bytes(self, name: str) -> int:
        tensor = self.graph.tensors[name]
        return tensor.channels * tensor.size(1) * np.dtype(tensor.dtype).itemsize


def _element_bytes(graph: ModelGraph, name: str, convention: Convention) -> int:
    """Bytes of an element on the link: conventions say it of float32 and of pixels."""
    dtype = graph.tensors[name].dtype
    if name == graph.input.name and dtype.startswith("float"):
        return convention.input_bytes_per_element
    if dtype != "float32":
        return np.dtype(dtype).itemsize
    return convention.activation_bytes_per_element


def _area(graph: ModelGraph, name: str) -> int:
    """Rows times columns of a map, 1 of anything else."""
    shape = graph.tensors[name].shape
    return shape[2] * shape[3] if len(shape) == 4 else 1


def _alike(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype


def _most_alive(
    graph: ModelGraph, operators: Sequence[Operator], cut: int, sizes: Mapping[str, int]
) -> int:
    """The largest sum of maps that exist while one operator runs.

    A map exists from the operator that makes it to the last one that reads it; what comes from
    outside exists from the beginning, and that and what is handed on exist to the end. A pointwise
    operator writes over an input of its shape and type that nobody reads any more.
    """
    begin: dict[str, int] = {}
    end: dict[str, int] = {}
    made = {name for op in operators for name in op.outputs}
    for at, op in enumerate(operators):
        for name in op.outputs:
            begin[name] = end[name] = at
        for name in op.inputs:
            begin.setdefault(name, 0)
            end[name] = at
    for name in end:
        if name not in made or name in graph.frontier(cut - 1):
            end[name] = len(operators)

    def alive(at: int) -> int:
        op = operators[at]
        total = sum(sizes[name] for name in end if begin[name] <= at <= end[name])
        if op.kind is Kind.POINTWISE:
            made = graph.tensors[op.outputs[0]]
            over = [n for n in op.inputs if end[n] == at and _alike(graph.tensors[n], made)]
            total -= sizes[over[0]] if over else 0
        return total

    return max(alive(at) for at in range(len(operators)))
