"""Islands of channels last, (N, H, W, C), within a network of channels first, (N, C, H, W).

Exporters write a LayerNormalization or a Linear layer over channels as a Transpose, the operators,
and a Transpose back. Here every operator between them works on the map as it was, and the
Transposes have nothing left to do. What has no such form gets its Transpose back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fusepath.onnx_io.channelwise import REDUCTIONS, reduced_axes
from fusepath.onnx_io.families import BROADCASTING, ELEMENTWISE
from fusepath.onnx_io.nodes import (
    copied,
    input_at,
    integer,
    integers,
    number,
    present,
    with_attributes,
)
from fusepath.onnx_io.pads import padding_of
from fusepath.onnx_io.rewriting import Rewriting
from fusepath.onnx_io.slices import slices_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from onnx import NodeProto

    from fusepath.onnx_io.draft import Draft, Types

_TO_LAST = (0, 2, 3, 1)
"""Axis of (N, C, H, W) that is axis i of (N, H, W, C)."""
_TO_FIRST = (0, 3, 1, 2)
_RANK = 4
_SOFTMAXES = frozenset({"Softmax", "LogSoftmax", "Hardmax"})
_SOFTMAX_BY_AXIS = 13
_AXES_ARE_INPUTS = 18
"""From this opset on axes of a ReduceMean are an input."""


def put_channels_first(draft: Draft, types: Types) -> Draft:
    """The draft with operators behind a Transpose to channels last working on channels first."""
    rewriting = Rewriting(draft, types)
    islands = _Islands(rewriting)
    for node in draft.nodes:
        if islands.begins(node):
            rewriting.put(islands.back(node.output, outputs_only=True), instead_of=node)
        elif not islands.first.keys().isdisjoint(node.input):
            made = _converted(node, islands)
            if made is None:
                made = [*islands.back(node.input), node]
            made += islands.back(node.output, outputs_only=True)
            rewriting.put(made, instead_of=node)
    return rewriting.finished()


class _Islands:
    """Which tensors of channels last are known in channels first, and under which name."""

    def __init__(self, rewriting: Rewriting) -> None:
        self.rewriting = rewriting
        self.first: dict[str, str] = {}
        self._begun: dict[str, NodeProto] = {}
        self._back: set[str] = set()
        self._constants: dict[str, str] = {}

    def begins(self, node: NodeProto) -> bool:
        """Whether a node moves the channels of a map to its end; its output is known then."""
        source = node.input[0] if node.input else ""
        begins = (
            node.op_type == "Transpose"
            and integers(node, "perm") == _TO_LAST
            and source not in self.first
            and source not in self.rewriting.draft.constants
        )
        if begins:
            self.first[node.output[0]] = source
            self._begun[node.output[0]] = node
        return begins

    def back(self, names: Iterable[str], *, outputs_only: bool = False) -> list[NodeProto]:
        """Transposes that make tensors of channels last where somebody reads them so."""
        wanted = [
            name
            for name in dict.fromkeys(names)
            if name in self.first
            and name not in self._back
            and (not outputs_only or name in self.rewriting.draft.outputs)
        ]
        self._back.update(wanted)
        return [self._begun.get(name) or self._turned(name) for name in wanted]

    def _turned(self, name: str) -> NodeProto:
        return self.rewriting.node(
            "Transpose", [self.first[name]], name, label=f"{name}_last", perm=_TO_LAST
        )

    def operand(self, name: str) -> str | None:
        """An operand of channels last as one of channels first; None where it is not known."""
        if not name or name in self.first:
            return self.first.get(name, name)
        value = self.rewriting.draft.array(name)
        if value is None or value.ndim > _RANK:
            return None
        if value.size == 1:
            return name
        if name not in self._constants:
            whole = value.reshape((1,) * (_RANK - value.ndim) + value.shape)
            self._constants[name] = self.rewriting.constant(
                f"{name}_first", whole.transpose(_TO_FIRST)
            )
        return self._constants[name]

    def made(self, name: str) -> str:
        """The name, in channels first, of what an operator makes."""
        self.first[name] = self.rewriting.tensor(f"{name}_first")
        return self.first[name]


def _converted(node: NodeProto, islands: _Islands) -> list[NodeProto] | None:
    """The node on channels first; None where it has no such form."""
    rule = _RULES.get(node.op_type)
    shapes = [islands.rewriting.shape(name) for name in present(node.output)]
    if rule is None or not all(shapes):
        return None
    return rule(node, islands)


def _renamed(node: NodeProto, inputs: list[str], islands: _Islands) -> NodeProto:
    """The node with other inputs, and outputs in channels first."""
    twin = copied(node)
    for index, name in enumerate(inputs):
        twin.input[index] = name
    for index, name in enumerate(node.output):
        twin.output[index] = islands.made(name) if name else ""
    return twin


def _transpose(node: NodeProto, islands: _Islands) -> list[NodeProto] | None:
    perm = integers(node, "perm") or tuple(reversed(range(_RANK)))
    together = [_TO_LAST[axis] for axis in perm]
    source = islands.first[node.input[0]]
    if together == sorted(together):
        return [islands.rewriting.same(source, node)]
    twin = with_attributes(node, perm=together)
    twin.input[0] = source
    return [twin]


def _elementwise(node: NodeProto, islands: _Islands) -> list[NodeProto] | None:
    """One map in; further inputs are numbers or nothing."""
    source = islands.first.get(node.input[0])
    if source is None or any(name in islands.first for name in node.input[1:]):
        return None
    return [_renamed(node, [source, *node.input[1:]], islands)]


def _broadcast(node: NodeProto, islands: _Islands) -> list[NodeProto] | None:
    if len(islands.rewriting.shape(node.output[0])) != _RANK:
        return None
    operands = [islands.operand(name) for name in node.input]
    known = [name for name in operands if name is not None]
    return [_renamed(node, known, islands)] if len(known) == len(operands) else None


def _matrix_product(node: NodeProto, islands: _Islands) -> list[NodeProto] | None:
    """A product with constants over the channels is a convolution of one position."""
    source = islands.first.get(node.input[0])
    factor = islands.rewriting.draft.array(node.input[1])
    if source is None or factor is None or factor.ndim != 2 or factor.dtype != np.float32:
        return None
    weights = islands.rewriting.constant(f"{node.input[1]}_conv", factor.T[:, :, None, None])
    made = islands.made(node.output[0])
    return [islands.rewriting.node("Conv", [source, weights], made, label=node.name)]


def _layer_normalisation(node: NodeProto, islands: _Islands) -> list[NodeProto] | None:
    """Over channels alone, spelled out: the operator itself works over the last axes."""
    rewriting = islands.rewriting
    source = islands.first.get(node.input[0])
    scale, bias = islands.operand(node.input[1]), islands.operand(input_at(node, 2))
    last = integer(node, "axis", -1) in {-1, _RANK - 1}
    floats = _is_float(node.input[0], rewriting)
    if source is None or scale is None or bias is None or not (last and floats):
        return None
    if len(present(node.output)) > 1:
        return None
    steps: list[NodeProto] = []

    def step(op_type: str, what: str, *inputs: str, **attributes: Any) -> str:
        name = rewriting.tensor(f"{node.output[0]}_{what}")
        label = f"{node.name}_{what}"
        steps.append(rewriting.node(op_type, inputs, name, label=label, **attributes))
        return name

    def mean(what: str, of: str) -> str:
        if rewriting.draft.opset < _AXES_ARE_INPUTS:
            return step("ReduceMean", what, of, axes=[1])
        axes = rewriting.constant(f"{node.output[0]}_{what}_axes", np.array([1], np.int64))
        return step("ReduceMean", what, of, axes)

    centred = step("Sub", "centred", source, mean("mean", source))
    variance = mean("variance", step("Mul", "squares", centred, centred))
    epsilon = np.array(number(node, "epsilon", 1e-5), np.float32)
    least = rewriting.constant(f"{node.output[0]}_epsilon", epsilon)
    spread = step("Sqrt", "spread", step("Add", "positive", variance, least))
    result = step("Mul", "scaled", step("Div", "normal", centred, spread), scale)
    if bias:
        result = step("Add", "shifted", result, bias)
    islands.first[node.output[0]] = result
    return steps


def _along_axis(node: NodeProto, islands: _Islands) -> list[NodeProto] | None:
    """What works along the attribute ``axis``, which is another one in channels first."""
    before = islands.rewriting.draft.opset < _SOFTMAX_BY_AXIS and node.op_type in _SOFTMAXES
    made = None if before else _elementwise(node, islands)
    return None if made is None else [_with_axis(made[0], node, -1)]


def _with_axis(twin: NodeProto, node: NodeProto, default: int) -> NodeProto:
    return with_attributes(twin, axis=_TO_LAST[integer(node, "axis", default) % _RANK])


def _is_float(name: str, rewriting: Rewriting) -> bool:
    known = rewriting.types.get(name)
    return known is not None and known.dtype == "float32"


def _reduction(node: NodeProto, islands: _Islands) -> list[NodeProto] | None:
    rewriting = islands.rewriting
    source = islands.first.get(node.input[0])
    axes = reduced_axes(node, rewriting.draft, _RANK)
    if not axes or source is None:
        return None
    keeps = integer(node, "keepdims", 1)
    left = [_TO_LAST[axis] for axis in range(_RANK) if axis not in axes]
    if not keeps and left != sorted(left):
        return None
    moved = sorted(_TO_LAST[axis] for axis in axes)
    twin = _renamed(node, [source], islands) if keeps else copied(node)
    twin.input[0] = source
    if input_at(node, 1):
        twin.input[1] = rewriting.constant(f"{node.name}_axes", np.array(moved, np.int64))
    elif integers(node, "axes"):
        twin = with_attributes(twin, axes=moved)
    return [twin]


def _concatenation(node: NodeProto, islands: _Islands) -> list[NodeProto] | None:
    made = _broadcast(node, islands)
    return None if made is None else [_with_axis(made[0], node, 0)]


def _parts(node: NodeProto, islands: _Islands) -> list[NodeProto] | None:
    """A Split or Gather along some axis."""
    if len(islands.rewriting.shape(node.output[0])) != _RANK:
        return None
    made = _elementwise(node, islands)
    return None if made is None else [_with_axis(made[0], node, 0)]


def _slice(node: NodeProto, islands: _Islands) -> list[NodeProto] | None:
    parts = slices_of(node, islands.rewriting.draft.array, _RANK)
    if parts is None or len(node.input) < 2 or node.input[0] not in islands.first:
        return None
    values = {
        "starts": [part.start for part in parts.values()],
        "ends": [part.stop for part in parts.values()],
        "axes": [_TO_LAST[axis] for axis in parts],
        "steps": [part.step for part in parts.values()],
    }
    names = [
        islands.rewriting.constant(f"{node.name}_{what}", np.array(numbers, np.int64))
        for what, numbers in values.items()
    ]
    source = islands.first[node.input[0]]
    made = islands.made(node.output[0])
    return [islands.rewriting.node("Slice", [source, *names], made, label=node.name)]


def _pad(node: NodeProto, islands: _Islands) -> list[NodeProto] | None:
    padding = padding_of(node, islands.rewriting.draft.array, _RANK)
    source = islands.first.get(node.input[0])
    if padding is None or source is None:
        return None
    pads = [sides[axis] for sides in (padding.begins, padding.ends) for axis in _TO_FIRST]
    if len(node.input) < 2:
        return [with_attributes(_renamed(node, [source], islands), pads=pads)]
    moved = islands.rewriting.constant(f"{node.name}_pads", np.array(pads, np.int64))
    twin = _renamed(node, [source, moved], islands)
    del twin.input[3:]  # axes: all are stated now
    return [twin]


_RULES: Mapping[str, Callable[[NodeProto, _Islands], list[NodeProto] | None]] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(BROADCASTING, _broadcast),
    **dict.fromkeys(REDUCTIONS, _reduction),
    **dict.fromkeys(_SOFTMAXES, _along_axis),
    "LpNormalization": _along_axis,
    "Transpose": _transpose,
    "MatMul": _matrix_product,
    "LayerNormalization": _layer_normalisation,
    "Concat": _concatenation,
    "Gather": _parts,
    "Split": _parts,
    "Slice": _slice,
    "Pad": _pad,
}
