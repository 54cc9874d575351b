"""A network as a list of layers, and what crosses from one layer to the next."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from fusepath.errors import ModelError
from fusepath.graph.mirror import mirrored
from fusepath.graph.operators import Kind, Operator, Tensor
from fusepath.graph.stages import stages_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fusepath.graph.stages import Strides

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A computation layer of the paper: one Conv, pool or other main operator.

    The pointwise operators that follow it belong to it, so no cut separates a convolution from
    its BatchNormalization or activation.
    """

    index: int
    """1-based position; a cut ``o`` means layers ``1 … o−1`` run on the device."""
    name: str
    op_type: str
    operators: tuple[Operator, ...]
    tileable: bool


FEWEST_FUSED = 2
"""Layers that tiles have in common, or nothing is fused."""


@dataclass(frozen=True, slots=True)
class Section:
    """Layers ``start + 1 … end``, all of which can be tiled."""

    start: int
    """Layers before it, which are computed whole."""
    end: int

    @property
    def layers(self) -> int:
        """How many."""
        return self.end - self.start


@dataclass(frozen=True, kw_only=True)
class ModelGraph:
    """A network: tensors, operators grouped into layers, and the stride of every tileable map.

    Layers are in an order in which they can run: those of a section together, and all that can be
    tiled as early as can be.
    """

    name: str
    sha256: str
    """Digest of the model file; both machines must hold the same."""
    input: Tensor
    companions: tuple[str, ...] = ()
    """Inputs besides the one that is cut. They travel whole, with the first path that is sent."""
    outputs: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    layers: tuple[Layer, ...]
    strides: Mapping[str, Strides] = field(default_factory=dict)
    """From one element to the next along (rows, cols), for every map that a tile can hold.

    In the largest unit that makes all of them whole: where a map is finer than the input, that is
    a part of a pixel.
    """
    fed_shape: tuple[int, ...] = ()
    """Of the input as the model file has it, which may be (N, H, W, C) or a batch; like the digest,
    it says which network this is of those that a file with open dimensions may be."""
    given: tuple[str, ...] = ()
    """Maps that it begins with, where it is the rest of a network (`behind`)."""
    before: int = 0
    """Layers before it, where it is the rest of a network: what its own layers are called adds."""
    outputs_stay: bool = False
    """Whether the outputs belong on the device, output by output: what it has made of them is not
    sent, and what the edge server has made returns. Otherwise they return as the network's."""

    upward: bool = False
    """Whether rows are counted from the bottom (`mirrored`)."""

    @property
    def entry(self) -> tuple[str, ...]:
        """Tensors that it begins with: the input, or of the rest of a network what has been made.

        Some of them may be read behind the layers that a plan tiles, or be outputs.
        """
        return self.given or (self.input.name,)

    @cached_property
    def source(self) -> str:
        """The entry's map with most rows, by which strips count what is released.

        A tensor that is no map has none.
        """
        return max(self.entry, key=lambda name: self.tensors[name].shape[2:3])

    def behind(self, start: int) -> ModelGraph:
        """The rest of the network once layers ``1 … start`` have run, its layers counted anew."""
        if start not in self._rests:
            self._rests[start] = replace(
                self,
                layers=tuple(
                    replace(layer, index=layer.index - start) for layer in self.layers[start:]
                ),
                given=self.frontier(start),
                before=self.before + start,
            )
        return self._rests[start]

    @cached_property
    def _rests(self) -> dict[int, ModelGraph]:
        return {0: self}

    @property
    def depth(self) -> int:
        """Number of layers."""
        return len(self.layers)

    @cached_property
    def tileable_layers(self) -> int:
        """How many leading layers can be cut into tiles; the largest admissible τ."""
        return sum(1 for _ in itertools.takewhile(lambda layer: layer.tileable, self.layers))

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """All ranges of layers that can be tiled, each between two operators that need whole maps.

        Two layers or more: in one alone nothing is fused. The first is there whatever it is.
        """
        ends = [0, *(layer.index for layer in self.layers if not layer.tileable), self.depth + 1]
        found = [Section(before, after - 1) for before, after in itertools.pairwise(ends)]
        return tuple(
            item for item in found if item.layers >= FEWEST_FUSED or item.start == 0 < item.end
        )

    @property
    def begin(self) -> int:
        """Layers before the first section, where plans begin that are not told where."""
        return self.sections[0].start if self.sections else 0

    def section_of(self, tau: int) -> Section | None:
        """The section that a fused layer lies in; None if it is in none."""
        return next((item for item in self.sections if item.start < tau <= item.end), None)

    def barrier_at(self, section: Section) -> Operator | None:
        """The operator that ends a section; None where the network ends with it."""
        return None if section.end == self.depth else self.layers[section.end].operators[0]

    @cached_property
    def barrier(self) -> Operator | None:
        """The operator that ends the tileable prefix; None when everything can be tiled."""
        return self.barrier_at(Section(0, self.tileable_layers))

    @cached_property
    def _frontiers(self) -> tuple[tuple[str, ...], ...]:
        born = dict.fromkeys(self.entry, 0)
        last_use = dict.fromkeys(self.outputs, self.depth + 1)
        for layer in self.layers:
            for operator in layer.operators:
                born.update(dict.fromkeys(operator.outputs, layer.index))
                for name in operator.inputs:
                    last_use[name] = max(last_use.get(name, 0), layer.index)
        return tuple(
            tuple(name for name, at in born.items() if at <= v < last_use.get(name, 0))
            for v in range(self.depth + 1)
        )

    def frontier(self, after: int) -> tuple[str, ...]:
        """Tensors that exist once layers ``1 … after`` have run and that later layers need.

        ``frontier(0)`` is the input, ``frontier(depth)`` the outputs. On a branch there is more
        than one; a cut there sends them all.
        """
        return self._frontiers[after]

    def sent(self, cut: int) -> tuple[str, ...]:
        """Tensors that cross the link when layer ``cut`` (1-based) is the first on the edge.

        None for ``cut = depth + 1``: what the device has computed to the end stays there.
        """
        if cut == self.depth + 1:
            return ()
        if not self.outputs_stay:
            return self.frontier(cut - 1)
        return tuple(name for name in self.frontier(cut - 1) if self._last_read.get(name, 0) >= cut)

    def returned(self, cut: int) -> tuple[str, ...]:
        """Outputs that come back when layer ``cut`` (1-based) is the first on the edge."""
        if cut == self.depth + 1:
            return ()
        if not self.outputs_stay:
            return self.outputs
        return tuple(name for name in self.outputs if self._made_in.get(name, 0) >= cut)

    def front(self, last: int) -> ModelGraph:
        """Layers ``1 … last`` as a network whose outputs, what lies behind reads, stay here.

        The input is none of them: who has the outputs has had it.
        """
        if last not in self._fronts:
            names = self.frontier(last)
            self._fronts[last] = replace(
                self,
                layers=self.layers[:last],
                outputs=tuple(name for name in names if name != self.input.name),
                outputs_stay=True,
            )
        return self._fronts[last]

    @cached_property
    def _fronts(self) -> dict[int, ModelGraph]:
        return {}

    @cached_property
    def mirrored(self) -> ModelGraph | None:
        """The same network with rows counted from the bottom.

        None where an operator of its tileable layers has rows that cannot be counted so.
        """
        layers = []
        for layer in self.layers[: self.tileable_layers]:
            operators = [self._mirrored(op) for op in layer.operators]
            known = tuple(op for op in operators if op is not None)
            if len(known) < len(operators):
                return None
            layers.append(replace(layer, operators=known))
        layers += self.layers[self.tileable_layers :]
        return replace(self, layers=tuple(layers), upward=not self.upward)

    def _mirrored(self, op: Operator) -> Operator | None:
        if op.kind is not Kind.WINDOW:
            return op
        inputs, outputs = (self.tensors[name].size(0) for name in (op.inputs[0], op.outputs[0]))
        rows = mirrored(op.rows, inputs, outputs)
        return None if rows is None else replace(op, rows=rows)

    @property
    def starts(self) -> tuple[int, ...]:
        """Layers behind which a plan may begin: 0, and those before later sections."""
        return (0, *(section.start for section in self.sections if section.start > 0))

    def accompanying(self, cut: int) -> tuple[str, ...]:
        """Companions that layers from ``cut`` (1-based) on read: they cross the link as well."""
        return tuple(name for name in self.companions if self._last_read.get(name, 0) >= cut)

    def once(self, work_out: Callable[[ModelGraph], _Found]) -> _Found:
        """What a function finds of this network alone, which does not change: found once.

        Args:
            work_out: a function of a module; what it returns is shared, and must not be changed.
        """
        if work_out not in self._found:
            self._found[work_out] = work_out(self)
        found: _Found = self._found[work_out]
        return found

    @cached_property
    def _found(self) -> dict[Callable[[ModelGraph], Any], Any]:
        return {}

    @cached_property
    def _last_read(self) -> dict[str, int]:
        """The last layer (1-based) that reads a tensor."""
        return {
            name: number
            for number, layer in enumerate(self.layers, 1)
            for op in layer.operators
            for name in op.inputs
        }

    @cached_property
    def _made_in(self) -> dict[str, int]:
        """The layer (1-based) that makes a tensor."""
        return {
            name: number
            for number, layer in enumerate(self.layers, 1)
            for op in layer.operators
            for name in op.outputs
        }

    def operators(self, first: int, last: int) -> tuple[Operator, ...]:
        """Operators of layers ``first … last`` (1-based, both included), in running order."""
        return tuple(op for layer in self.layers[first - 1 : last] for op in layer.operators)

    def fused_size(self, tau: int, axis: int) -> int:
        """Most tiles the fused layer can be cut into along rows (0) or columns (1)."""
        return min(self.tensors[name].size(axis) for name in self.frontier(tau))


def build_graph(
    *,
    name: str,
    sha256: str,
    input: Tensor,  # noqa: A002 - the network's word
    outputs: tuple[str, ...],
    tensors: Mapping[str, Tensor],
    operators: Iterable[Operator],
    companions: tuple[str, ...] = (),
    fed_shape: tuple[int, ...] | None = None,
) -> ModelGraph:
    """Group operators (in an order in which they can run) into layers.

    A window operator opens a layer; pointwise operators join the layer of their latest producer.
    Operators come stage by stage (`stages_of`), tileable ones as early as can be: a head that
    branches off in mid-net does not end a section of the backbone. What only turns a quantised map
    into an output comes last: until then the smaller of the two crosses.

    Raises:
        ModelError: there is no operator at all.
    """
    ordered = tuple(operators)
    if not ordered:
        raise ModelError(f"model '{name}': the graph has no operators")
    ending = _ending(outputs, tensors, ordered)
    stages = stages_of(input, outputs, tensors, ordered, {op.name for op in ending})
    ordered = tuple(
        replace(op, barrier_reason=stages.reasons[op.name]) if op.name in stages.reasons else op
        for op in ordered
    )
    last_names = {op.name for op in ending}
    ending = tuple(op for op in ordered if op.name in last_names)

    groups: list[list[Operator]] = []
    layer_of: dict[str, int] = dict.fromkeys((input.name, *companions), -1)
    prefix = 0
    for stage in range(max(stages.of.values()) + 1):
        begin = len(groups)
        for op in ordered:
            if stages.of[op.name] != stage or op.name in last_names:
                continue
            at = max((layer_of[tensor] for tensor in op.inputs), default=-1)
            leading = at < 0 and op.kind is Kind.POINTWISE
            if op.kind is Kind.WINDOW or op.work.macs > 0 or (at < begin and stage > 0):
                at = len(groups)
                groups.append([])
            elif leading:
                # Preparing the input (scaling, say) belongs to the first layer.
                at = 0
                if not groups:
                    groups.append([])
            groups[at].append(op)
            layer_of.update(dict.fromkeys(op.outputs, at))
        if stage == 0:
            prefix = len(groups)
    groups[-1:] = [[*(groups[-1] if groups else ()), *ending]]

    return ModelGraph(
        name=name,
        sha256=sha256,
        input=input,
        companions=companions,
        outputs=outputs,
        tensors=tensors,
        layers=_layers(_merge_leading(groups, prefix), stages.tileable),
        strides=stages.strides,
        fed_shape=input.shape if fed_shape is None else fed_shape,
    )


def _ending(
    outputs: tuple[str, ...], tensors: Mapping[str, Tensor], operators: tuple[Operator, ...]
) -> tuple[Operator, ...]:
    """Pointwise operators that make outputs that nobody reads of quantised maps."""
    read = {name for op in operators for name in op.inputs}
    return tuple(
        op
        for op in operators
        if op.kind is Kind.POINTWISE
        and all(tensors[name].is_quantised for name in op.inputs)
        and all(
            name in outputs and name not in read and not tensors[name].is_quantised
            for name in op.outputs
        )
    )


def _merge_leading(groups: list[list[Operator]], prefix: int) -> list[list[Operator]]:
    """Join a first layer made of pointwise operators alone to the layer after it."""
    if prefix > 1 and all(op.kind is Kind.POINTWISE for op in groups[0]):
        return [groups[0] + groups[1], *groups[2:]]
    return groups


def _layers(groups: list[list[Operator]], tileable_names: frozenset[str]) -> tuple[Layer, ...]:
    layers = []
    for index, group in enumerate(groups, start=1):
        main = max(group, key=lambda op: (op.kind is Kind.WINDOW, op.work.macs))
        layers.append(
            Layer(
                index=index,
                name=main.name,
                op_type=main.op_type,
                operators=tuple(group),
                tileable=all(op.name in tileable_names for op in group),
            )
        )
    return tuple(layers)
