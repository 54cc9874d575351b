"""A network as a list of layers, and what crosses from one layer to the next."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from fusepath.errors import ModelError
from fusepath.graph.operators import Kind, Operator, Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Strides = tuple[int, int]

_FINEST = 2**24
"""Most parts of a pixel that strides are counted in, so that positions fit 64 bits."""


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


@dataclass(frozen=True, kw_only=True)
class ModelGraph:
    """A network: tensors, operators grouped into layers, and the stride of every tileable map.

    Layers are in an order in which they can run, tileable ones first.
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
    outputs_stay: bool = False
    """Whether the outputs belong on the device, output by output: what it has made of them is not
    sent, and what the edge server has made returns. Otherwise they return as the network's."""

    @property
    def depth(self) -> int:
        """Number of layers."""
        return len(self.layers)

    @cached_property
    def tileable_layers(self) -> int:
        """How many leading layers can be cut into tiles; the largest admissible τ."""
        return sum(layer.tileable for layer in self.layers)

    @cached_property
    def barrier(self) -> Operator | None:
        """The operator that ends the tileable prefix; None when everything can be tiled."""
        if self.tileable_layers == self.depth:
            return None
        return self.layers[self.tileable_layers].operators[0]

    @cached_property
    def _frontiers(self) -> tuple[tuple[str, ...], ...]:
        born = {self.input.name: 0}
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
        read = {name for op in self.operators(cut, self.depth) for name in op.inputs}
        return tuple(name for name in self.frontier(cut - 1) if name in read)

    def returned(self, cut: int) -> tuple[str, ...]:
        """Outputs that come back when layer ``cut`` (1-based) is the first on the edge."""
        if cut == self.depth + 1:
            return ()
        if not self.outputs_stay:
            return self.outputs
        made = {name for op in self.operators(cut, self.depth) for name in op.outputs}
        return tuple(name for name in self.outputs if name in made)

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

    def accompanying(self, cut: int) -> tuple[str, ...]:
        """Companions that layers from ``cut`` (1-based) on read: they cross the link as well."""
        read = {name for op in self.operators(cut, self.depth) for name in op.inputs}
        return tuple(name for name in self.companions if name in read)

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
    Tileable operators come first, everything behind a barrier after them: a head that branches
    off in mid-net does not end the prefix of the backbone. What only turns a quantised map into an
    output comes last: until then the smaller of the two crosses.

    Raises:
        ModelError: there is no operator at all.
    """
    ordered = tuple(operators)
    if not ordered:
        raise ModelError(f"model '{name}': the graph has no operators")
    strides, reasons = _strides(input, tensors, ordered)
    ordered = tuple(
        replace(op, barrier_reason=reasons[op.name]) if op.name in reasons else op for op in ordered
    )
    ending = _ending(outputs, tensors, ordered)
    tileable = [op for op in ordered if all(out in strides for out in op.outputs)]
    tileable_names = {op.name for op in tileable}
    rest = [op for op in ordered if op.name not in tileable_names]

    groups: list[list[Operator]] = []
    layer_of: dict[str, int] = dict.fromkeys((input.name, *companions), -1)
    prefix = 0
    for stage, members in (("tile", tileable), ("rest", rest)):
        if stage == "rest":
            prefix = len(groups)
        for op in (member for member in members if member not in ending):
            at = max((layer_of[tensor] for tensor in op.inputs), default=-1)
            leading = at < 0 and op.kind is Kind.POINTWISE
            if op.kind is Kind.WINDOW or op.work.macs > 0 or (at < prefix and stage == "rest"):
                at = len(groups)
                groups.append([])
            elif leading:
                # Preparing the input (scaling, say) belongs to the first layer.
                at = 0
                if not groups:
                    groups.append([])
            groups[at].append(op)
            layer_of.update(dict.fromkeys(op.outputs, at))
    groups[-1:] = [[*(groups[-1] if groups else ()), *ending]]

    return ModelGraph(
        name=name,
        sha256=sha256,
        input=input,
        companions=companions,
        outputs=outputs,
        tensors=tensors,
        layers=_layers(_merge_leading(groups, prefix), tileable_names),
        strides=strides,
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


def _layers(groups: list[list[Operator]], tileable_names: set[str]) -> tuple[Layer, ...]:
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


def _strides(
    source: Tensor, tensors: Mapping[str, Tensor], operators: tuple[Operator, ...]
) -> tuple[dict[str, Strides], dict[str, str]]:
    """Strides of every map that can be tiled: all that no barrier comes before.

    What joins maps of different strides but equal sizes (a map resized to the very size of another)
    has that of the first; no tile of it can be aligned, so that sessions compute all of it.

    Returns:
        Strides by tensor, and by operator why it cannot be tiled though it is no barrier.
    """
    exact: dict[str, tuple[Fraction, Fraction]] = {}
    units = [1, 1]
    if source.is_map:
        exact[source.name] = (Fraction(1), Fraction(1))
    reasons: dict[str, str] = {}
    for op in operators:
        if op.kind is Kind.BARRIER or not op.inputs or any(t not in exact for t in op.inputs):
            continue
        if not all(tensors[t].is_map for t in op.outputs):
            continue
        rows, cols = exact[op.inputs[0]]
        if len({tensors[t].shape[2:] for t in op.inputs}) != 1:
            reasons[op.name] = "joins maps of different sizes"
            continue
        made = tuple(
            stride * Fraction(*footprint.step)
            for stride, footprint in zip((rows, cols), op.footprints, strict=True)
        )
        finer = [math.lcm(units[axis], made[axis].denominator) for axis in (0, 1)]
        if max(finer) > _FINEST:
            reasons[op.name] = "resamples to distances that have too fine a common measure"
            continue
        units = finer
        exact |= dict.fromkeys(op.outputs, (made[0], made[1]))
    strides = {
        name: (int(rows * units[0]), int(cols * units[1])) for name, (rows, cols) in exact.items()
    }
    return strides, reasons
